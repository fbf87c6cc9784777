"""What comes bit by bit: listings, bytes, outcomes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from longshore.aio._run import run

if TYPE_CHECKING:
    from typing_extensions import Self

    from longshore._longshore import Pending, Stream

__all__ = ["AsyncContent", "AsyncListing", "AsyncReading"]

T = TypeVar("T")


class AsyncListing(Generic[T]):
    """Items as they come, page after page. Iterate over it once, or ask for `all`."""

    def __init__(self, stream: Stream, read: Callable[[Any], T]) -> None:
        """Take batches of Rust's, and what reads one item."""
        self._stream, self._read = stream, read
        self._batch: list[Any] = []

    def __aiter__(self) -> AsyncIterator[T]:
        """Iterate over the items that are left."""
        return self

    async def __anext__(self) -> T:
        """Return the next item."""
        if not self._batch:
            batch = await run(self._stream.next())
            if batch is None:
                raise StopAsyncIteration
            self._batch = batch
            self._batch.reverse()
        return self._read(self._batch.pop())

    async def all(self) -> list[T]:
        """Return all items that are left."""
        return [item async for item in self]

    async def first(self) -> T | None:
        """Return the next item, or None where there is none."""
        async for item in self:
            return item
        return None

    async def aclose(self) -> None:
        """Let go of what is under way."""
        await run(self._stream.close())


class AsyncReading:
    """Bytes as they come, at most about 1 MiB at a time. What they are of is opened when the first are asked for.

    It ends by itself with the last bytes; who stops before uses it in a `with`, or ends it with `aclose`.
    """

    def __init__(self, stream: Stream | None) -> None:
        """Take what gives the bytes, unless it is yet to be opened."""
        self._stream = stream

    async def _open(self) -> Stream | None:
        return self._stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Iterate over the bytes that are left."""
        return self

    async def __anext__(self) -> bytes:
        """Return the next bytes."""
        stream = await self._open()
        chunk: bytes | None = None if stream is None else await run(stream.next())
        if chunk is None:
            raise StopAsyncIteration
        return chunk

    async def read(self) -> bytes:
        """Return all bytes that are left."""
        return b"".join([chunk async for chunk in self])

    async def aclose(self) -> None:
        """Let go of what is under way."""
        if self._stream is not None:
            await run(self._stream.close())

    async def __aenter__(self) -> Self:
        """Use it for a while."""
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go of what is under way."""
        await self.aclose()


class AsyncContent(AsyncReading):
    """A content's bytes as they come: at most about 1 MiB at a time, verified at the end where all of it comes.

    It is opened when the first bytes are asked for, or by `open`, or where it is used in a `with`; what is known of it
    is None until then.

    Attributes:
        length: how many bytes there will be; None where the server did not say.
        version_id: the version the content is of.
        digest: the content's digest; None of a part of it.
        media_type: what kind of content it is.
    """

    def __init__(self, opening: Pending) -> None:
        """Take what opens it."""
        super().__init__(None)
        self._opening: Pending | None = opening
        self.length: int | None = None
        self.version_id: str | None = None
        self.digest: str | None = None
        self.media_type: str | None = None

    async def open(self) -> AsyncContent:
        """Ask for the content, unless that was done."""
        await self._open()
        return self

    async def _open(self) -> Stream | None:
        if self._opening is not None:
            opening, self._opening = self._opening, None
            known, self._stream = await run(opening)
            self.length, self.version_id = known["length"], known["version_id"]
            self.digest, self.media_type = known["digest"], known["media_type"]
        return self._stream

    async def aclose(self) -> None:
        """End the download."""
        self._opening = None
        await super().aclose()
