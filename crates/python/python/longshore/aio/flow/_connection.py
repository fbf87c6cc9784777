"""A connection that one request of HTTP/1.1 is sent on, and how its answer is read."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from .web import WebError, lower_names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

CHUNK = 64 * 1024
"""The most bytes that are handed out at once."""
# What URLs have besides letters and digits; all else is percent-encoded.
IN_URL = "/?:@!$&'()*+,;=-._~%[]"
TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]"
Address = tuple[str, str, int]
"""Scheme, host and port."""


class ReadAnswer:
    """An answer's head, and its body as an iterator; that is no generator, so that nothing is left if it is
    not read.
    """

    def __init__(self, connection: Connection, url: str, status: int, headers: dict[str, str]) -> None:
        self.connection, self.url, self.status, self.headers = connection, url, status, headers
        coding, length = headers.get("transfer-encoding"), headers.get("content-length")
        if coding is not None and coding.lower() != "chunked":
            raise WebError("web_protocol", f"the answer is coded as {coding!r}")
        self.is_chunked = coding is not None
        self.is_first = True
        # How many bytes are still to come, of a piece or of all; none where the end of the connection is that
        # of the body.
        self.left: int | None = 0
        if status not in (204, 304) and not self.is_chunked:
            self.left = None if length is None else _length(length)
        self.is_done = self.left == 0 and not self.is_chunked

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.is_chunked and not self.left and not self.is_done:
            self.left = await self.next_piece()
            self.is_done = not self.left
        if self.is_done:
            raise StopAsyncIteration
        data = await self.connection.read(CHUNK if self.left is None else min(self.left, CHUNK))
        if self.left is None:
            self.is_done = not data
        elif not data:
            raise WebError(
                "web_incomplete", f"the answer broke off {self.left} bytes early", is_retryable=True
            )
        else:
            self.left -= len(data)
            self.is_done = self.left == 0 and not self.is_chunked
        if not data:
            raise StopAsyncIteration
        return data

    async def next_piece(self) -> int:
        """Read the size of the next piece; 0 after the last, when the fields behind it are read too."""
        if not self.is_first and await self.connection.line():
            raise WebError("web_protocol", "a piece of the answer is longer than it says")
        self.is_first = False
        size = (await self.connection.line()).split(b";")[0].strip()
        if not re.fullmatch(b"[0-9a-fA-F]{1,15}", size):
            raise WebError("web_protocol", "the answer has a piece of no size")
        for _ in range(100):
            if int(size, 16) or not await self.connection.line():
                return int(size, 16)
        raise WebError("web_protocol", "the answer has too many fields at its end")


class Connection:
    """A connection that one request is sent on."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout: float) -> None:
        self.reader, self.writer, self.timeout = reader, writer, timeout
        self.is_late = False

    def abort(self) -> None:
        self.writer.transport.abort()

    @contextlib.contextmanager
    def watch(self) -> Iterator[None]:
        """Break the connection if the block takes too long, which needs no task; say why what is in it
        breaks.
        """
        timer = asyncio.get_running_loop().call_later(self.timeout, self.expire)
        try:
            yield
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            if self.is_late:
                raise TimeoutError(f"nothing came for {self.timeout} seconds") from error
            if isinstance(error, EOFError):
                raise WebError("web_incomplete", "the answer broke off", is_retryable=True) from error
            if isinstance(error, asyncio.LimitOverrunError):
                raise WebError("web_protocol", "the answer has a head or a line that is too long") from error
            raise
        finally:
            timer.cancel()

    def expire(self) -> None:
        self.is_late = True
        self.abort()

    async def request(self, url: str, host: str, target: str, headers: Mapping[str, str]) -> ReadAnswer:
        fields = {
            "host": host,
            "user-agent": "longshore-python",
            "accept": "*/*",
            "accept-encoding": "identity",
        }
        fields |= lower_names(headers) | {"connection": "close"}
        for name, value in fields.items():
            if not re.fullmatch(f"{TOKEN}+", name) or not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value):
                raise ValueError(f"the header {name!r} cannot be sent")
        head = f"GET {target} HTTP/1.1\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in fields.items()
        )
        with self.watch():
            self.writer.write(f"{head}\r\n".encode("latin-1"))
            await self.writer.drain()
        while True:
            with self.watch():
                status, answered = parse_head(await self.reader.readuntil(b"\r\n\r\n"))
            if status >= 200:
                return ReadAnswer(self, url, status, answered)

    async def read(self, most: int) -> bytes:
        with self.watch():
            data = await self.reader.read(most)
            if not data and self.is_late:
                raise EOFError
            return data

    async def line(self) -> bytes:
        with self.watch():
            return (await self.reader.readuntil(b"\r\n"))[:-2]


def _length(field: str) -> int:
    # More than one field, and all alike, is one.
    lengths = {part.strip() for part in field.split(",")}
    if len(lengths) != 1 or not re.fullmatch("[0-9]{1,18}", min(lengths)):
        raise WebError("web_protocol", f"the answer has the length {field!r}")
    return int(min(lengths))


def parse(url: str) -> tuple[Address, str, str]:
    """Return whom to connect to, what `Host` says, and the target of a URL; a `WebError` where it is none."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("ascii" if ":" in (parts.hostname or "") else "idna").decode()
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        if not host or "@" in parts.netloc or re.search(r"[\x00-\x20\x7f]", url):
            raise ValueError
    except (ValueError, KeyError):
        raise WebError("web_url", "that is no URL of http or https, or it has a password in it") from None
    target = quote(parts.path or "/", safe=IN_URL) + (
        f"?{quote(parts.query, safe=IN_URL)}" if parts.query else ""
    )
    shown = f"[{host}]" if ":" in host else host
    return (parts.scheme, host, port), shown if parts.port is None else f"{shown}:{port}", target


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Return the status and the fields of an answer's head; a `WebError` where it is none."""
    first, *lines = head.decode("latin-1")[:-4].split("\r\n")
    status = re.fullmatch(r"HTTP/1\.[01] ([1-9][0-9]{2})( .*)?", first)
    if status is None:
        raise WebError("web_protocol", "the answer is no HTTP/1.1")
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(f"{TOKEN}+", name):
            raise WebError("web_protocol", "the answer has a field without a name")
        name, value = name.lower(), value.strip(" \t")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return int(status[1]), fields
