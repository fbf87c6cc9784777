"""How each transfer of many ended: failures are values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from longshore.exceptions import LongshoreError

__all__ = ["Downloaded", "Outcome"]

T = TypeVar("T")


@dataclass(frozen=True)
class Outcome(Generic[T]):
    """How one item of many ended.

    Attributes:
        index: the item's place among those that were given, from 0.
        item: the item as it was given.
        value: what became of it; None where it failed.
        error: why it failed; None where it did not.
        skipped: whether nothing moved, because the same stood there already.
    """

    index: int
    item: Any
    value: T | None = None
    error: LongshoreError | None = None
    skipped: bool = False

    def unwrap(self) -> T:
        """Return the value, or raise the error."""
        if self.error is not None:
            raise self.error
        return self.value  # type: ignore[return-value]  # one of the two is there


@dataclass(frozen=True)
class Downloaded:
    """A finished download into a file.

    Attributes:
        bytes: the file's length.
        digest: the file's digest.
        version_id: the version the content is of.
        reused: how many of the bytes were here already.
        skipped: whether the file stood here already, the same, and was left as it is.
    """

    bytes: int
    digest: str
    version_id: str | None
    reused: int
    skipped: bool
