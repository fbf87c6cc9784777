"""What happens in a loop to who holds a lock that is lost. Its twin is for threads."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore._longshore import Guard

__all__ = ["Losing"]

OURS = "the lock is lost"


class Losing:
    """Waits for the loss, and then cancels the task that holds the lock."""

    def __init__(self, guard: Guard) -> None:
        """Begin to wait, for the task that runs now."""
        self._holder = asyncio.current_task()
        self._error: BaseException | None = None
        self._watch = asyncio.ensure_future(self._wait(guard))

    async def _wait(self, guard: Guard) -> None:
        self._error = await guard.lost()
        if self._error is not None and self._holder is not None:
            self._holder.cancel(OURS)

    async def end(self) -> BaseException | None:
        """Stop waiting; return the error of the loss, if it came."""
        if not self._watch.done():
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        elif self._error is not None and self._holder is not None and hasattr(self._holder, "uncancel"):
            self._holder.uncancel()
        return self._error

    @staticmethod
    def is_ours(error: BaseException) -> bool:
        """Tell whether an exception is the cancellation that came with the loss."""
        return isinstance(error, asyncio.CancelledError) and error.args == (OURS,)
