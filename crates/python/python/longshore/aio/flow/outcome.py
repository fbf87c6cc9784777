"""What came of an item, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar, cast

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Outcome(Generic[T, R]):
    """What came of one item: a value, or an error.

    Attributes:
        index: The item's place in its source, from 0.
        item: The item.
        value: What was returned; `None` after an error.
        error: What was raised; `None` after a success. `asyncio.CancelledError` where the work cancelled
            itself.

    """

    index: int
    item: T
    value: R | None = None
    error: BaseException | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.error is None

    def unwrap(self) -> R:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return cast("R", self.value)
