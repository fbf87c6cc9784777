"""A pipeline at work: its steps, what comes out, and how far it is."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .slots import Slots
from .steps import AsyncStep, Done, Failure, PipelineResult, Progress, StepProgress
from .tasks import end_tasks
from .work_queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence
    from types import TracebackType

    from .checkpoint import Checkpoint


@dataclass
class _Origin:
    """An item of the source, and how many that were made of it are still in the pipeline."""

    key: str
    left: int = 1
    has_failed: bool = False


@dataclass
class _Parcel:
    """An item on its way; its place is that of the source's item, and then which one of each step's it is."""

    origin: _Origin
    place: tuple[int, ...]
    item: Any
    failure: Failure | None = None


@dataclass
class _Outlet:
    """What has come out and waits to be taken."""

    room: Slots
    parcels: asyncio.Queue[_Parcel | None] = field(default_factory=asyncio.Queue)

    async def put(self, parcel: _Parcel) -> None:
        await self.room.acquire()
        self.parcels.put_nowait(parcel)

    def put_over(self, parcel: _Parcel | None) -> None:
        self.room.acquire_over()
        self.parcels.put_nowait(parcel)

    async def get(self) -> _Parcel | None:
        parcel = await self.parcels.get()
        self.room.release()
        return parcel


class PipelineRun:
    """A pipeline at work: an async iterator of `Done` and `Failure`, in the order in which they come.

    It begins when the first outcome is asked for. An item is done when the outcome after it is asked for:
    whoever stores what comes out stores it before that, and then its key goes to the checkpoint. `aclose`,
    the end of an `async with`, and a cancellation end all steps and wait for them and for the checkpoint; the
    outcome that was handed out last then counts as not done.
    """

    def __init__(self, work: Work) -> None:
        """Hold the work; `stream_pipeline` makes it."""
        self.progress = work.progress
        """How far the run is; it changes while the run goes on."""
        self._stream = work.run()

    def __aiter__(self) -> AsyncIterator[Done | Failure]:
        """Iterate over the outcomes."""
        return self

    async def __anext__(self) -> Done | Failure:
        """Return the next outcome, or raise what the source, the checkpoint or `on_progress` raised."""
        _, outcome = await self._stream.__anext__()
        return outcome

    async def aclose(self) -> None:
        """End the run, and wait until nothing of it is left."""
        await self._stream.aclose()

    async def __aenter__(self) -> PipelineRun:
        """Begin."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the run."""
        await self.aclose()

    async def collect(self) -> PipelineResult:
        """Take all outcomes, and put the items in the order of the source."""
        done: list[tuple[tuple[int, ...], Any]] = []
        failures: list[Failure] = []
        async with aclosing(self._stream):
            async for place, outcome in self._stream:
                if isinstance(outcome, Done):
                    done.append((place, outcome.item))
                else:
                    failures.append(outcome)
        done.sort(key=lambda pair: pair[0])
        return PipelineResult([item for _, item in done], failures, self.progress)


class Work:
    """What a run is made of. It does not know its `PipelineRun`, so that one that nobody keeps ends all this."""

    def __init__(
        self,
        steps: Sequence[AsyncStep],
        data: Iterable[Any] | AsyncIterable[Any],
        *,
        name: str,
        key: Callable[[Any], str] | None,
        checkpoint: Checkpoint | None,
        on_progress: Callable[[Progress], object] | None,
    ) -> None:
        """Hold what `stream_pipeline` was given."""
        self.progress = Progress([StepProgress(step.name) for step in steps])
        self._steps, self._data, self._name, self._key = steps, data, name, key
        self._checkpoint, self._on_progress = checkpoint, on_progress
        self._finished: list[str] = []
        self._fault: BaseException | None = None
        self._queues = [
            WorkQueue(
                self._worker(number),
                step.concurrency,
                step.concurrency if step.buffer is None else step.buffer,
            )
            for number, step in enumerate(steps)
        ]
        self._outlet = _Outlet(Slots(steps[-1].concurrency if steps else 1))

    async def run(self) -> AsyncGenerator[tuple[tuple[int, ...], Done | Failure], None]:
        """Do it all, and yield each outcome with its place; see `PipelineRun`."""
        feeding: list[asyncio.Task[None]] = []
        try:
            if self._checkpoint is not None:
                await self._checkpoint.open(self._name)
            feeding.append(asyncio.create_task(self._feed()))
            while (parcel := await self._outlet.get()) is not None:
                if self._on_progress is not None:
                    self._on_progress(self.progress)
                yield parcel.place, parcel.failure or Done(parcel.origin.key, parcel.item)
                self._settle(parcel.origin)
                await self._note()
            await self._note()
            if self._fault is not None:
                raise self._fault
        finally:
            try:
                await end_tasks(feeding)
                for queue in self._queues:
                    await queue.cancel()
            finally:
                if self._checkpoint is not None:
                    await self._checkpoint.close()

    async def _feed(self) -> None:
        try:
            async with aclosing(_each(self._data)) as items:
                async for item in items:
                    await self._enter(item)
            for queue in self._queues:
                await queue.close()
        except asyncio.CancelledError as error:
            self._fault = error
            raise
        except Exception as error:
            # What it had yielded before is handled to its end.
            self._fault = error
            for queue in self._queues:
                await queue.close()
        finally:
            self._outlet.put_over(None)

    async def _enter(self, item: object) -> None:
        place = self.progress.read
        key = str(place) if self._key is None else self._key(item)
        self.progress.read += 1
        if self._checkpoint is not None and key in self._checkpoint.done:
            self.progress.skipped += 1
            return
        await self._pass_on(0, _Parcel(_Origin(key), (place,), item))

    async def _pass_on(self, number: int, parcel: _Parcel) -> None:
        """Hand an item to a step, or out after the last."""
        if number < len(self._queues):
            await self._queues[number].put(parcel)
        else:
            await self._outlet.put(parcel)

    def _worker(self, number: int) -> Callable[[_Parcel], Any]:
        async def work(parcel: _Parcel) -> None:
            await self._work(number, parcel)

        return work

    async def _work(self, number: int, parcel: _Parcel) -> None:
        step, progress, origin = self._steps[number], self.progress.steps[number], parcel.origin
        progress.started += 1
        try:
            made = step.fn(parcel.item)
            if isinstance(made, AsyncIterable):
                count = 0
                async with aclosing(_each(made)) as items:
                    async for item in items:
                        origin.left += 1
                        await self._pass_on(number + 1, _Parcel(origin, (*parcel.place, count), item))
                        count += 1
            else:
                item = await made
                origin.left += 1
                await self._pass_on(number + 1, _Parcel(origin, (*parcel.place, 0), item))
        except (Exception, asyncio.CancelledError) as error:
            progress.failed += 1
            origin.has_failed = True
            parcel.failure = Failure(origin.key, parcel.item, step.name, error)
            if isinstance(error, asyncio.CancelledError):
                # The step cancelled itself, or the run ends: either way there is no time to wait for room.
                self._outlet.put_over(parcel)
                raise
            await self._outlet.put(parcel)
        else:
            progress.done += 1
            self._settle(origin)

    def _settle(self, origin: _Origin) -> None:
        origin.left -= 1
        if origin.left == 0 and not origin.has_failed:
            self._finished.append(origin.key)

    async def _note(self) -> None:
        keys, self._finished = self._finished, []
        if self._checkpoint is not None:
            for key in keys:
                await self._checkpoint.add(key)


async def _each(data: Iterable[Any] | AsyncIterable[Any]) -> AsyncGenerator[Any, None]:
    """Yield from either kind; an async generator is closed with this one."""
    if not isinstance(data, AsyncIterable):
        for item in data:
            yield item
        return
    items = data.__aiter__()
    try:
        async for item in items:
            yield item
    finally:
        if inspect.isasyncgen(items):
            await items.aclose()
