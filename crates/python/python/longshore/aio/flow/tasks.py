"""How tasks and blocking calls end: whoever starts them waits for them, whatever happens to itself."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    Clock = Callable[[], float]
    """Seconds on a clock that never goes back, as `time.monotonic`."""
    Sleep = Callable[[float], Awaitable[object]]
    """Waits for seconds, as `asyncio.sleep`."""

P = ParamSpec("P")
R = TypeVar("R")


class Closable(Protocol):
    """What has to be closed."""

    def close(self) -> object:
        """Close it."""


C = TypeVar("C", bound=Closable)


async def end_tasks(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel tasks and wait until they have ended, however often this is cancelled meanwhile.

    What they return or raise is dropped. A cancellation of the caller is passed on to them again, and to the
    caller when they are gone.
    """
    left = [task for task in tasks if not task.done()]
    was_cancelled = False
    for task in left:
        task.cancel()
    while left:
        try:
            await asyncio.wait(left)
        except asyncio.CancelledError:
            was_cancelled = True
            for task in left:
                task.cancel()
        left = [task for task in left if not task.done()]
    if was_cancelled:
        raise asyncio.CancelledError


async def run_blocking(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a call that blocks on a thread of the loop's pool.

    A thread cannot be cancelled: a cancellation is raised when the call has returned, so that what it uses
    may be closed.
    """
    loop = asyncio.get_running_loop()
    future = loop.run_in_executor(None, functools.partial(call, *args, **kwargs))
    was_cancelled = False
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            was_cancelled = True
    if was_cancelled:
        future.exception()  # seen, so that the loop does not report it as lost
        raise asyncio.CancelledError
    return future.result()


async def open_blocking(call: Callable[P, C], *args: P.args, **kwargs: P.kwargs) -> C:
    """Do as `run_blocking` with a call that opens something, and close that where this is cancelled meanwhile."""
    opened: list[C] = []

    def open_it() -> C:
        opened.append(call(*args, **kwargs))
        return opened[0]

    try:
        return await run_blocking(open_it)
    except BaseException:
        for lost in opened:
            lost.close()
        raise
