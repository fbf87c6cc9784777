"""Keys, the members of workspaces, people and agents. Written by generate.py from its twin in aio: do not edit."""

from __future__ import annotations

from typing import Any

from longshore import models
from longshore._said import given
from longshore._streams import Listing
from longshore._verbs import Verbs

__all__ = ["Keys", "Members", "Principals"]


class Keys(Verbs):
    """API keys."""

    def create(self, **said: Any) -> models.NewKey:
        """Make a key; its secret is in the answer, and nowhere else ever again."""
        return models.NewKey._read(self._call("keys.create", given(**said)))

    def revoke(self, key_id: str) -> None:
        """End a key."""
        self._call("keys.revoke", key_id)

    def list(self) -> Listing[models.Key]:
        """List keys."""
        return Listing(self._list("keys.list"), models.Key._read)


class Members(Verbs):
    """The members of a workspace: each of them lists them, an admin changes them.

    Each verb takes the workspace; without one it is the key's current one.
    """

    def get(self, principal_id: str, *, workspace_id: str | None = None) -> models.Member:
        """Return a member."""
        return models.Member._read(self._call("members.get", workspace_id, principal_id))

    def set(self, principal_id: str, role: str, *, workspace_id: str | None = None) -> models.Member:
        """Give a person or an agent a role: `viewer`, `editor` or `admin`, and no more than one's own."""
        return models.Member._read(self._call("members.set", workspace_id, principal_id, role))

    def remove(self, principal_id: str, *, workspace_id: str | None = None) -> None:
        """Take a member out of the workspace, whose locks there end; anybody may take out themselves."""
        self._call("members.remove", workspace_id, principal_id)

    def list(self, *, workspace_id: str | None = None) -> Listing[models.Member]:
        """List the members, by their ids."""
        return Listing(self._list("members.list", workspace_id), models.Member._read)


class Principals(Verbs):
    """People and agents. Only an admin of the server may use these verbs."""

    def create(self, kind: str, name: str) -> models.Principal:
        """Make a person or an agent (`person` or `agent`), who may do nothing yet."""
        wanted = {"kind": kind, "name": name}
        return models.Principal._read(self._call("principals.create", wanted))

    def get(self, principal_id: str) -> models.Principal:
        """Return a person or an agent."""
        return models.Principal._read(self._call("principals.get", principal_id))

    def rename(self, principal_id: str, name: str) -> models.Principal:
        """Give a person or an agent another name."""
        return models.Principal._read(self._call("principals.rename", principal_id, name))

    def deactivate(self, principal_id: str) -> models.Principal:
        """End what a person or an agent may do: keys, locks and links end with it."""
        return models.Principal._read(self._call("principals.deactivate", principal_id))

    def reactivate(self, principal_id: str) -> models.Principal:
        """Let a person or an agent do again what they may; the locks that they had are gone."""
        return models.Principal._read(self._call("principals.reactivate", principal_id))

    def list(self) -> Listing[models.Principal]:
        """List people and agents, the oldest first."""
        return Listing(self._list("principals.list"), models.Principal._read)
