"""How many requests run at once, found out by watching what comes of them.

A window is as many successes as the limit. A window in which the limit was reached raises it by 1; one that
never needed the whole limit says nothing about more. A failure that is no overload takes a success away from
the window. An overload halves the limit, once for all that were under way. Latency is not looked at, other
than in the Rust library.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .slots import Slots

if TYPE_CHECKING:
    from types import TracebackType


class AdaptiveLimit:
    """A limit to how many requests run at once, shared by all tasks of a client and moved by what comes of
    them.

    ```python
    limit = AdaptiveLimit(1, 64)
    async with limit.permit() as permit:
        answer = await send()
        if answer.status in (429, 503):
            permit.throttled()
    ```

    Who waits is served in the order of coming, and who gives up waiting has taken nothing. A server that
    refuses more than C at once is met with C / 2 to C + 1.
    """

    def __init__(self, floor: int = 1, ceiling: int = 64, *, start: int | None = None) -> None:
        """Begin with `start` requests at once (8, where the bounds allow it); never fewer than `floor` or
        more than `ceiling`.

        Raises:
            ValueError: `floor` is below 1, or `ceiling` below `floor`.

        """
        if floor < 1 or ceiling < floor:
            raise ValueError(f"floor and ceiling must be 1 <= floor <= ceiling, not {floor} and {ceiling}")
        self._floor, self._ceiling = floor, ceiling
        self._limit = max(floor, min(8 if start is None else start, ceiling))
        self._slots = Slots(self._limit)
        self._successes = 0
        self._was_full = False
        self._cuts = 0

    @property
    def limit(self) -> int:
        """How many requests may run at once now."""
        return self._limit

    @property
    def in_flight(self) -> int:
        """How many permits are out. More than the limit only while what ran before a cut still runs."""
        return self._slots.taken

    def permit(self) -> Permit:
        """Return leave to run one request, for `async with`, which waits for it."""
        return Permit(self)

    async def _begin(self) -> int:
        await self._slots.acquire()
        self._was_full = self._was_full or self._slots.taken >= self._limit
        return self._cuts

    def _end(self, cuts: int, said: str) -> None:
        # What was under way when the limit was cut tells of the limit before.
        if cuts == self._cuts:
            if said == "success":
                self._succeeded()
            elif said == "throttled":
                self._cuts += 1
                self._move(max(self._limit // 2, self._floor))
            elif said == "failed":
                self._successes = max(self._successes - 1, 0)
        self._slots.release()

    def _succeeded(self) -> None:
        self._successes += 1
        if self._successes >= self._limit:
            self._move(self._limit + 1 if self._was_full and self._limit < self._ceiling else self._limit)

    def _move(self, limit: int) -> None:
        self._limit = limit
        self._successes = 0
        # Its own place is given back right after this.
        self._was_full = self._slots.taken - 1 >= limit
        self._slots.resize(limit)


class Permit:
    """Leave to run one request. Without a word, its end is a success, an exception a failure, a cancellation
    nothing.
    """

    def __init__(self, limit: AdaptiveLimit) -> None:
        """Belong to a limit; `AdaptiveLimit.permit` makes it."""
        self._limit = limit
        self._said = ""
        self._cuts = 0

    def throttled(self) -> None:
        """Say that the server asked for less (429, 503): the limit is halved, once for all that are under
        way.
        """
        self._said = "throttled"

    def failed(self) -> None:
        """Say that the request failed in another way: the limit rises later."""
        self._said = "failed"

    def success(self) -> None:
        """Say that the request succeeded, even where an exception ends it."""
        self._said = "success"

    async def __aenter__(self) -> Permit:
        """Wait until one more request may run."""
        self._cuts = await self._limit._begin()
        self._said = ""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the place to the next."""
        said = self._said
        if not said:
            is_cut = isinstance(error, (asyncio.CancelledError, GeneratorExit))
            said = "success" if error is None else "unknown" if is_cut else "failed"
        self._limit._end(self._cuts, said)
