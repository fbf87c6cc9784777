"""How a row is asked about: its URL, the pauses that all rows keep together, and what is tried again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._results import read_answer
from .retry import Backoff, RetryBudget, retry_async
from .web import WebError, check_status, is_overload, may_retry

if TYPE_CHECKING:
    from ._rows import Row, UrlTemplate
    from .adaptive import AdaptiveLimit
    from .rate import Gate, Limiter
    from .tasks import Sleep

Fetch = Callable[[str, Mapping[str, str]], Awaitable[tuple[int, Mapping[str, str], bytes]]]
"""GETs a URL with headers, and returns the answer's status, headers and body."""

MAX_ANSWER = 8 << 20
"""The longest answer in bytes; a longer one is a failure of its row."""


@dataclass
class Reply:
    """What came of a row: an answer, or an error and how often it was tried."""

    row: Row
    answer: object = None
    error: Exception | None = None
    attempts: int = 0


@dataclass
class Asker:
    """Sends the requests of one enrichment."""

    template: UrlTemplate
    headers: dict[str, str] = field(repr=False)  # they may hold a token
    fetch: Fetch
    max_attempts: int
    backoff: Backoff
    limit: AdaptiveLimit
    gate: Gate
    rate: Limiter
    sleep: Sleep
    budget: RetryBudget = field(default_factory=RetryBudget)

    async def ask(self, row: Row) -> Reply:
        """Ask about a row; its failure is a value."""
        reply = Reply(row)

        async def attempt() -> object:
            reply.attempts += 1
            return await self.send(url)

        try:
            url = self.template.fill(row.columns)
            reply.answer = await retry_async(
                attempt,
                self.max_attempts,
                self.backoff,
                retry_on=may_retry,
                budget=self.budget,
                sleep=self.sleep,
            )
        except Exception as error:
            reply.error = error
        return reply

    async def send(self, url: str) -> object:
        async with self.limit.permit() as permit:
            # A server that says "not before" says it to all rows.
            await self.gate.wait()
            await self.rate.take()
            status, headers, body = await self.fetch(url, dict(self.headers))
            try:
                check_status(status, headers, body)
            except WebError as error:
                if is_overload(error):
                    permit.throttled()
                if error.is_retryable and error.retry_after is not None:
                    self.gate.close_for(min(error.retry_after, self.backoff.retry_after_cap))
                raise
        if len(body) > MAX_ANSWER:
            raise WebError("web_too_large", f"the answer has more than {MAX_ANSWER} bytes", status=status)
        return read_answer(body)
