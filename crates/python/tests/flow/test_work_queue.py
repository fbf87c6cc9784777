"""Producers and workers over a bounded queue."""

from __future__ import annotations

import asyncio

import pytest
from longshore.aio.flow import QueueClosedError, QueueFullError, WorkQueue

from .loopback import Run, left_running, settle


def test_ten_thousand_items_go_through_three_workers(run: Run) -> None:
    async def main() -> None:
        handled: list[int] = []
        now = most = 0

        async def work(item: int) -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            handled.append(item)
            now -= 1

        async with WorkQueue(work, workers=3, maxsize=10) as queue:
            for item in range(10_000):
                await queue.put(item)
                assert queue.waiting <= 10
        assert sorted(handled) == list(range(10_000))
        assert (most, queue.done, queue.failures) == (3, 10_000, [])

    run(main())


def test_a_full_queue_holds_up_who_puts(run: Run) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        handled: list[int] = []

        async def work(item: int) -> None:
            await gate.wait()
            handled.append(item)

        async with WorkQueue(work, workers=1, maxsize=2) as queue:
            for item in range(3):
                await queue.put(item)
            with pytest.raises(QueueFullError):
                queue.put_nowait(9)
            given_up, kept = (asyncio.create_task(queue.put(item)) for item in (3, 4))
            await settle()
            assert not given_up.done()
            given_up.cancel()
            await settle()
            gate.set()
            await kept
        assert handled == [0, 1, 2, 4]

    run(main())


def test_failures_are_values_and_stop_nobody(run: Run) -> None:
    async def main() -> None:
        async def work(item: int) -> None:
            if item == 2:
                raise LookupError
            if item == 3:
                raise asyncio.CancelledError

        async with WorkQueue(work, workers=2) as queue:
            for item in range(6):
                await queue.put(item)
        found = [(failure.index, failure.item, type(failure.error)) for failure in queue.failures]
        assert found == [(2, 2, LookupError), (3, 3, asyncio.CancelledError)]
        assert queue.done == 4

    run(main())


def test_an_exception_in_the_block_ends_all(run: Run) -> None:
    async def main() -> None:
        cancelled: list[int] = []

        async def work(item: int) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.append(item)

        with pytest.raises(ZeroDivisionError):
            async with WorkQueue(work, workers=2, maxsize=5) as queue:
                for item in range(5):
                    await queue.put(item)
                await settle()
                raise ZeroDivisionError
        assert cancelled == [0, 1]
        assert (queue.waiting, queue.in_flight, left_running()) == (0, 0, 0)

    run(main())


def test_cancelling_while_it_drains_leaves_no_task(run: Run) -> None:
    async def main() -> None:
        async def work(_: int) -> None:
            await asyncio.Event().wait()

        async def produce() -> None:
            async with WorkQueue(work) as queue:
                for item in range(10):
                    await queue.put(item)

        task = asyncio.create_task(produce())
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left_running() == 0

    run(main())


def test_close_takes_what_was_waiting_for_room_and_nothing_later(run: Run) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        handled: list[int] = []

        async def work(item: int) -> None:
            await gate.wait()
            handled.append(item)

        queue = WorkQueue(work, workers=1, maxsize=1)
        puts = [asyncio.create_task(queue.put(item)) for item in range(5)]
        await settle()
        closing = asyncio.create_task(queue.close())
        await settle()
        with pytest.raises(QueueClosedError):
            await queue.put(9)
        gate.set()
        assert await closing == []
        assert handled == [0, 1, 2, 3, 4]
        await asyncio.gather(*puts)

    run(main())


@pytest.mark.parametrize("both", [False, True])
def test_close_knows_of_puts_that_have_a_place_and_have_not_run_yet(run: Run, both: bool) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        handled: list[int] = []

        async def work(item: int) -> None:
            await gate.wait()
            if item == 1:
                # It has the place that this item had, which goes on to the next, and that hears of it a moment later.
                puts[0].cancel()
                if both:
                    asyncio.get_running_loop().call_soon(puts[1].cancel)
            handled.append(item)

        queue = WorkQueue(work, workers=1, maxsize=1)
        await queue.put(0)
        await queue.put(1)
        puts = [asyncio.create_task(queue.put(item)) for item in (2, 3)]
        await settle()
        closing = asyncio.create_task(queue.close())
        await settle()
        gate.set()
        await closing
        assert handled == ([0, 1] if both else [0, 1, 3])
        await asyncio.gather(*puts, return_exceptions=True)
        assert [put.cancelled() for put in puts] == [True, both]

    run(main())


def test_cancel_tells_who_waits_for_room(run: Run) -> None:
    async def main() -> None:
        async def work(_: int) -> None:
            await asyncio.Event().wait()

        queue = WorkQueue(work, workers=1, maxsize=1)
        await queue.put(0)
        await queue.put(1)
        late = asyncio.create_task(queue.put(2))
        await settle()
        assert await queue.cancel() == []
        with pytest.raises(QueueClosedError):
            await late

    run(main())


def test_join_waits_and_the_queue_stays_open(run: Run) -> None:
    async def main() -> None:
        handled: list[int] = []

        async def work(item: int) -> None:
            await asyncio.sleep(0)
            handled.append(item)

        async with WorkQueue(work) as queue:
            await queue.put(1)
            await queue.join()
            assert handled == [1]
            await queue.put(2)
        assert handled == [1, 2]

    run(main())


def test_sizes_that_are_none_are_refused() -> None:
    async def work(_: int) -> None: ...

    for workers, maxsize in ((0, 1), (1, 0)):
        with pytest.raises(ValueError, match="workers"):
            WorkQueue(work, workers, maxsize)
