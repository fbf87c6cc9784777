"""Many of the same at once, never more than a bound, failures as values."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterable
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, cast, overload

from .outcome import Outcome
from .tasks import end_tasks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Iterator

T = TypeVar("T")
R = TypeVar("R")
END = object()


def bounded(
    fn: Callable[[T], Awaitable[R]],
    items: Iterable[T] | AsyncIterable[T],
    limit: int = 10,
    *,
    ordered: bool = False,
) -> AsyncGenerator[Outcome[T, R], None]:
    """Run `fn` on every item, at most `limit` at once, and yield what came of each as an `Outcome`.

    Nothing begins before the first outcome is asked for, and items are taken only as there is room: what runs
    and what waits to be taken are `limit` together, so a slow reader slows the work instead of filling
    memory. With `ordered` the outcomes come in the order of the items, and one that takes long holds up those
    behind it.

    Cancelling the reader, or closing the generator (`contextlib.aclosing`), cancels what runs and waits until
    it is gone. Where `items` itself raises, what it had yielded is finished and handed out, and then that
    exception is raised. An async generator that was not read to its end is closed.

    Raises:
        ValueError: `limit` is below 1.

    """
    if limit < 1:
        raise ValueError(f"limit must be 1 or more, not {limit}")
    return _FanOut(fn, items, limit, ordered).run()


@overload
async def gather_bounded(
    fn: Callable[[T], Awaitable[R]],
    items: Iterable[T] | AsyncIterable[T],
    limit: int = ...,
    *,
    ordered: bool = ...,
    return_exceptions: Literal[False] = ...,
) -> list[R]: ...


@overload
async def gather_bounded(
    fn: Callable[[T], Awaitable[R]],
    items: Iterable[T] | AsyncIterable[T],
    limit: int = ...,
    *,
    ordered: bool = ...,
    return_exceptions: bool,
) -> list[R | BaseException]: ...


async def gather_bounded(
    fn: Callable[[T], Awaitable[R]],
    items: Iterable[T] | AsyncIterable[T],
    limit: int = 10,
    *,
    ordered: bool = True,
    return_exceptions: bool = False,
) -> list[R] | list[R | BaseException]:
    """Run `fn` on every item, at most `limit` at once, and return all results as a list.

    As `asyncio.gather`, but bounded, from any iterable or async iterable. The results are in the order of the
    items, or with `ordered=False` in that in which they came. With `return_exceptions` a failure is a value
    among them; without, the first one cancels all that runs, waits for it, and is raised.

    ```python
    pages = await gather_bounded(read, urls, limit=20)
    ```

    Raises:
        ValueError: `limit` is below 1.
        Exception: What `items` raised, or without `return_exceptions` what `fn` did.

    """
    # Unordered, so that the first failure is seen when it happens, and no slow item holds up the others.
    outcomes = bounded(fn, items, limit)
    found: list[tuple[int, R | BaseException]] = []
    try:
        async for outcome in outcomes:
            if outcome.error is not None and not return_exceptions:
                raise outcome.error
            found.append(
                (outcome.index, cast("R", outcome.value) if outcome.error is None else outcome.error)
            )
    finally:
        await outcomes.aclose()
    if ordered:
        found.sort(key=lambda pair: pair[0])
    return [result for _, result in found]


class _FanOut(Generic[T, R]):
    """A fan-out at work. Tasks tell by a callback that they are done, so that a wake-up costs the same at any
    limit.
    """

    def __init__(
        self,
        fn: Callable[[T], Awaitable[R]],
        items: Iterable[T] | AsyncIterable[T],
        limit: int,
        ordered: bool,
    ) -> None:
        self.fn, self.limit, self.ordered = fn, limit, ordered
        self.items = items
        self.slow: AsyncIterator[T] | None = None
        self.quick: Iterator[T] | None = None
        self.reading: asyncio.Task[object] | None = None
        self.running: dict[asyncio.Task[R], tuple[int, T]] = {}
        self.ready: deque[Outcome[T, R]] = deque()
        self.early: dict[int, Outcome[T, R]] = {}
        self.begun = 0
        self.turn = 0
        self.has_more = True
        self.fault: BaseException | None = None
        self.wake = asyncio.Event()

    async def run(self) -> AsyncGenerator[Outcome[T, R], None]:
        try:
            self.open()
            while True:
                self.fill()
                if self.ready:
                    yield self.ready.popleft()
                    continue
                if not self.has_more and not self.running:
                    break
                await self.wake.wait()
                self.wake.clear()
            if self.fault is not None:
                raise self.fault
        finally:
            await self.close()

    def open(self) -> None:
        if isinstance(self.items, AsyncIterable):
            self.slow = self.items.__aiter__()
        else:
            self.quick = iter(self.items)

    def fill(self) -> None:
        """Begin as many items as there is room for."""
        while self.has_more and len(self.running) + len(self.ready) + len(self.early) < self.limit:
            if self.quick is not None:
                try:
                    item = next(self.quick, cast("T", END))
                except Exception as error:
                    self.fault, item = error, cast("T", END)
            elif self.reading is None:
                self.reading = asyncio.create_task(self.read())
                self.reading.add_done_callback(self.rouse)
                return
            elif not self.reading.done():
                return
            else:
                item = self.take()
            if item is END:
                self.has_more = False
                return
            self.begin(item)

    async def read(self) -> object:
        if self.slow is None:
            return END
        try:
            return await self.slow.__anext__()
        except StopAsyncIteration:
            return END

    def take(self) -> T:
        reading, self.reading = self.reading, None
        try:
            return cast("T", END if reading is None else reading.result())
        except (Exception, asyncio.CancelledError) as error:
            self.fault = error
            return cast("T", END)

    def begin(self, item: T) -> None:
        task: asyncio.Task[R] = asyncio.create_task(_call(self.fn, item))
        self.running[task] = (self.begun, item)
        self.begun += 1
        task.add_done_callback(self.ended)

    def ended(self, task: asyncio.Task[R]) -> None:
        index, item = self.running.pop(task)
        if task.cancelled():
            outcome: Outcome[T, R] = Outcome(index, item, error=asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            outcome = Outcome(index, item, error=error)
        else:
            outcome = Outcome(index, item, value=task.result())
        if self.ordered:
            self.early[index] = outcome
            while self.turn in self.early:
                self.ready.append(self.early.pop(self.turn))
                self.turn += 1
        else:
            self.ready.append(outcome)
        self.wake.set()

    def rouse(self, _task: object) -> None:
        self.wake.set()

    async def close(self) -> None:
        self.has_more = False
        reading = [] if self.reading is None else [self.reading]
        try:
            await end_tasks([*self.running, *reading])
        finally:
            for task in reading:
                if not task.cancelled():
                    task.exception()  # seen, so that the loop does not report it as lost
            if inspect.isasyncgen(self.slow):
                await self.slow.aclose()


async def _call(fn: Callable[[T], Awaitable[R]], item: T) -> R:
    """Make a coroutine of any awaitable, and a failure of its own of what `fn` raises before it returns
    one.
    """
    return await fn(item)
