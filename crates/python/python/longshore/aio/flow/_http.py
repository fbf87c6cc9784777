"""A small HTTP/1.1 client over asyncio's streams: GET, one connection a request. The Rust engine is to take
its place.

What it reads is as the server sent it: no content coding is asked for, and none is undone.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin

from ._connection import Address, Connection, parse
from .tasks import end_tasks
from .web import WebError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

MAX_HEAD = 64 * 1024
MAX_REDIRECTS = 10


class Answer(Protocol):
    """An answer whose head is there; iterating reads the body in chunks of 64 KiB at most."""

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
        """GET a URL, for `async with`, whose end closes the connection."""
        ...


class StreamEngine:
    """The engine over asyncio's streams. It holds no connection and no loop, so any number of loops may use
    it.

    `timeout` is how many seconds nothing may come, `connect_timeout` how many a connection may take with its
    TLS; `max_bytes` is the longest body that `fetch` takes. Errors are `WebError`, `TimeoutError` or another
    `OSError`.
    """

    def __init__(
        self,
        *,
        timeout: float = 60.0,
        connect_timeout: float = 20.0,
        max_bytes: int = 8 << 20,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Hold the bounds; `tls` is the machine's default unless given."""
        self.timeout, self.connect_timeout, self.max_bytes = timeout, connect_timeout, max_bytes
        self._tls = tls

    @functools.cached_property
    def tls(self) -> ssl.SSLContext:
        """Whom to trust; read once, for that takes long."""
        return self._tls or ssl.create_default_context()

    async def fetch(
        self, url: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """GET a URL, and return the answer's status, fields and body; see the class for bounds and errors."""
        async with self.stream(url, headers) as answer:
            body = bytearray()
            async for chunk in answer:
                body += chunk
                if len(body) > self.max_bytes:
                    raise WebError("web_too_large", f"the answer has more than {self.max_bytes} bytes")
            return answer.status, answer.headers, bytes(body)

    @contextlib.asynccontextmanager
    async def stream(self, url: str, headers: Mapping[str, str] | None = None) -> AsyncIterator[Answer]:
        """GET a URL, for `async with`. Ten redirects are followed, and none from https to http.

        The headers go to the host of `url` alone: not to another that redirects lead to, nor to it in another
        scheme.
        """
        sent, origin = dict(headers or {}), parse(url)[0]
        for _ in range(MAX_REDIRECTS + 1):
            address, host, target = parse(url)
            if address != origin:
                sent, origin = {}, address
            connection = await self.connect(address)
            try:
                answer = await connection.request(url, host, target, sent)
                location = answer.headers.get("location")
                if answer.status not in (301, 302, 303, 307, 308) or location is None:
                    yield answer
                    return
            finally:
                connection.abort()
            url = urljoin(url, location)
            if address[0] == "https" and not url.lower().startswith("https:"):
                raise WebError(
                    "web_redirect", "the server redirects from https to what is not", status=answer.status
                )
        raise WebError("web_redirect", f"the server redirects more than {MAX_REDIRECTS} times")

    async def connect(self, address: Address) -> Connection:
        """Connect to a host. A connection that comes about in the moment of a cancellation is closed."""
        scheme, host, port = address
        tls = self.tls if scheme == "https" else None
        opening = asyncio.ensure_future(asyncio.open_connection(host, port, ssl=tls, limit=MAX_HEAD))
        try:
            await asyncio.wait({opening}, timeout=self.connect_timeout)
            if not opening.done():
                raise TimeoutError(f"no connection to {host} within {self.connect_timeout} seconds")
        except BaseException:
            await end_tasks([opening])
            if not opening.cancelled() and opening.exception() is None:
                opening.result()[1].transport.abort()
            raise
        reader, writer = opening.result()
        return Connection(reader, writer, self.timeout)


DEFAULT = StreamEngine()
fetch = DEFAULT.fetch
stream = DEFAULT.stream
