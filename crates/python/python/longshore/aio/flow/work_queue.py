"""A bounded queue with workers: producers put items in, and wait while it is full."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .outcome import Outcome
from .slots import Slots
from .tasks import end_tasks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

T = TypeVar("T")


class QueueClosedError(RuntimeError):
    """The queue takes no more items."""


class QueueFullError(RuntimeError):
    """As many items wait as may; only `WorkQueue.put_nowait` raises it."""


class WorkQueue(Generic[T]):
    """Calls `worker` on what is put in: on `workers` items at once, while up to `maxsize` wait.

    ```python
    async with WorkQueue(store, workers=3, maxsize=100) as queue:
        async for item in source:
            await queue.put(item)
    for failure in queue.failures:
        print(failure.item, failure.error)
    ```

    The end of the block waits until all is handled; an exception in it drops what waits, cancels what runs
    and waits for that. An item that fails stops no other: it is an `Outcome` in `failures`.
    """

    def __init__(
        self, worker: Callable[[T], Awaitable[object]], workers: int = 3, maxsize: int = 100
    ) -> None:
        """Say what is called and how much at once; nothing runs before something is put in.

        Raises:
            ValueError: `workers` or `maxsize` is below 1.

        """
        if workers < 1 or maxsize < 1:
            raise ValueError(f"workers and maxsize must be 1 or more, not {workers} and {maxsize}")
        self.failures: list[Outcome[T, Any]] = []
        """What failed, in the order of failing. It takes memory until it is cleared."""
        self.done = 0
        """How many items were handled without a failure."""
        self._worker, self._workers = worker, workers
        self._items: deque[tuple[int, T]] = deque()
        self._room = Slots(maxsize)
        self._running: dict[asyncio.Task[None], tuple[int, T]] = {}
        self._taken = 0
        self._is_closed = False
        self._is_cancelled = False
        self._idle: set[asyncio.Future[None]] = set()

    @property
    def waiting(self) -> int:
        """How many items wait for a worker."""
        return len(self._items)

    @property
    def in_flight(self) -> int:
        """How many items are being handled."""
        return len(self._running)

    async def put(self, item: T) -> None:
        """Hand over an item, as soon as there is room, in the order of coming. Cancelled, it has handed over
        nothing.

        Raises:
            QueueClosedError: After `close` or `cancel`. A put that waits for room when `close` is called
                still comes in.

        """
        self._check_open()
        try:
            await self._room.acquire()
        except BaseException:
            self._tell_idle()  # it may have been the last that was waited for
            raise
        if self._is_cancelled:
            self._room.release()
            raise QueueClosedError("the queue was cancelled")
        self._add(item)

    def put_nowait(self, item: T) -> None:
        """Hand over an item if there is room now.

        Raises:
            QueueFullError: There is none.
            QueueClosedError: After `close` or `cancel`.

        """
        self._check_open()
        if not self._room.try_acquire():
            raise QueueFullError("the queue is full")
        self._add(item)

    async def join(self) -> None:
        """Wait until all that was put in is handled; more may be put in afterwards."""
        while not self._is_idle():
            idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.add(idle)
            try:
                await idle
            finally:
                self._idle.discard(idle)

    async def close(self) -> list[Outcome[T, Any]]:
        """Take no more, wait until all that was taken is handled, and return the failures. May be called
        again.
        """
        self._is_closed = True
        await self.join()
        return self.failures

    async def cancel(self) -> list[Outcome[T, Any]]:
        """Take no more, drop what waits, cancel what runs, wait until that is gone, and return what had
        failed before.
        """
        failures = self.failures.copy()
        self._is_closed = self._is_cancelled = True
        self._items.clear()
        self._room.resize(math.inf)  # who waits for room hears of the end
        try:
            await end_tasks(self._running)
        finally:
            self._tell_idle()
        return failures

    async def __aenter__(self) -> WorkQueue[T]:
        """Begin."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until all is handled, or end all after an exception."""
        try:
            if error is None:
                await self.close()
        finally:
            # After a close that was cancelled, too; else there is nothing left to cancel.
            await self.cancel()

    def _check_open(self) -> None:
        if self._is_closed:
            raise QueueClosedError("the queue is closed")

    def _is_idle(self) -> bool:
        # A place is taken by what waits for a worker, and by a put that has just been given one.
        nothing_waits = self._is_cancelled or not (self._room.taken or self._room.waiting)
        return not self._running and nothing_waits

    def _add(self, item: T) -> None:
        self._items.append((self._taken, item))
        self._taken += 1
        self._dispatch()

    def _dispatch(self) -> None:
        while self._items and len(self._running) < self._workers:
            index, item = self._items.popleft()
            task = asyncio.create_task(self._handle(item))
            self._running[task] = (index, item)
            task.add_done_callback(self._ended)
            self._room.release()

    async def _handle(self, item: T) -> None:
        await self._worker(item)

    def _ended(self, task: asyncio.Task[None]) -> None:
        index, item = self._running.pop(task)
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if error is None:
            self.done += 1
        elif not (self._is_cancelled and task.cancelled()):
            self.failures.append(Outcome(index, item, error=error))
        self._dispatch()
        self._tell_idle()

    def _tell_idle(self) -> None:
        if self._is_idle():
            for idle in self._idle:
                if not idle.done():
                    idle.set_result(None)
