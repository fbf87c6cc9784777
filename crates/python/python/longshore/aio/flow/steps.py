"""What a pipeline is told, and what it tells: steps, outcomes, progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

StepFn = Callable[[Any], Any]


@dataclass(frozen=True)
class AsyncStep:
    """A step of a pipeline.

    Attributes:
        name: What failures and progress call it.
        fn: A coroutine function from an item to an item, or an async generator function that makes any number
            of one: none leaves the item out.
        concurrency: How many items it is at, at most.
        buffer: How many items wait before it, at most; as many as its concurrency unless given.

    """

    name: str
    fn: StepFn
    concurrency: int = 1
    buffer: int | None = None


@dataclass(frozen=True)
class Done:
    """An item that went through all steps; `key` is that of the source's item that it was made of."""

    key: str
    item: Any


@dataclass(frozen=True)
class Failure:
    """An item that failed: the key of the source's item, what the step got, the step's name, and what it
    raised.
    """

    key: str
    item: Any
    step: str
    error: BaseException


@dataclass
class StepProgress:
    """How far a step is, in items that it began, finished and failed at."""

    name: str
    started: int = 0
    done: int = 0
    failed: int = 0

    @property
    def in_flight(self) -> int:
        """How many it is at."""
        return self.started - self.done - self.failed


@dataclass
class Progress:
    """How far a run is: items that the source yielded, those of them left out as done earlier, and each
    step.
    """

    steps: list[StepProgress]
    read: int = 0
    skipped: int = 0


@dataclass(frozen=True)
class PipelineResult:
    """What a run made: the items in the order of the source, the failures as they came, and the counts."""

    items: list[Any]
    failures: list[Failure]
    progress: Progress
