"""Many things at once, in plain asyncio: bounded, tried again where that may help, failures as values,
nothing left running. Requests to the web are sent by Rust.

| for | there is |
|---|---|
| so many at once | `gather_bounded`, `bounded`, `AdaptiveLimit`, `WorkQueue` |
| trying again | `retry_async`, `Backoff`, `RetryBudget`, `Gate` |
| so much in a second | `Limiter` |
| much in a row | `paginate`, `run_pipeline`, `stream_pipeline`, `AsyncStep`, `Checkpoint` |
| the web | `fetch_bulk`, `download_files`, `enrich_csv` |

Everything may be used by several event loops one after the other (uvloop's too) and belongs to one thread at
a time; only `RetryBudget` may be shared by threads. Whoever is cancelled, or leaves a block, has waited for
all that was started in it.

```python
import asyncio

from longshore.aio.flow import AsyncStep, bounded, gather_bounded, run_pipeline


async def parse(row: str) -> int:
    return int(row)


async def main() -> None:
    # All results in order; the first failure would end the rest and be raised.
    assert await gather_bounded(parse, ["1", "2", "3"], limit=2) == [1, 2, 3]

    # Failures as values, as they come.
    failed = [outcome.item async for outcome in bounded(parse, ["1", "zwei", "3"], 2) if not outcome.ok]
    assert failed == ["zwei"]

    # Steps with a concurrency of their own.
    result = await run_pipeline([AsyncStep("parse", parse, concurrency=4)], ["1", "zwei", "3"])
    assert result.items == [1, 3]
    assert [(failure.item, failure.step) for failure in result.failures] == [("zwei", "parse")]


asyncio.run(main())
```
"""

from ._results import EnrichError
from .adaptive import AdaptiveLimit, Permit
from .checkpoint import Checkpoint, CheckpointError
from .download import DownloadResult, FetchResult, download_files, fetch_bulk
from .enrich import EnrichSummary, enrich_csv
from .fan_out import bounded, gather_bounded
from .outcome import Outcome
from .pages import RepeatedCursorError, paginate
from .pipeline import run_pipeline, stream_pipeline
from .pipeline_run import PipelineRun
from .rate import Gate, Limiter
from .retry import Backoff, RetryBudget, parse_retry_after, retry_async
from .steps import AsyncStep, Done, Failure, PipelineResult, Progress, StepProgress
from .web import WebError
from .work_queue import QueueClosedError, QueueFullError, WorkQueue

__all__ = [
    "AdaptiveLimit",
    "AsyncStep",
    "Backoff",
    "Checkpoint",
    "CheckpointError",
    "Done",
    "DownloadResult",
    "EnrichError",
    "EnrichSummary",
    "Failure",
    "FetchResult",
    "Gate",
    "Limiter",
    "Outcome",
    "Permit",
    "PipelineResult",
    "PipelineRun",
    "Progress",
    "QueueClosedError",
    "QueueFullError",
    "RepeatedCursorError",
    "RetryBudget",
    "StepProgress",
    "WebError",
    "WorkQueue",
    "bounded",
    "download_files",
    "enrich_csv",
    "fetch_bulk",
    "gather_bounded",
    "paginate",
    "parse_retry_after",
    "retry_async",
    "run_pipeline",
    "stream_pipeline",
]
