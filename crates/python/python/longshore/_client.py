"""The client: files, workspaces, locks and all else. Written by generate.py from its twin in aio: do not edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from longshore import models
from longshore._longshore import Client as Core
from longshore._said import LocalPath, Lock, given, local, token
from longshore._access import Invitations, Keys, Members, Principals, Transfers
from longshore._files import Files
from longshore._locks import Locks
from longshore._run import run
from longshore._streams import Listing
from longshore._verbs import Events, Hooks, Jobs, Notes, Workspaces
from longshore.exceptions import ClosedError

__all__ = ["Client"]


class Client:
    """A client of a Longshore server. All its verbs share connections, pauses and locks.

        with Client() as client:  # LONGSHORE_URL, LONGSHORE_API_KEY
            workspace = client.workspaces.get_current()
            report = client.files.upload(path="q1.csv")
            for chunk in client.files.stream(report.id):
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
        self.files = Files(self)
        self.workspaces = Workspaces(self)
        self.locks = Locks(self)
        self.events = Events(self)
        self.jobs = Jobs(self)
        self.keys = Keys(self)
        self.members = Members(self)
        self.principals = Principals(self)
        self.invitations = Invitations(self)
        self.transfers = Transfers(self)
        self.notes = Notes(self)
        self.hooks = Hooks(self)

    @property
    def _core(self) -> Core:
        if self._opened is None:
            message = "the client is closed"
            raise ClosedError(message)
        return self._opened

    def _with(self, core: Core) -> Client:
        other = object.__new__(Client)
        other._begin(core)
        return other

    def with_idempotency_key(self, key: str) -> Client:
        """Return this client with the key that its next write carries, for a program that may die before it hears."""
        return self._with(self._core.with_idempotency_key(key))

    def under(self, *locks: Lock) -> Client:
        """Return this client with locks that all its writes may be under."""
        return self._with(self._core.under([found for lock in locks if (found := token(lock))]))

    def me(self) -> models.Me:
        """Return who asks, and by which key."""
        return models.Me._read(run(self._core.call("me")))

    def status(self) -> models.Status:
        """Return what the server says of itself."""
        return models.Status._read(run(self._core.call("status")))

    def undo(
        self,
        acts: Sequence[int] | None = None,
        *,
        preview: bool = False,
        workspace_id: str | None = None,
        **said: Any,
    ) -> models.Undone:
        """Take back acts, as a new act; with `preview`, say what that would change."""
        wanted = given(acts=None if acts is None else list(acts), preview=preview or None, **said)
        return models.Undone._read(run(self._core.call("undo", workspace_id, wanted)))

    def open_uploads(self) -> Listing[models.OpenUpload]:
        """List one's own uploads that are not finished."""
        return Listing(self._core.list("uploads.list"), models.OpenUpload._read)

    def close(self) -> None:
        """Let go of the connections. What is under way goes on to its end."""
        self._opened = None

    def __enter__(self) -> Client:
        """Use it for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of the connections."""
        self.close()
