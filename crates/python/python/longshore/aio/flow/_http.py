"""GET over the Rust engine: connections that are kept, redirects, time-outs, and errors as asyncio has them.

What it reads is as the server sent it: no content coding is asked for, and none is undone.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Protocol

from longshore._longshore import Agent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from longshore._longshore import Stream


class Answer(Protocol):
    """An answer whose head is there; iterating reads the body in pieces of about 1 MiB at most."""

    status: int
    headers: dict[str, str]
    """The fields, names in lower case; more of one name are joined by `, `."""
    url: str
    """Where the answer came from, after redirects."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Read the body."""
        ...


class Engine(Protocol):
    """What sends requests."""

    async def fetch(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """GET a URL, and return the answer's status, fields and body."""
        ...

    def stream(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[Answer]:
        """GET a URL, for `async with`, whose end closes the answer."""
        ...


class _OpenAnswer:
    """An answer whose body Rust reads as it is asked for."""

    def __init__(self, status: int, headers: dict[str, str], url: str, body: Stream) -> None:
        self.status, self.headers, self.url = status, headers, url
        self._body = body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        piece: bytes | None = await self._body.next()
        if piece is None:
            raise StopAsyncIteration
        return piece


class RustEngine:
    """The engine that flow uses unless it is given another. It holds no loop: any number of them may use it.

    `timeout` is how many seconds nothing may come, `connect_timeout` how many a connection may take with its
    TLS; `max_bytes` is the longest body that `fetch` takes. Connections are kept for the next request to the
    same host; where one turns out to have ended, the request is sent over a new one. The machine's
    authorities are trusted, and those of `ca_file` (PEM). Errors are `WebError`, `TimeoutError` or another
    `OSError`, and `RuntimeError` in the child of a fork.
    """

    def __init__(
        self,
        *,
        timeout: float = 60.0,
        connect_timeout: float = 20.0,
        max_bytes: int = 8 << 20,
        ca_file: str | os.PathLike[str] | None = None,
    ) -> None:
        """Hold the bounds; nothing is read or opened yet."""
        self.max_bytes = max_bytes
        self._agent = Agent(timeout, connect_timeout, None if ca_file is None else os.fspath(ca_file))

    async def fetch(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """GET a URL, and return the answer's status, fields and body; see `stream` and the class."""
        answer: tuple[int, dict[str, str], bytes] = await self._agent.fetch(
            url, dict(headers or {}), self.max_bytes
        )
        return answer

    @contextlib.asynccontextmanager
    async def stream(self, url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Answer]:
        """GET a URL, for `async with`. Ten redirects are followed, and none from https to http.

        The headers go to the host of `url` alone: not to another that redirects lead to, nor to it in another
        scheme.
        """
        status, fields, came_from, body = await self._agent.open(url, dict(headers or {}))
        try:
            yield _OpenAnswer(status, fields, came_from, body)
        finally:
            await body.close()


DEFAULT = RustEngine()
fetch = DEFAULT.fetch
stream = DEFAULT.stream
