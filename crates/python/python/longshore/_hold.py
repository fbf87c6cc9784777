"""What happens in a thread to who holds a lock that is lost: it is told at the end. Its twin in aio cancels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longshore._longshore import Guard

__all__ = ["Losing"]


class Losing:
    """Knows at the end whether the lock was lost meanwhile."""

    def __init__(self, guard: Guard) -> None:
        """Take what is held."""
        self._guard = guard

    def end(self) -> BaseException | None:
        """Return the error of the loss, if it came."""
        return self._guard.loss()

    @staticmethod
    def is_ours(error: BaseException) -> bool:
        """Tell whether an exception came with the loss: none does in a thread."""
        del error
        return False
