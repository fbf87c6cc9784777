"""Keys, the members of workspaces, people and agents."""

from __future__ import annotations

from typing import Any

from longshore import models
from longshore._said import given
from longshore.aio._streams import AsyncListing
from longshore.aio._verbs import Verbs

__all__ = ["AsyncKeys", "AsyncMembers", "AsyncPrincipals"]


class AsyncKeys(Verbs):
    """API keys."""

    async def create(self, **said: Any) -> models.NewKey:
        """Make a key; its secret is in the answer, and nowhere else ever again."""
        return models.NewKey._read(await self._call("keys.create", given(**said)))

    async def revoke(self, key_id: str) -> None:
        """End a key."""
        await self._call("keys.revoke", key_id)

    def list(self) -> AsyncListing[models.Key]:
        """List keys."""
        return AsyncListing(self._list("keys.list"), models.Key._read)


class AsyncMembers(Verbs):
    """The members of a workspace: each of them lists them, an admin changes them.

    Each verb takes the workspace; without one it is the key's current one.
    """

    async def get(self, principal_id: str, *, workspace_id: str | None = None) -> models.Member:
        """Return a member."""
        return models.Member._read(await self._call("members.get", workspace_id, principal_id))

    async def set(self, principal_id: str, role: str, *, workspace_id: str | None = None) -> models.Member:
        """Give a person or an agent a role: `viewer`, `editor` or `admin`, and no more than one's own."""
        return models.Member._read(await self._call("members.set", workspace_id, principal_id, role))

    async def remove(self, principal_id: str, *, workspace_id: str | None = None) -> None:
        """Take a member out of the workspace, whose locks there end; anybody may take out themselves."""
        await self._call("members.remove", workspace_id, principal_id)

    def list(self, *, workspace_id: str | None = None) -> AsyncListing[models.Member]:
        """List the members, by their ids."""
        return AsyncListing(self._list("members.list", workspace_id), models.Member._read)


class AsyncPrincipals(Verbs):
    """People and agents. Only an admin of the server may use these verbs."""

    async def create(self, kind: str, name: str) -> models.Principal:
        """Make a person or an agent (`person` or `agent`), who may do nothing yet."""
        wanted = {"kind": kind, "name": name}
        return models.Principal._read(await self._call("principals.create", wanted))

    async def get(self, principal_id: str) -> models.Principal:
        """Return a person or an agent."""
        return models.Principal._read(await self._call("principals.get", principal_id))

    async def rename(self, principal_id: str, name: str) -> models.Principal:
        """Give a person or an agent another name."""
        return models.Principal._read(await self._call("principals.rename", principal_id, name))

    async def deactivate(self, principal_id: str) -> models.Principal:
        """End what a person or an agent may do: keys, locks and links end with it."""
        return models.Principal._read(await self._call("principals.deactivate", principal_id))

    async def reactivate(self, principal_id: str) -> models.Principal:
        """Let a person or an agent do again what they may; the locks that they had are gone."""
        return models.Principal._read(await self._call("principals.reactivate", principal_id))

    def list(self) -> AsyncListing[models.Principal]:
        """List people and agents, the oldest first."""
        return AsyncListing(self._list("principals.list"), models.Principal._read)
