"""Keys, members, people, invitations, transfers."""

from __future__ import annotations

from typing import Any

from longshore import models
from longshore._said import given
from longshore.aio._streams import AsyncListing
from longshore.aio._verbs import Verbs

__all__ = ["AsyncInvitations", "AsyncKeys", "AsyncMembers", "AsyncPrincipals", "AsyncTransfers"]


class AsyncKeys(Verbs):
    """API keys."""

    async def create(self, **said: Any) -> models.NewKey:
        """Make a key; its secret is in the answer, and nowhere else ever again.

        Args:
            said: `name`, `role`; `workspace_id`, `agent` or `agent_id`, `expires_at`; `verbs` (of `read`, `create`,
                `write`, `delete`, `share`, `manage`), `folder` (a path or an id), `addresses` (networks).
        """
        return models.NewKey._read(await self._call("keys.create", given(**said)))

    async def rotate(self, key_id: str, *, grace_seconds: int = 0) -> models.NewKey:
        """Make a key in the place of one, narrowed as that was, which is good for so many seconds more."""
        return models.NewKey._read(await self._call("keys.rotate", key_id, {"grace_seconds": grace_seconds}))

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

    async def create_reset(self, principal_id: str) -> models.NewReset:
        """Make a token by which a person sets a new password, once and within a day."""
        return models.NewReset._read(await self._call("principals.create_reset", principal_id))

    async def deactivate(self, principal_id: str) -> models.Principal:
        """End what a person or an agent may do: keys, locks and links end with it."""
        return models.Principal._read(await self._call("principals.deactivate", principal_id))

    async def reactivate(self, principal_id: str) -> models.Principal:
        """Let a person or an agent do again what they may; the locks that they had are gone."""
        return models.Principal._read(await self._call("principals.reactivate", principal_id))

    def list(self) -> AsyncListing[models.Principal]:
        """List people and agents, the oldest first."""
        return AsyncListing(self._list("principals.list"), models.Principal._read)


class AsyncInvitations(Verbs):
    """Invitations into a workspace, for its admins to make and for whoever has the token to answer."""

    async def create(
        self,
        role: str,
        *,
        note: str | None = None,
        expires_in: int | None = None,
        workspace_id: str | None = None,
    ) -> models.NewInvitation:
        """Invite a `viewer`, `editor` or `admin`, for so many seconds (7 days); the token is in the answer."""
        wanted = given(role=role, note=note, expires_in=expires_in)
        return models.NewInvitation._read(await self._call("invitations.create", workspace_id, wanted))

    async def revoke(self, invitation_id: str) -> None:
        """Revoke an invitation; one that has ended stays as it is."""
        await self._call("invitations.revoke", invitation_id)

    async def look(self, token: str) -> models.LookedAt:
        """Return what a token invites to."""
        return models.LookedAt._read(await self._call("invitations.look", token))

    async def accept(self, token: str) -> models.Member:
        """Become a member of the workspace that a token invites to; a greater role there stays."""
        return models.Member._read(await self._call("invitations.accept", token))

    async def decline(self, token: str) -> None:
        """Decline what a token invites to: it is good no more."""
        await self._call("invitations.decline", token)

    def list(self, *, workspace_id: str | None = None) -> AsyncListing[models.Invitation]:
        """List the invitations, the oldest first."""
        return AsyncListing(self._list("invitations.list", workspace_id), models.Invitation._read)


class AsyncTransfers(Verbs):
    """Handing a workspace over: its owner offers it, and whoever brings the token becomes its owner."""

    async def offer(
        self, *, note: str | None = None, expires_in: int | None = None, workspace_id: str | None = None
    ) -> models.NewTransfer:
        """Offer the workspace for so many seconds (72 h at most); the token is in the answer, and nowhere else."""
        wanted = given(note=note, expires_in=expires_in)
        return models.NewTransfer._read(await self._call("transfers.offer", workspace_id, wanted))

    async def get(self, *, workspace_id: str | None = None) -> models.Transfer:
        """Return the open offer of the workspace, or the last one that was."""
        return models.Transfer._read(await self._call("transfers.get", workspace_id))

    async def revoke(self, *, workspace_id: str | None = None) -> None:
        """Take the open offer back."""
        await self._call("transfers.revoke", workspace_id)

    async def look(self, token: str) -> models.TransferManifest:
        """Return what is handed over with a token."""
        return models.TransferManifest._read(await self._call("transfers.look", token))

    async def accept(self, token: str) -> models.Transfer:
        """Become the owner of the workspace that is offered; the owner before stays as an admin until removed."""
        return models.Transfer._read(await self._call("transfers.accept", token))

    async def decline(self, token: str) -> models.Transfer:
        """End an offer that is not wanted."""
        return models.Transfer._read(await self._call("transfers.decline", token))
