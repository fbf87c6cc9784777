"""Bounded fan-out: as many as allowed and no more, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

import pytest
from longshore.aio.flow import Outcome, bounded, gather_bounded

from .loopback import Run, left_running, settle


class Watch:
    """Counts how many are at work at once, and which were cancelled."""

    def __init__(self) -> None:
        self.now = self.most = self.begun = self.cancelled = 0

    async def work(self, item: int) -> int:
        self.now += 1
        self.begun += 1
        self.most = max(self.most, self.now)
        try:
            for _ in range(1 + item % 5):
                await asyncio.sleep(0)
        finally:
            self.now -= 1
        return item * 2

    async def hang(self, item: int) -> int:
        self.begun += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            self.cancelled += 1
            raise
        return item


async def counting(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


async def fails_at_three(item: int) -> int:
    if item == 3:
        raise LookupError(item)
    return item


def test_ten_thousand_items_in_order_and_never_above_the_limit(run: Run) -> None:
    watch = Watch()
    assert run(gather_bounded(watch.work, range(10_000), limit=50)) == [item * 2 for item in range(10_000)]
    assert watch.most == 50


def test_an_async_source_is_read_as_there_is_room(run: Run) -> None:
    watch = Watch()
    assert run(gather_bounded(watch.work, counting(500), limit=7)) == [item * 2 for item in range(500)]
    assert 1 < watch.most <= 7


def test_unordered_results_come_as_they_are_done(run: Run) -> None:
    async def main() -> list[str]:
        gate = asyncio.Event()

        async def work(item: str) -> str:
            if item == "slow":
                await gate.wait()
            elif item == "last":
                gate.set()
            return item

        return await gather_bounded(work, ["slow", "quick", "last"], 2, ordered=False)

    assert run(main()) == ["quick", "last", "slow"]


def test_failures_are_values_with_their_items(run: Run) -> None:
    async def main() -> list[Outcome[int, int]]:
        return [outcome async for outcome in bounded(fails_at_three, range(6), 2, ordered=True)]

    outcomes = run(main())
    assert [outcome.index for outcome in outcomes] == list(range(6))
    assert [outcome.item for outcome in outcomes if not outcome.ok] == [3]
    assert isinstance(outcomes[3].error, LookupError)
    assert outcomes[4].unwrap() == 4
    with pytest.raises(LookupError):
        outcomes[3].unwrap()


def test_return_exceptions_puts_them_in_their_places(run: Run) -> None:
    results = run(gather_bounded(fails_at_three, range(5), 2, return_exceptions=True))
    assert [str(result) for result in results] == ["0", "1", "2", "3", "4"]
    assert isinstance(results[3], LookupError)


def test_the_first_failure_ends_all_that_runs(run: Run) -> None:
    watch = Watch()

    async def work(item: int) -> int:
        if item == 3:
            raise LookupError
        return await watch.hang(item)

    with pytest.raises(LookupError):
        run(gather_bounded(work, range(10_000), 8))
    assert watch.begun == watch.cancelled == 7


def test_cancelling_leaves_no_task(run: Run) -> None:
    async def main() -> Watch:
        watch = Watch()
        task = asyncio.create_task(gather_bounded(watch.hang, range(10_000), 100))
        await settle()
        assert watch.begun == 100
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left_running() == 0
        return watch

    watch = run(main())
    assert watch.cancelled == 100


def test_cancelling_twice_still_waits_for_the_children(run: Run) -> None:
    async def main() -> None:
        ended: list[int] = []
        may_end = asyncio.Event()

        async def stubborn(item: int) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                while not may_end.is_set():
                    try:
                        await may_end.wait()
                    except asyncio.CancelledError:
                        continue
                ended.append(item)

        task = asyncio.create_task(gather_bounded(stubborn, range(3), 3))
        await settle()
        for _ in range(2):
            task.cancel()
            await settle()
        assert not task.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(ended) == [0, 1, 2]

    run(main())


def test_a_closed_generator_leaves_nothing_running(run: Run) -> None:
    async def main() -> Watch:
        watch = Watch()

        async def work(item: int) -> int:
            return item if item == 0 else await watch.hang(item)

        async with aclosing(bounded(work, counting(1000), 10)) as outcomes:
            assert (await outcomes.__anext__()).value == 0
            await settle()
        assert left_running() == 0
        return watch

    watch = run(main())
    assert watch.begun == watch.cancelled > 0


def test_a_generator_that_nobody_keeps_leaves_nothing_running(run: Run) -> None:
    async def main() -> None:
        watch = Watch()

        async def work(item: int) -> int:
            return item if item == 0 else await watch.hang(item)

        async for _ in bounded(work, range(100), 5):
            break
        gc.collect()
        await settle()
        assert left_running() == 0
        assert watch.begun == watch.cancelled > 0

    run(main())


@pytest.mark.parametrize("is_async", [False, True])
def test_a_source_that_raises_in_the_middle_ends_after_what_it_gave(run: Run, is_async: bool) -> None:
    def source() -> Iterator[int]:
        yield from range(5)
        raise ZeroDivisionError

    async def async_source() -> AsyncIterator[int]:
        for item in source():
            yield item

    done: list[int] = []

    async def main() -> None:
        watch = Watch()
        async for outcome in bounded(watch.work, async_source() if is_async else source(), 3):
            done.append(outcome.item)

    with pytest.raises(ZeroDivisionError):
        run(main())
    assert sorted(done) == [0, 1, 2, 3, 4]


def test_a_source_that_is_not_read_to_its_end_is_closed(run: Run) -> None:
    closed: list[bool] = []

    async def source() -> AsyncIterator[int]:
        try:
            for item in range(100):
                yield item
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    with pytest.raises(LookupError):
        run(gather_bounded(fails_at_three, source(), 2))
    assert closed == [True]


@pytest.mark.parametrize("ordered", [False, True])
def test_a_slow_reader_slows_the_work(run: Run, ordered: bool) -> None:
    async def main() -> None:
        watch, taken = Watch(), 0
        async for _ in bounded(watch.work, range(100), 4, ordered=ordered):
            taken += 1
            await settle()
            assert watch.begun - taken <= 4
        assert taken == 100

    run(main())


def test_in_order_one_that_takes_long_holds_up_what_comes_later(run: Run) -> None:
    async def main() -> None:
        watch, gate = Watch(), asyncio.Event()

        async def work(item: int) -> int:
            if item == 0:
                await gate.wait()
            return await watch.work(item)

        outcomes = bounded(work, range(100), 4, ordered=True)
        first = asyncio.ensure_future(outcomes.__anext__())
        await settle()
        assert watch.begun == 3
        gate.set()
        assert (await first).value == 0
        assert [outcome.index async for outcome in outcomes] == list(range(1, 100))

    run(main())


def test_work_that_cancels_itself_is_a_failure_of_its_own(run: Run) -> None:
    async def work(item: int) -> int:
        if item == 1:
            raise asyncio.CancelledError
        return item

    results = run(gather_bounded(work, range(3), 2, return_exceptions=True))
    assert (results[0], results[2]) == (0, 2)
    assert isinstance(results[1], asyncio.CancelledError)


def test_a_function_that_raises_before_its_coroutine_is_a_failure(run: Run) -> None:
    def work(item: int) -> asyncio.Future[int]:
        raise ValueError(item)

    results = run(gather_bounded(work, [7], return_exceptions=True))
    assert repr(results) == "[ValueError(7)]"


def test_a_limit_of_nothing_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="limit"):
        run(gather_bounded(fails_at_three, [], 0))


def test_no_items_give_no_results(run: Run) -> None:
    assert run(gather_bounded(fails_at_three, [])) == []
