"""Limits: places in order, rates, the adaptive limit, the gate."""

from __future__ import annotations

import asyncio

import pytest
from longshore.aio.flow import AdaptiveLimit, Gate, Limiter

from .loopback import FakeTime, Run, settle


def test_a_rate_lets_a_burst_through_and_then_keeps_its_pace(run: Run) -> None:
    time = FakeTime()
    limiter = Limiter(10, clock=time.clock, sleep=time.sleep)

    async def main() -> list[float]:
        moments = []
        for _ in range(15):
            async with limiter:
                moments.append(round(time.now, 6))
        return moments

    assert run(main()) == [0.0] * 10 + [0.1, 0.2, 0.3, 0.4, 0.5]


def test_without_a_burst_they_come_one_by_one(run: Run) -> None:
    time = FakeTime()
    limiter = Limiter(4, burst_seconds=0, clock=time.clock, sleep=time.sleep)

    async def main() -> None:
        for _ in range(5):
            await limiter.take()

    run(main())
    assert round(time.now, 6) == 1.0


def test_more_than_the_burst_is_made_up_for_by_those_who_come_later(run: Run) -> None:
    time = FakeTime()
    limiter = Limiter(bytes_per_second=100, clock=time.clock, sleep=time.sleep)

    async def main() -> None:
        await limiter.take()  # requests are not counted
        await limiter.take_bytes(500)
        assert time.now == 0
        await limiter.take_bytes(100)

    run(main())
    assert round(time.now, 6) == 5.0


def test_a_rate_is_fair_and_cancellation_gives_the_place_back(run: Run) -> None:
    async def main() -> None:
        order: list[int] = []
        time = FakeTime()
        gate = asyncio.Event()

        async def sleep(seconds: float) -> None:
            await gate.wait()
            time.now += seconds

        limiter = Limiter(1, clock=time.clock, sleep=sleep)
        await limiter.take()

        async def take(number: int, amount: int) -> None:
            await limiter.take(amount)
            order.append(number)

        tasks = [asyncio.create_task(take(number, 1)) for number in range(5)]
        await settle()
        tasks[0].cancel()  # the one whose turn it is
        tasks[2].cancel()  # one in the line
        await settle()
        gate.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == [1, 3, 4]
        assert round(time.now, 6) == 3.0  # those that gave up took nothing

    run(main())


def test_a_limiter_serves_one_loop_after_the_other() -> None:
    time = FakeTime()
    limiter, limit = Limiter(5, clock=time.clock, sleep=time.sleep), AdaptiveLimit(1, 1)

    async def one() -> None:
        async with limit.permit():
            await limiter.take(3)

    async def main() -> None:
        await asyncio.gather(*(one() for _ in range(4)))

    for _ in range(3):
        asyncio.run(main())
    assert round(time.now, 6) == 6.2


@pytest.mark.parametrize("wrong", [0, -1, float("nan")])
def test_rates_that_are_none_are_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        Limiter(wrong)


def test_the_adaptive_limit_rises_by_one_a_window_where_it_was_reached(run: Run) -> None:
    async def main() -> None:
        limit = AdaptiveLimit(1, 4, start=2)
        for _ in range(10):
            async with limit.permit():
                pass
        assert limit.limit == 2  # one at a time never needed more

        async def one() -> None:
            async with limit.permit():
                await asyncio.sleep(0)

        await asyncio.gather(*(one() for _ in range(40)))
        assert limit.limit == 4
        assert limit.in_flight == 0

    run(main())


def test_an_overload_halves_it_once_for_all_under_way(run: Run) -> None:
    async def main() -> None:
        limit = AdaptiveLimit(2, 64, start=16)
        permits = [limit.permit() for _ in range(16)]
        for permit in permits:
            await permit.__aenter__()
        for permit in permits[:10]:
            permit.throttled()
            await permit.__aexit__(None, None, None)
        assert (limit.limit, limit.in_flight) == (8, 6)
        for permit in permits[10:]:
            await permit.__aexit__(None, None, None)
        for _ in range(5):
            async with limit.permit() as permit:
                permit.throttled()
        assert limit.limit == 2  # the floor

    run(main())


def test_after_a_cut_no_more_begin_than_the_limit_allows(run: Run) -> None:
    async def main() -> None:
        limit, most, now = AdaptiveLimit(1, 8, start=8), 0, 0

        async def one(number: int) -> None:
            nonlocal most, now
            async with limit.permit() as permit:
                now += 1
                if number >= 8:
                    most = max(most, now)
                await asyncio.sleep(0)
                now -= 1
                if number == 0:
                    permit.throttled()

        await asyncio.gather(*(one(number) for number in range(12)))
        assert limit.limit <= 5
        assert most <= 5

    run(main())


def test_who_is_cancelled_in_line_for_a_permit_has_taken_nothing(run: Run) -> None:
    async def main() -> None:
        limit = AdaptiveLimit(1, 1)
        order: list[int] = []

        async def one(number: int) -> None:
            async with limit.permit():
                order.append(number)

        async with limit.permit():
            tasks = [asyncio.create_task(one(number)) for number in range(4)]
            await settle()
            tasks[1].cancel()
        tasks[0].cancel()  # in the moment in which it was given the place
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == [2, 3]
        assert limit.in_flight == 0

    run(main())


def test_two_that_give_up_in_one_moment_give_back_one_place(run: Run) -> None:
    async def main() -> None:
        limit = AdaptiveLimit(1, 1)

        async def one() -> None:
            async with limit.permit():
                await asyncio.sleep(0)

        async with limit.permit():
            tasks = [asyncio.create_task(one()) for _ in range(3)]
            await settle()
        # The first has the place by now, and the second is next.
        tasks[0].cancel()
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert [task.cancelled() for task in tasks] == [True, True, False]
        assert limit.in_flight == 0

    run(main())


def test_a_failure_keeps_the_limit_from_rising(run: Run) -> None:
    async def main() -> None:
        limit = AdaptiveLimit(1, 8, start=1)
        for _ in range(3):
            with pytest.raises(LookupError):
                async with limit.permit():
                    raise LookupError
        assert limit.limit == 1
        async with limit.permit():
            pass
        assert limit.limit == 2

    run(main())


def test_bounds_that_are_none_are_refused() -> None:
    for floor, ceiling in ((0, 4), (5, 4)):
        with pytest.raises(ValueError, match="floor"):
            AdaptiveLimit(floor, ceiling)


def test_a_gate_is_closed_for_the_longest_pause_that_was_named(run: Run) -> None:
    time = FakeTime()
    gate = Gate(clock=time.clock, sleep=time.sleep)
    gate.close_for(5)
    gate.close_for(2)
    assert gate.closed_for == 5
    run(gate.wait())
    assert time.now == 5
    assert gate.closed_for == 0
    gate.close_for(9)
    gate.open()
    run(gate.wait())
    assert time.now == 5
