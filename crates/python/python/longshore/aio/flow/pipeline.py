"""Named steps from items to items, each with its own concurrency.

Between steps stand bounded buffers, so a slow step slows the source and fills no memory. An item that fails
in a step leaves the pipeline there, as a value with its key, the step's name and the error, and the rest goes
on. With a checkpoint a second run leaves out what the first has done.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .checkpoint import Checkpoint
from .pipeline_run import PipelineRun, Work
from .steps import AsyncStep, PipelineResult, StepFn

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Callable, Iterable

    from .steps import Progress


def stream_pipeline(
    steps: Iterable[AsyncStep | StepFn],
    data: Iterable[Any] | AsyncIterable[Any],
    *,
    name: str = "pipeline",
    key: Callable[[Any], str] | None = None,
    checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> PipelineRun:
    """Take the items of `data` through the steps, and hand out what comes of them as a `PipelineRun`.

    Args:
        steps: The steps in their order; a function alone is a step of its name that does one item at a time.
        data: An iterable or async iterable. Where it raises, what it had yielded is handed out, and then its
            exception raised.
        name: What the checkpoint is known by.
        key: Names an item from one run to the next, as a checkpoint needs; its place in `data` unless given.
            Of two items with the same key both are handled in one run, and neither in the next.
        checkpoint: A file of what is done, or a `Checkpoint`. Items of earlier runs are left out; those that
            failed are tried again. An item that a step made many of is done when all of them are.
        on_progress: Called before each outcome. What it raises ends the run.

    Raises:
        ValueError: A step's concurrency or buffer is below 1.

    """
    named = [step if isinstance(step, AsyncStep) else AsyncStep(_name(step), step) for step in steps]
    opened = (
        checkpoint if checkpoint is None or isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
    )
    work = Work(named, data, name=name, key=key, checkpoint=opened, on_progress=on_progress)
    return PipelineRun(work)


def _name(fn: StepFn) -> str:
    return str(getattr(fn, "__name__", type(fn).__name__))


async def run_pipeline(
    steps: Iterable[AsyncStep | StepFn],
    data: Iterable[Any] | AsyncIterable[Any],
    *,
    name: str = "pipeline",
    key: Callable[[Any], str] | None = None,
    checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> PipelineResult:
    """Do as `stream_pipeline`, and return all at once, the items in the order of `data`.

    With a checkpoint the result has only what this run did, so the last step should be the one that stores.
    """
    run = stream_pipeline(steps, data, name=name, key=key, checkpoint=checkpoint, on_progress=on_progress)
    return await run.collect()
