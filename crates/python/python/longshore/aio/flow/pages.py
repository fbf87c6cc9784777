"""A list that is handed out page by page, as a stream of its items."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from .tasks import end_tasks

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

T = TypeVar("T")
C = TypeVar("C")


class RepeatedCursorError(RuntimeError):
    """A page names as the next one that was read already: the pages go round in a ring."""


class _Seen:
    """Finds a ring of cursors, however long, with two of them kept (Brent's algorithm)."""

    def __init__(self) -> None:
        self.last: object = self  # equal to no cursor
        self.saved: object = self
        self.count = 0
        self.saved_at = 1

    def check(self, cursor: object) -> None:
        if cursor == self.last or cursor == self.saved:
            raise RepeatedCursorError("the pages go round in a ring")
        self.last = cursor
        self.count += 1
        if self.count == self.saved_at:
            self.saved, self.saved_at, self.count = cursor, self.saved_at * 2, 0


async def paginate(
    fetch_page: Callable[[C | None], Awaitable[tuple[Iterable[T], C | None]]],
    *,
    start: C | None = None,
    read_ahead: bool = True,
) -> AsyncGenerator[T, None]:
    """Yield the items of a list that is read page by page.

    Args:
        fetch_page: Gets the cursor of a page and returns its items and the cursor of the next page, `None` at
            the end.
        start: The cursor of the first page.
        read_ahead: Read the next page while the items of this one are taken, never more than that one.

    Nothing is read before the first item is asked for. Closing the generator cancels what is being read and
    waits for it. A page that cannot be read raises its exception after the items of the pages before.

    Raises:
        RepeatedCursorError: A cursor came again. In a ring of pages it is found within three rounds, however
            long it is.

    """
    seen = _Seen()
    reading: asyncio.Task[tuple[Iterable[T], C | None]] | None = None

    async def read(cursor: C | None) -> tuple[Iterable[T], C | None]:
        seen.check(cursor)
        return await fetch_page(cursor)

    try:
        items, cursor = await read(start)
        while True:
            if cursor is not None and read_ahead:
                reading = asyncio.create_task(read(cursor))
            for item in items:
                yield item
            if cursor is None:
                return
            items, cursor = await (read(cursor) if reading is None else reading)
            reading = None
    finally:
        if reading is not None:
            await end_tasks([reading])
            if not reading.cancelled():
                reading.exception()  # seen, so that the loop does not report it as lost
