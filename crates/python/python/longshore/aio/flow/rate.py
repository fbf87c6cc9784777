"""So much in a second and no more, and a pause that all keep together."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from .slots import Slots

if TYPE_CHECKING:
    from types import TracebackType

    from .tasks import Clock, Sleep


class _Bucket:
    """A token bucket: it fills at a steady rate up to what it holds, and who takes waits until there is
    enough.
    """

    def __init__(self, per_second: float, burst_seconds: float, clock: Clock, sleep: Sleep) -> None:
        self.per_second = per_second
        self.most = max(per_second * burst_seconds, 1.0)
        self.clock, self.sleep = clock, sleep
        # Below nothing after somebody took more than the bucket holds: then the next one waits longer.
        self.tokens = self.most
        self.filled = clock()
        # Held while waiting: that is the queue. Who gives up leaves it, and has taken no tokens.
        self.turn = Slots(1)

    async def take(self, amount: float) -> None:
        needed = min(amount, self.most)
        await self.turn.acquire()
        try:
            while (missing := needed - self.fill()) > 0:
                # At the least what a timer can tell apart, so that no rounding makes this spin.
                await self.sleep(max(missing / self.per_second, 0.001))
            self.tokens -= amount
        finally:
            self.turn.release()

    def fill(self) -> float:
        now = self.clock()
        gained = max(now - self.filled, 0.0) * self.per_second
        self.tokens, self.filled = min(self.tokens + gained, self.most), now
        return self.tokens


class Limiter:
    """How many requests, and if wished how many bytes, a second may have; shared by all tasks of a client.

    ```python
    limiter = Limiter(50, bytes_per_second=1 << 20)
    async with limiter:                 # one request
        chunk = await read()
        await limiter.take_bytes(len(chunk))
    ```

    Who comes first is served first, however much is asked for. Who is cancelled while waiting has taken
    nothing and holds up nobody. More than the burst is given when the bucket is full, and those who come
    later wait until that is made up for. It is used from one thread at a time; several loops may use it one
    after the other.
    """

    def __init__(
        self,
        requests_per_second: float | None = None,
        *,
        bytes_per_second: float | None = None,
        burst_seconds: float = 1.0,
        clock: Clock = time.monotonic,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Allow so many requests and bytes in a second, any number where there is none.

        `burst_seconds` says how long a silence is made up for at once: with 10 requests per second and the
        default of one second, ten may begin together. With 0 they come one by one.

        Raises:
            ValueError: A rate is not above 0, or the burst is negative.

        """
        for rate in (requests_per_second, bytes_per_second):
            if rate is not None and not rate > 0:
                raise ValueError(f"a rate must be above 0, not {rate}")
        if not burst_seconds >= 0:
            raise ValueError(f"a burst cannot be {burst_seconds} seconds")

        def bucket(rate: float | None) -> _Bucket | None:
            return None if rate is None else _Bucket(rate, burst_seconds, clock, sleep)

        self._requests, self._bytes = bucket(requests_per_second), bucket(bytes_per_second)

    async def take(self, requests: float = 1) -> None:
        """Wait until so many requests more may begin. None (0) at once."""
        if self._requests is not None and requests > 0:
            await self._requests.take(requests)

    async def take_bytes(self, count: int) -> None:
        """Wait until so many bytes more may pass; more than a second's are no error."""
        if self._bytes is not None and count > 0:
            await self._bytes.take(count)

    async def __aenter__(self) -> Limiter:
        """Take one request."""
        await self.take()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: what was sent was sent, whatever came of it."""


class Gate:
    """A gate that one task closes for a while and all wait at.

    When a server says "not before", it says so to the whole client: each task finding out on its own would
    send it exactly the load it asked to be spared.
    """

    def __init__(self, *, clock: Clock = time.monotonic, sleep: Sleep = asyncio.sleep) -> None:
        """Make an open gate."""
        self._clock, self._sleep = clock, sleep
        self._opens = float("-inf")

    def close_for(self, seconds: float) -> None:
        """Close the gate from now, unless it is closed for longer already."""
        self._opens = max(self._opens, self._clock() + seconds)

    def open(self) -> None:
        """Open the gate for all who come from now on; who waits already keeps to the pause it met."""
        self._opens = float("-inf")

    @property
    def closed_for(self) -> float:
        """How many seconds the gate stays closed; 0 while it is open."""
        return max(self._opens - self._clock(), 0.0)

    async def wait(self) -> None:
        """Wait until the gate is open."""
        # It may be closed again, for longer, while this sleeps.
        while (rest := self.closed_for) > 0:
            await self._sleep(max(rest, 0.001))
