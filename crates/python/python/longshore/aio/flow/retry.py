"""When to try again: exponential backoff with full jitter, `Retry-After`, and a budget for all."""

from __future__ import annotations

import asyncio
import inspect
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from .tasks import Sleep

T = TypeVar("T")

RetryOn: TypeAlias = type[Exception] | tuple[type[Exception], ...] | Callable[[Exception], bool]
OnRetry: TypeAlias = Callable[[int, Exception, float], object]

# Faults of this machine's own files pass by no waiting.
LASTING = (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)


@dataclass(frozen=True)
class Backoff:
    """After which pauses something that failed is tried again; all in seconds.

    The pause after attempt *n* is drawn evenly from nothing up to `base` × `factor` ⁿ⁻¹, at most `cap`: full
    jitter, which spreads callers that failed together better than any fixed pause does.

    Attributes:
        base: The longest pause after the first failure.
        factor: By how much each failure makes it longer.
        cap: The longest pause after any failure that names none itself.
        jitter: How much of the pause is drawn by chance: 1 is all of it, 0 none.
        retry_after_cap: The longest pause that a `Retry-After` can ask for.

    Raises:
        ValueError: One of them is negative or no number, `factor` is below 1, or `jitter` above 1.

    """

    base: float = 0.5
    factor: float = 2.0
    cap: float = 20.0
    jitter: float = 1.0
    retry_after_cap: float = 60.0

    def __post_init__(self) -> None:
        """Check the numbers; a NaN is in no range."""
        is_sound = (
            min(self.base, self.cap, self.retry_after_cap) >= 0 and self.factor >= 1 and 0 <= self.jitter <= 1
        )
        if not is_sound or any(number != number for number in (self.base, self.cap, self.retry_after_cap)):
            raise ValueError(f"these are no pauses: {self}")

    def delay(self, attempt: int, unit: float, retry_after: float | None = None) -> float:
        """Return the pause in seconds after the failure of attempt `attempt` (the first is 1).

        `unit` is a random number from 0 to 1. A `retry_after` is a floor: its pause is kept in full, up to
        its own cap, and the jitter comes on top, so that those who were told the same time do not return as
        one.
        """
        if retry_after is not None and retry_after >= 0:
            return min(retry_after, self.retry_after_cap) + min(self.base, self.cap) * self.jitter * unit
        try:
            ceiling = min(self.base * self.factor ** max(attempt - 1, 0), self.cap)
        except OverflowError:
            ceiling = self.cap
        return ceiling * (1 - self.jitter + self.jitter * unit)


class RetryBudget:
    """The retries that all tasks of a client have left together: a bucket that they empty and that successes
    fill.

    Pauses spread the load of retries but do not lessen it. A budget bounds what they add to `success / retry`
    of the requests that succeed (a fifth), and to a burst of `capacity / retry` (a hundred) when nothing
    does. It has no time in it, and may be shared by loops and threads.
    """

    def __init__(
        self, capacity: int = 500, retry: int = 5, after_timeout: int = 10, success: int = 1
    ) -> None:
        """Make a full budget of `capacity` tokens, and say what a retry costs and what a success gives
        back.
        """
        self.capacity, self.retry, self.after_timeout, self.success = capacity, retry, after_timeout, success
        self._left = capacity
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """How many tokens are left."""
        return self._left

    def try_retry(self, *, after_timeout: bool = False) -> bool:
        """Pay for a retry. False when there is not enough left, and then nothing is taken: fail with the
        error at hand.
        """
        cost = self.after_timeout if after_timeout else self.retry
        with self._lock:
            if self._left < cost:
                return False
            self._left -= cost
            return True

    def succeeded(self) -> None:
        """Note that a request succeeded, whichever attempt it was."""
        with self._lock:
            self._left = min(self._left + self.success, self.capacity)


def is_retryable(error: Exception) -> bool:
    """Tell whether trying again may help, by default.

    An error that has `is_retryable` says so itself, as Longshore's do. Else faults of the network and
    time-outs are (`OSError`, `TimeoutError`), but not those of files, as `FileNotFoundError` or
    `PermissionError`.
    """
    own = getattr(error, "is_retryable", None)
    if own is not None:
        return bool(own() if callable(own) else own)
    return isinstance(error, (OSError, TimeoutError, asyncio.TimeoutError)) and not isinstance(error, LASTING)


async def retry_async(
    coro_fn: Callable[[], Awaitable[T]],
    max_attempts: int = 5,
    backoff: Backoff | float | None = None,
    *,
    retry_on: RetryOn | None = None,
    on_retry: OnRetry | None = None,
    budget: RetryBudget | None = None,
    sleep: Sleep = asyncio.sleep,
    unit_random: Callable[[], float] = random.random,
) -> T:
    """Call `coro_fn` until it succeeds, `max_attempts` times at most, and return what it returned.

    Args:
        coro_fn: A function without arguments that returns a new coroutine at each call.
        max_attempts: How often it is called in all; 1 means never again.
        backoff: The pauses; a number is the `base` of a `Backoff`, in seconds.
        retry_on: Exception types, or a function that tells of an exception whether to try again;
            `is_retryable` unless given. Cancellation, `KeyboardInterrupt` and the like are never tried again.
        on_retry: Called before each pause with the number of the attempt that failed, its exception and the
            pause in seconds; it may be a coroutine function. What it raises ends the retries.
        budget: Bounds the retries of all who share it. One whose pause the server named (`retry_after`) costs
            nothing.
        sleep: How to wait.
        unit_random: Where random numbers from 0 to 1 come from.

    An exception with a number of seconds in `retry_after` is not tried again before that, see
    `Backoff.delay`.

    Raises:
        Exception: What the last attempt raised, as it was raised.
        ValueError: `max_attempts` is below 1.

    """
    if max_attempts < 1:
        raise ValueError(f"max_attempts must be 1 or more, not {max_attempts}")
    if not isinstance(backoff, Backoff):
        backoff = Backoff() if backoff is None else Backoff(base=backoff)
    attempt = 1
    while True:
        try:
            value = await coro_fn()
        except Exception as error:
            if attempt >= max_attempts or not _matches(error, retry_on):
                raise
            asked = _asked(error)
            is_timeout = isinstance(error, (TimeoutError, asyncio.TimeoutError))
            if asked is None and budget is not None and not budget.try_retry(after_timeout=is_timeout):
                raise
            pause = backoff.delay(attempt, unit_random(), asked)
            if on_retry is not None:
                said = on_retry(attempt, error, pause)
                if inspect.isawaitable(said):
                    await said
        else:
            if budget is not None:
                budget.succeeded()
            return value
        await sleep(pause)
        attempt += 1


def _matches(error: Exception, retry_on: RetryOn | None) -> bool:
    if retry_on is None:
        return is_retryable(error)
    if isinstance(retry_on, (type, tuple)):
        return isinstance(error, retry_on)
    return retry_on(error)


def _asked(error: Exception) -> float | None:
    """Return the seconds that an exception asks to wait, if it does."""
    asked = getattr(error, "retry_after", None)
    return float(asked) if isinstance(asked, (int, float)) and not isinstance(asked, bool) else None


def parse_retry_after(field: str, now: datetime | None = None) -> float | None:
    """Read a `Retry-After` field (RFC 9110, section 10.2.3): seconds, or an HTTP date compared with `now`.

    A date that has passed means no pause; what is neither form is nothing.
    """
    field = field.strip()
    if field.isascii() and field.isdigit():
        return float(field[:18])
    try:
        date = parsedate_to_datetime(field)
    except (ValueError, TypeError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=timezone.utc)
    return max((date - (now or datetime.now(timezone.utc))).total_seconds(), 0.0)
