"""What comes bit by bit: listings, bytes, outcomes. Written by generate.py from its twin in aio: do not edit."""

from __future__ import annotations

from collections.abc import Iterator, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from longshore._run import run

if TYPE_CHECKING:
    from typing_extensions import Self

    from longshore._longshore import Pending, Stream

__all__ = ["Content", "Listing", "Reading"]

T = TypeVar("T")


class Listing(Generic[T]):
    """Items as they come, page after page. Iterate over it once, or ask for `all`."""

    def __init__(self, stream: Stream, read: Callable[[Any], T]) -> None:
        """Take batches of Rust's, and what reads one item."""
        self._stream, self._read = stream, read
        self._batch: list[Any] = []

    def __iter__(self) -> Iterator[T]:
        """Iterate over the items that are left."""
        return self

    def __next__(self) -> T:
        """Return the next item."""
        if not self._batch:
            batch = run(self._stream.next())
            if batch is None:
                raise StopIteration
            self._batch = batch
            self._batch.reverse()
        return self._read(self._batch.pop())

    def all(self) -> list[T]:
        """Return all items that are left."""
        return [item for item in self]

    def first(self) -> T | None:
        """Return the next item, or None where there is none."""
        for item in self:
            return item
        return None

    def close(self) -> None:
        """Let go of what is under way."""
        run(self._stream.close())


class Reading:
    """Bytes as they come, at most about 1 MiB at a time. What they are of is opened when the first are asked for.

    It ends by itself with the last bytes; who stops before uses it in a `with`, or ends it with `close`.
    """

    def __init__(self, stream: Stream | None) -> None:
        """Take what gives the bytes, unless it is yet to be opened."""
        self._stream = stream

    def _open(self) -> Stream | None:
        return self._stream

    def __iter__(self) -> Iterator[bytes]:
        """Iterate over the bytes that are left."""
        return self

    def __next__(self) -> bytes:
        """Return the next bytes."""
        stream = self._open()
        chunk: bytes | None = None if stream is None else run(stream.next())
        if chunk is None:
            raise StopIteration
        return chunk

    def read(self) -> bytes:
        """Return all bytes that are left."""
        return b"".join([chunk for chunk in self])

    def close(self) -> None:
        """Let go of what is under way."""
        if self._stream is not None:
            run(self._stream.close())

    def __enter__(self) -> Self:
        """Use it for a while."""
        self._open()
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of what is under way."""
        self.close()


class Content(Reading):
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

    def open(self) -> Content:
        """Ask for the content, unless that was done."""
        self._open()
        return self

    def _open(self) -> Stream | None:
        if self._opening is not None:
            opening, self._opening = self._opening, None
            known, self._stream = run(opening)
            self.length, self.version_id = known["length"], known["version_id"]
            self.digest, self.media_type = known["digest"], known["media_type"]
        return self._stream

    def close(self) -> None:
        """End the download."""
        self._opening = None
        super().close()
