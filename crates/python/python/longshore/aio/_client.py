"""The client: files, workspaces, locks and all else, in an event loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longshore import models
from longshore._longshore import Client as Core
from longshore._said import LocalPath, Lock, given, local, token
from longshore.aio._access import AsyncInvitations, AsyncKeys, AsyncMembers, AsyncPrincipals, AsyncTransfers
from longshore.aio._files import AsyncFiles
from longshore.aio._locks import AsyncLocks
from longshore.aio._run import run
from longshore.aio._streams import AsyncListing
from longshore.aio._verbs import AsyncEvents, AsyncHooks, AsyncJobs, AsyncNotes, AsyncWorkspaces
from longshore.exceptions import ClosedError

__all__ = ["AsyncClient"]


class AsyncClient:
    """A client of a Longshore server. All its verbs share connections, pauses and locks.

        async with AsyncClient() as client:  # LONGSHORE_URL, LONGSHORE_API_KEY
            workspace = await client.workspaces.get_current()
            report = await client.files.upload(path="q1.csv")
            async for chunk in client.files.stream(report.id):
                ...

    Args:
        api_key: the key; left out, `LONGSHORE_API_KEY`.
        base_url: the server; left out, `LONGSHORE_URL`, or this machine.
        max_attempts: how often what is safe to repeat is tried in all; 1 means never again, so that the caller's own
            retries see each error.
        concurrency: how many requests for content run at once at most.
        limit_rate: bytes a second of all connections together.
        connect_timeout, idle_timeout: seconds without a sign of life.
        retry_base, retry_cap, retry_after_cap: pauses between attempts, in seconds.
        ca_file: PEM certificates that are trusted beside those of the system.

    Raises:
        AuthenticationError: there is no key.
        InvalidError: a setting cannot be used.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        max_attempts: int | None = None,
        concurrency: int | None = None,
        limit_rate: int | None = None,
        connect_timeout: float | None = None,
        idle_timeout: float | None = None,
        retry_base: float | None = None,
        retry_cap: float | None = None,
        retry_after_cap: float | None = None,
        ca_file: LocalPath | None = None,
    ) -> None:
        """Make one. Nothing is connected yet."""
        settings = given(
            api_key=api_key,
            url=base_url,
            max_attempts=max_attempts,
            concurrency=concurrency,
            limit_rate=limit_rate,
            connect_timeout=connect_timeout,
            idle_timeout=idle_timeout,
            retry_base=retry_base,
            retry_cap=retry_cap,
            retry_after_cap=retry_after_cap,
            ca_file=local(ca_file),
        )
        self._begin(Core(settings))

    def _begin(self, core: Core) -> None:
        self._opened: Core | None = core
        self.files = AsyncFiles(self)
        self.workspaces = AsyncWorkspaces(self)
        self.locks = AsyncLocks(self)
        self.events = AsyncEvents(self)
        self.jobs = AsyncJobs(self)
        self.keys = AsyncKeys(self)
        self.members = AsyncMembers(self)
        self.principals = AsyncPrincipals(self)
        self.invitations = AsyncInvitations(self)
        self.transfers = AsyncTransfers(self)
        self.notes = AsyncNotes(self)
        self.hooks = AsyncHooks(self)

    @property
    def _core(self) -> Core:
        if self._opened is None:
            message = "the client is closed"
            raise ClosedError(message)
        return self._opened

    def _with(self, core: Core) -> AsyncClient:
        other = object.__new__(AsyncClient)
        other._begin(core)
        return other

    def with_idempotency_key(self, key: str) -> AsyncClient:
        """Return this client with the key that its next write carries, for a program that may die before it hears."""
        return self._with(self._core.with_idempotency_key(key))

    def under(self, *locks: Lock) -> AsyncClient:
        """Return this client with locks that all its writes may be under."""
        return self._with(self._core.under([found for lock in locks if (found := token(lock))]))

    async def me(self) -> models.Me:
        """Return who asks, and by which key."""
        return models.Me._read(await run(self._core.call("me")))

    async def status(self) -> models.Status:
        """Return what the server says of itself."""
        return models.Status._read(await run(self._core.call("status")))

    async def undo(
        self,
        acts: Sequence[int] | None = None,
        *,
        preview: bool = False,
        workspace_id: str | None = None,
        **said: Any,
    ) -> models.Undone:
        """Take back acts, as a new act; with `preview`, say what that would change."""
        wanted = given(acts=None if acts is None else list(acts), preview=preview or None, **said)
        return models.Undone._read(await run(self._core.call("undo", workspace_id, wanted)))

    def open_uploads(self) -> AsyncListing[models.OpenUpload]:
        """List one's own uploads that are not finished."""
        return AsyncListing(self._core.list("uploads.list"), models.OpenUpload._read)

    async def aclose(self) -> None:
        """Let go of the connections. What is under way goes on to its end."""
        self._opened = None

    async def __aenter__(self) -> AsyncClient:
        """Use it for a while."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of the connections."""
        await self.aclose()
