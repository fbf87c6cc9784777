"""Places that are taken and given back, first come first served; no loop owns them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict


class Slots:
    """A semaphore whose size may change, and which several event loops may use one after the other.

    Whoever gives up waiting has taken nothing and holds up nobody. It is used from one thread at a time.
    """

    def __init__(self, size: float) -> None:
        """Make `size` free places; `math.inf` is a size too."""
        self.size = size
        self.taken = 0
        # In the order of coming; one that gives up is found and taken out at once.
        self._waiting: OrderedDict[asyncio.Future[None], None] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many wait for a place."""
        return len(self._waiting)

    def try_acquire(self) -> bool:
        """Take a place if one is free; then nobody waits for one."""
        if self.taken >= self.size:
            return False
        self.taken += 1
        return True

    async def acquire(self) -> None:
        """Take a place, as soon as all who came before have one."""
        if self.try_acquire():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        try:
            await turn
        except BaseException:
            self._waiting.pop(turn, None)
            if turn.done() and not turn.cancelled():
                self.release()  # it was given in the same moment
            raise

    def acquire_over(self) -> None:
        """Take a place even where none is free, for what must not wait."""
        self.taken += 1

    def release(self) -> None:
        """Give a place back."""
        self.taken -= 1
        self._hand_out()

    def resize(self, size: float) -> None:
        """Change how many places there are; who has one above that keeps it."""
        self.size = size
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self.taken < self.size:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                self.taken += 1
                turn.set_result(None)
