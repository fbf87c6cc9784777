"""What is told of transfers while they run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from longshore._longshore import Hand
from longshore.aio._run import watching

__all__ = ["Progress", "Watch"]


@dataclass(frozen=True)
class Progress:
    """A step of a transfer.

    Attributes:
        event: `started` (count is the length, 0 if unknown), `bytes` and `reused` (count bytes more), `retried` (count
            of the bytes told before move again), `done` (count is the length), `failed`.
        index: the item's place among many; 0 of one.
        count: how many bytes.
    """

    event: str
    index: int
    count: int


class Watch:
    """A caller's function that is told of progress. What it raises ends the transfer, and is raised there."""

    def __init__(self, progress: Callable[[Progress], Any] | None, hand: Hand | None) -> None:
        """Take what the caller gave."""
        self.hand = hand or (Hand() if progress else None)
        self.error: BaseException | None = None
        self._tell = progress

    def said(self) -> dict[str, Any]:
        """Return what Rust is told."""
        tell = self._tell
        if tell is None:
            return {"progress": None, "hand": self.hand}

        def told(event: str, index: int, count: int) -> None:
            if self.error is None:
                tell(Progress(event, index, count))

        return {"progress": watching(told, self._failed), "hand": self.hand}

    def _failed(self, error: BaseException) -> None:
        self.error = error
        if self.hand is not None:
            self.hand.cancel()

    def check(self) -> None:
        """Raise what the function has raised."""
        if self.error is not None:
            raise self.error
