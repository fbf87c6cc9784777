"""Trying again: how often, after which pauses, and what never."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone

import pytest
from longshore.aio.flow import Backoff, RetryBudget, parse_retry_after, retry_async

from .loopback import FakeTime, Run


class Flaky:
    """Raises one exception after the other, and then returns."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


class BusyError(Exception):
    def __init__(self, retry_after: float | None = None, is_retryable: bool = True) -> None:
        super().__init__("busy")
        self.retry_after, self.is_retryable = retry_after, is_retryable


def half() -> float:
    return 0.5


def test_pauses_grow_up_to_the_cap(run: Run) -> None:
    time, flaky = FakeTime(), Flaky(*[ConnectionError() for _ in range(5)])
    backoff = Backoff(base=1, cap=6)
    assert run(retry_async(flaky, 6, backoff, sleep=time.sleep, unit_random=half)) == "done"
    assert time.slept == [0.5, 1, 2, 3, 3]


def test_retry_after_is_a_floor_with_a_cap(run: Run) -> None:
    time, flaky = FakeTime(), Flaky(BusyError(7), BusyError(1000))
    run(retry_async(flaky, backoff=Backoff(base=1, retry_after_cap=60), sleep=time.sleep, unit_random=half))
    assert time.slept == [7.5, 60.5]


def test_the_last_exception_comes_as_it_was_raised(run: Run) -> None:
    time, errors = FakeTime(), [ConnectionError(number) for number in range(3)]
    with pytest.raises(ConnectionError) as caught:
        run(retry_async(Flaky(*errors), 3, 0.1, sleep=time.sleep))
    assert caught.value is errors[2]
    assert len(time.slept) == 2


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        BusyError(is_retryable=False),
        FileNotFoundError(),
        PermissionError(),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
    ],
)
def test_what_no_waiting_mends_is_raised_at_once(error: BaseException) -> None:
    flaky = Flaky(error)
    with pytest.raises(type(error)):
        asyncio.run(retry_async(flaky, sleep=FakeTime().sleep))
    assert flaky.calls == 1


def test_an_error_that_is_a_file_not_found_may_say_itself_that_it_passes(run: Run) -> None:
    class GoneError(FileNotFoundError):
        is_retryable = True

    assert run(retry_async(Flaky(GoneError()), sleep=FakeTime().sleep)) == "done"


def test_cancelled_is_never_tried_again_whatever_retry_on_says() -> None:
    flaky = Flaky(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(retry_async(flaky, retry_on=lambda _: True, sleep=FakeTime().sleep))
    assert flaky.calls == 1


def test_retry_on_takes_types_and_functions(run: Run) -> None:
    time = FakeTime()
    assert run(retry_async(Flaky(ValueError()), retry_on=ValueError, sleep=time.sleep)) == "done"
    assert (
        run(retry_async(Flaky(KeyError(1)), retry_on=lambda error: error.args == (1,), sleep=time.sleep))
        == "done"
    )
    with pytest.raises(ConnectionError):
        run(retry_async(Flaky(ConnectionError()), retry_on=(ValueError, KeyError), sleep=time.sleep))


def test_on_retry_hears_of_each_pause_and_may_end_it(run: Run) -> None:
    heard: list[tuple[int, str, float]] = []

    async def hear(attempt: int, error: Exception, pause: float) -> None:
        heard.append((attempt, str(error), pause))
        if attempt == 2:
            raise LookupError

    flaky = Flaky(OSError("a"), OSError("b"))
    with pytest.raises(LookupError):
        run(retry_async(flaky, backoff=Backoff(1), on_retry=hear, sleep=FakeTime().sleep, unit_random=half))
    assert heard == [(1, "a", 0.5), (2, "b", 1.0)]


def test_a_budget_bounds_the_retries_of_all(run: Run) -> None:
    budget, time = RetryBudget(capacity=15, retry=5, after_timeout=10), FakeTime()
    flaky = Flaky(ConnectionError(), TimeoutError(), ConnectionError())
    with pytest.raises(ConnectionError):
        run(retry_async(flaky, budget=budget, sleep=time.sleep))
    assert (flaky.calls, budget.left) == (3, 0)
    assert (
        run(retry_async(Flaky(BusyError(1)), budget=budget, sleep=time.sleep)) == "done"
    )  # the server named the pause
    assert budget.left == 1


def test_pauses_that_are_none_are_refused(run: Run) -> None:
    for wrong in ({"base": -1.0}, {"factor": 0.5}, {"jitter": 2.0}, {"cap": float("nan")}):
        with pytest.raises(ValueError, match="no pauses"):
            Backoff(**wrong)
    with pytest.raises(ValueError, match="max_attempts"):
        run(retry_async(Flaky(), 0))


def test_backoff_overflows_to_its_cap() -> None:
    assert Backoff(cap=9).delay(100_000, 1.0) == 9


@pytest.mark.parametrize(
    ("field", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("9" * 400, 999999999999999999.0),
        ("Wed, 21 Oct 2015 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(field: str, seconds: float | None) -> None:
    assert parse_retry_after(field, datetime(2015, 10, 21, 7, 28, tzinfo=timezone.utc)) == seconds
