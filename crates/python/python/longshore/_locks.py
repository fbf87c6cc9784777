"""Locks: taken and given back by hand, or held while a block runs. Written by generate.py from its twin in aio: do not edit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from longshore import models
from longshore._said import Lock, NodeRef, given, ref, token
from longshore._hold import Losing
from longshore._run import run
from longshore._streams import Listing

if TYPE_CHECKING:
    from longshore._longshore import Guard
    from longshore._client import Client

__all__ = ["LockHandle", "Locks"]


class LockHandle:
    """Locks that are held while a `with` block runs, and renew themselves.

    When a lock is lost the block is ended with `LockLostError`: by a cancellation where it awaits, and at its end
    in any case. What it writes with this client after the loss the server refuses.

    Attributes:
        locks: the locks as they were granted.
    """

    def __init__(self, hold: Callable[[], Any]) -> None:
        """Take what takes the locks."""
        self._hold = hold
        self._guard: Guard | None = None
        self._losing: Losing | None = None
        self.locks: list[models.NodeLock] = []
        self.tokens: list[str] = []

    @property
    def id(self) -> str:
        """The id of the first lock."""
        return self.locks[0].id

    @property
    def fence(self) -> int:
        """The fence of the first lock: it rises with every grant."""
        return self.locks[0].fence

    @property
    def token(self) -> str:
        """The token of the first lock."""
        return self.tokens[0]

    def acquire(self) -> LockHandle:
        """Take the locks."""
        locks, self.tokens, self._guard = run(self._hold())
        self.locks = [models.NodeLock._read(lock) for lock in locks]
        return self

    def release(self) -> None:
        """Give the locks back. One that was lost before is not an error."""
        guard, self._guard = self._guard, None
        if guard is not None:
            run(guard.release())

    def __enter__(self) -> LockHandle:
        """Take the locks."""
        self.acquire()
        if self._guard is not None:
            self._losing = Losing(self._guard)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        """Give the locks back."""
        lost = self._losing.end() if self._losing else None
        self.release()
        if lost is not None and (error is None or Losing.is_ours(error)):
            raise lost from None


class Locks:
    """Locks on files and folders."""

    def __init__(self, client: Client) -> None:
        """Belong to a client."""
        self._client = client
        self._tokens: dict[str, str] = {}

    def acquire(
        self,
        file_id: NodeRef,
        *,
        ttl: float | None = None,
        wait: float | None = None,
        purpose: str | None = None,
        owner_label: str | None = None,
        if_version: str | None = None,
    ) -> models.LockGrant:
        """Take a lock for `ttl` seconds (60), waiting up to `wait` (0) for who holds it; nobody renews it but `renew`.

        This client's later writes to the file, or into the folder, are under the lock.

        Raises:
            LockedError: somebody else holds it.
        """
        said = given(ttl=ttl, wait=wait, purpose=purpose, owner_label=owner_label, if_version=if_version)
        grant = models.LockGrant._read(self._call("locks.acquire", ref(file_id), said))
        self._tokens[grant.id] = grant.token
        return grant

    def acquire_many(self, file_ids: Sequence[NodeRef], **said: Any) -> models.LockGrants:
        """Take up to 100 locks of one workspace, all or none."""
        wanted = {"files": [ref(node) for node in file_ids], **said}
        return models.LockGrants._read(self._call("locks.acquire_many", wanted))

    def renew(self, lock: Lock, ttl_seconds: int | None = None) -> models.LockRenewal:
        """Begin a lock's time anew."""
        return models.LockRenewal._read(self._call("locks.renew", self._token(lock), ttl_seconds))

    def release(self, lock: Lock) -> None:
        """Give a lock back: by what was granted, its token, or, of one that this client took, its id."""
        said = self._token(lock)
        self._call("locks.release", said)
        self._tokens = {id_: token_ for id_, token_ in self._tokens.items() if token_ != said}

    def _token(self, lock: Lock) -> str:
        said = token(lock) or ""
        return self._tokens.get(said, said)

    def break_lock(self, lock_id: str, reason: str) -> None:
        """End somebody else's lock. Only admins may."""
        self._call("locks.break", lock_id, reason)

    def get(self, file_id: NodeRef) -> models.NodeLock:
        """Return the lock of a node."""
        return models.NodeLock._read(self._call("locks.get", ref(file_id)))

    def list(
        self, *, mine: bool = False, owner: str | None = None, workspace_id: str | None = None
    ) -> Listing[models.NodeLock]:
        """List the locks there are: one's own, a principal's, or everybody's."""
        return Listing(
            self._client._core.list("locks.list", mine, owner, workspace_id), models.NodeLock._read
        )

    def hold(
        self,
        *file_ids: NodeRef,
        ttl: float | None = None,
        wait: float | None = None,
        purpose: str | None = None,
        owner_label: str | None = None,
        if_version: str | None = None,
    ) -> LockHandle:
        """Hold the locks of nodes, all or none, while a `with` block runs: they renew themselves."""
        said = given(ttl=ttl, wait=wait, purpose=purpose, owner_label=owner_label, if_version=if_version)
        nodes = [ref(node) for node in file_ids]
        return LockHandle(lambda: self._client._core.hold(nodes, said))

    def _call(self, verb: str, *args: Any) -> Any:
        return run(self._client._core.call(verb, *args))
