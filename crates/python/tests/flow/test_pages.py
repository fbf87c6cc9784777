"""Pages as a stream."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from longshore.aio.flow import RepeatedCursorError, paginate

from .loopback import Run, left_running, settle


class Shelf:
    """Three pages of two items."""

    def __init__(self) -> None:
        self.read: list[int | None] = []

    async def page(self, cursor: int | None) -> tuple[list[int], int | None]:
        await asyncio.sleep(0)
        self.read.append(cursor)
        page = cursor or 0
        return [page * 10, page * 10 + 1], page + 1 if page < 2 else None


@pytest.mark.parametrize("read_ahead", [True, False])
def test_all_items_in_order(run: Run, read_ahead: bool) -> None:
    async def main() -> list[int]:
        return [item async for item in paginate(Shelf().page, read_ahead=read_ahead)]

    assert run(main()) == [0, 1, 10, 11, 20, 21]


@pytest.mark.parametrize(("read_ahead", "read"), [(True, [None, 1]), (False, [None])])
def test_one_page_is_read_ahead_at_most(run: Run, read_ahead: bool, read: list[int | None]) -> None:
    async def main() -> None:
        shelf = Shelf()
        async with aclosing(paginate(shelf.page, read_ahead=read_ahead)) as items:
            await items.__anext__()
            await settle()
            assert shelf.read == read
        assert left_running() == 0

    run(main())


def test_a_start_is_where_it_begins(run: Run) -> None:
    async def main() -> list[int]:
        return [item async for item in paginate(Shelf().page, start=2)]

    assert run(main()) == [20, 21]


@pytest.mark.parametrize("length", [1, 2, 3, 7, 50])
def test_a_ring_of_pages_is_found(run: Run, length: int) -> None:
    read: list[int] = []

    async def page(cursor: int | None) -> tuple[list[int], int]:
        read.append(cursor or 0)
        return [], ((cursor or 0) + 1) % length

    async def main() -> None:
        async for _ in paginate(page, start=0):
            pass

    with pytest.raises(RepeatedCursorError):
        run(main())
    assert len(read) <= 3 * length + 1


def test_a_page_that_fails_comes_after_the_items_before_it(run: Run) -> None:
    async def page(cursor: int | None) -> tuple[list[int], int | None]:
        if cursor is not None:
            raise LookupError
        return [1, 2], 1

    found: list[int] = []

    async def main() -> None:
        async for item in paginate(page):
            await settle()
            found.append(item)

    with pytest.raises(LookupError):
        run(main())
    assert found == [1, 2]


def test_closing_cancels_the_page_that_is_being_read(run: Run) -> None:
    cancelled: list[bool] = []

    async def page(cursor: int | None) -> tuple[list[int], int | None]:
        if cursor is not None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(True)
        return [1, 2], 1

    async def main() -> None:
        async with aclosing(paginate(page)) as items:
            await items.__anext__()
            await settle()
        assert left_running() == 0

    run(main())
    assert cancelled == [True]


def test_a_page_that_failed_unseen_is_no_noise(run: Run) -> None:
    async def page(cursor: int | None) -> tuple[list[int], int | None]:
        if cursor is not None:
            raise LookupError
        return [1, 2], 1

    async def main() -> None:
        async with aclosing(paginate(page)) as items:
            await items.__anext__()
            await settle()

    run(main())  # the fixture fails if the loop was told of an exception that nobody took
