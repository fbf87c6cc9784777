"""The rows of a table through an HTTP API: one JSON line a row."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from . import _http
from ._asker import Asker, Fetch, Reply
from ._results import EnrichError, Results, merge, write_line
from ._rows import Row, RowError, Rows, UrlTemplate, open_table
from .adaptive import AdaptiveLimit
from .fan_out import bounded
from .rate import Gate, Limiter
from .retry import Backoff
from .tasks import open_blocking, run_blocking
from .web import WebError, code_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable, Mapping

    from .tasks import Clock, Sleep

MAX_PAUSE = 600.0
"""The most seconds that a `Retry-After` closes the way to the server for, by default."""


@dataclass(frozen=True)
class EnrichSummary:
    """How an enrichment went, in rows.

    Attributes:
        rows: How many rows were read.
        done: How many were answered by this run.
        failed: How many failed in this run; they are in `failures`, and tried again by the next.
        skipped: How many had a line in the output already.
        output: The file of the answers.
        failures: The file of the rows that failed.

    """

    rows: int
    done: int
    failed: int
    skipped: int
    output: Path
    failures: Path


async def enrich_csv(
    source: str | os.PathLike[str] | IO[str] | IO[bytes] | Iterable[str],
    url_template: str,
    output: str | os.PathLike[str],
    workers: int = 3,
    token: str | None = None,
    *,
    key: str | None = None,
    headers: Mapping[str, str] | None = None,
    rate: Limiter | float | None = None,
    max_attempts: int = 6,
    backoff: Backoff | None = None,
    delimiter: str = ",",
    fetch: Fetch = _http.fetch,
    on_progress: Callable[[EnrichSummary], object] | None = None,
    clock: Clock = time.monotonic,
    sleep: Sleep = asyncio.sleep,
) -> EnrichSummary:
    """GET a URL for each row of a CSV, and write one JSON line a row: its columns and the answer's fields.

    ```python
    summary = await enrich_csv("people.csv", "https://example.org/people/{email}", "people.jsonl", token=token)
    ```

    Args:
        source: The table, with a header: a path, a file (text, or bytes of UTF-8; it stays open), or lines. Rows
            are read as they are needed, on the loop's thread.
        url_template: `{column}` becomes the row's value, percent-encoded; none may choose the host.
        output: The file of JSON lines, in the order of the answers. Columns always keep their values: a field
            of the answer that has a column's name is put under `answer.<name>`, and an answer that is no JSON
            object under `answer`.
        workers: How many requests are under way at once. After a 429 or 503 it is half as many, and more
            again as it goes well.
        token: Sent as `Authorization: Bearer`.
        key: The column that tells a row from all others. Without one a row is known by all its columns.
        headers: Sent with each request.
        rate: Requests in a second, retries among them, or a `Limiter`.
        max_attempts: How often a row is tried in all: again after 429, 408, 425, 5xx (but for 501 and 505)
            and faults of the network. A `Retry-After` closes the way for all rows together, up to ten
            minutes.
        backoff: The pauses between attempts; its `retry_after_cap` is ten minutes unless given.
        delimiter: What stands between cells.
        fetch: What sends a request: `fetch(url, headers) -> (status, headers, body)`.
        on_progress: Called after each row that was asked about. What it raises ends the run; what is written stays.
        clock: Seconds, for the pauses.
        sleep: How to wait.

    Rows that failed go to `<output>.failures.jsonl`, anew with each run: `key` (or the row's number), `row`,
    `status`, `code`, `message`, `attempts`, and the first 2 KiB of the answer's `body`. The output is its own
    checkpoint: a row that has a line is not asked about again, so after a kill the same call goes on.
    `<output>.checkpoint` says of which question the answers are.

    Raises:
        EnrichError: The output has the answers of another question, is something else, or is in use; it is
            not touched.
        ValueError: The header or the template is wrong (nothing was sent), or the table is no UTF-8 from some
            row on, whose rows before that are done.
        OSError: A file cannot be read or written.

    """
    if max_attempts < 1:
        raise ValueError(f"max_attempts must be 1 or more, not {max_attempts}")
    sent = dict(headers or {})
    if token is not None:
        if not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("the token has characters that no header can hold")
        sent["Authorization"] = f"Bearer {token}"
    output, failures = Path(output), Path(f"{os.fspath(output)}.failures.jsonl")
    if isinstance(source, (str, os.PathLike)) and _is_same(Path(source), output):
        raise EnrichError("the table and the output are one file")
    with open_table(source, delimiter, key) as rows:
        template = UrlTemplate(url_template, rows.header)
        asker = Asker(
            template=template,
            headers=sent,
            fetch=fetch,
            max_attempts=max_attempts,
            backoff=backoff or Backoff(retry_after_cap=MAX_PAUSE),
            limit=AdaptiveLimit(1, workers, start=workers),
            gate=Gate(clock=clock, sleep=sleep),
            rate=rate if isinstance(rate, Limiter) else Limiter(rate, clock=clock, sleep=sleep),
            sleep=sleep,
        )
        results = await open_blocking(Results, output, rows, repr((url_template, key)))
        try:
            run = _Run(rows, results, EnrichSummary(0, 0, 0, 0, output, failures))
            with await open_blocking(_open_anew, failures) as failed:
                async with aclosing(bounded(asker.ask, run.left(failed), workers)) as outcomes:
                    async for outcome in outcomes:
                        run.write(outcome.unwrap(), failed)
                        if on_progress is not None:
                            on_progress(run.summary)
        finally:
            await run_blocking(results.close)
        return run.summary


class _Run:
    """Which rows are left, and where what comes of them goes."""

    def __init__(self, rows: Rows, results: Results, summary: EnrichSummary) -> None:
        self.rows, self.results, self.summary = rows, results, summary

    async def left(self, failed: IO[bytes]) -> AsyncGenerator[Row, None]:
        """Yield the rows that are to be asked about."""
        for row in self.rows:
            self.count(rows=1)
            if row.fault is not None:
                self.write(Reply(row, error=RowError(row.fault)), failed)
            elif self.results.take(row.columns):
                self.count(skipped=1)
            else:
                yield row
                continue
            if self.summary.rows % 256 == 0:
                await asyncio.sleep(0)  # many that are skipped hold up nobody else

    def write(self, reply: Reply, failed: IO[bytes]) -> None:
        row, error = reply.row, reply.error
        if error is None:
            self.results.add(merge(row.columns, reply.answer))
            self.count(done=1)
            return
        content: dict[str, Any] = {"key": row.key, "row": row.columns, "status": None, "code": code_of(error)}
        content |= {"message": str(error) or type(error).__name__, "attempts": reply.attempts, "body": ""}
        if isinstance(error, WebError):
            content |= {"status": error.status, "body": error.body.decode(errors="replace")}
        write_line(failed.fileno(), content)
        self.count(failed=1)

    def count(self, *, rows: int = 0, done: int = 0, failed: int = 0, skipped: int = 0) -> None:
        old = self.summary
        self.summary = replace(
            old,
            rows=old.rows + rows,
            done=old.done + done,
            failed=old.failed + failed,
            skipped=old.skipped + skipped,
        )


def _open_anew(path: Path) -> IO[bytes]:
    return path.open("wb", buffering=0)


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
