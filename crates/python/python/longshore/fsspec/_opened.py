"""Files that were opened: read here and there, or written and seen once they are closed."""

from __future__ import annotations

import contextlib
import io
import tempfile
from abc import abstractmethod
from collections.abc import Callable
from typing import IO, Any

from fsspec.spec import AbstractBufferedFile

from longshore._longshore import Feed, Pending
from longshore.exceptions import LongshoreError

__all__ = ["Begin", "Compressed", "Reading", "Text", "Writing"]

CHUNK = 1024 * 1024

Begin = Callable[[tuple[Any, ...]], Pending]
"""Begins to write what a source has; what it gives is the end of that."""


class Reading(AbstractBufferedFile):
    """A file that is read here and there, a range at a time and what fsspec's cache has before.

    All of it is of what stood there when it was opened.
    """

    def __init__(self, fs: Any, path: str, told: dict[str, Any], **options: Any) -> None:
        self.details = told
        # A file that comes from another process says its size, which may be another one now.
        super().__init__(fs, path, "rb", **{**options, "size": told["size"]})

    def _fetch_range(self, start: int, end: int) -> bytes:
        found: bytes = self.fs._fetch(self.details, start, end)
        return found


class _Whole(io.IOBase):
    """What an exception that leaves its `with` ends without a trace."""

    @abstractmethod
    def discard(self) -> None:
        """Leave what stood there before."""

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if kind is not None:
            self.discard()
        self.close()


class Writing(_Whole, io.BufferedIOBase):
    """A file in the making: it is there once it is closed, and never where an exception left its `with`.

    What is no longer than a chunk goes at once in the end. Of more, two chunks wait in memory at most where it
    `streams`; else all waits in a nameless file of this machine, as long as its writer likes.
    """

    def __init__(self, begin: Begin, told: Callable[[], Any], *, commits: bool, streams: bool) -> None:
        """Take what begins the write, a context for its errors, and whether closing is what makes it seen."""
        self._begin, self._told, self._commits = begin, told, commits
        self._streams = streams
        self._spool: IO[bytes] | None = None
        self._feed: Feed | None = None
        self._writing: Pending | None = None
        self._gathered = bytearray()
        self._size = 0
        self._is_over = False

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any) -> int:
        if self.closed:
            message = "the file is closed"
            raise ValueError(message)
        before = len(self._gathered)
        self._gathered += data
        added = len(self._gathered) - before
        self._size += added
        if self._is_over:
            self._gathered.clear()
        elif len(self._gathered) >= CHUNK:
            self._send()
        return added

    def _send(self) -> None:
        piece, self._gathered = bytes(self._gathered), bytearray()
        if not self._streams:
            if self._spool is None:
                self._spool = tempfile.TemporaryFile()  # noqa: SIM115 (until it is closed)
            self._spool.write(piece)
            return
        if self._feed is None:
            feed = Feed()
            self._writing, self._feed = self._begin(("feed", feed)).start(), feed
        if not self._feed.put(piece).wait():
            # The write has ended early: this tells why.
            self._is_over = True
            self._end()

    def _end(self) -> None:
        writing, self._writing, self._feed = self._writing, None, None
        if writing is not None:
            with self._told():
                writing.wait()

    def commit(self) -> None:
        """Make it seen."""
        if self._is_over:
            return
        self._is_over = True
        piece, self._gathered = bytes(self._gathered), bytearray()
        if self._spool is not None:
            with self._told(), self._spool as spool:
                spool.write(piece)
                spool.flush()
                self._begin(("file", spool.fileno(), 0)).wait()
            return
        if self._feed is None:
            with self._told():
                self._begin(("bytes", piece)).wait()
            return
        if not piece or self._feed.put(piece).wait():
            self._feed.end()
        self._end()

    def discard(self) -> None:
        """Leave what stood there before."""
        self._is_over = True
        self._gathered.clear()
        if self._spool is not None:
            self._spool.close()
        if self._feed is not None:
            self._feed.fail("it was given up").wait()
            # It ends because of that; what it says of it is of no interest.
            with contextlib.suppress(LongshoreError, OSError):
                self._end()

    def close(self) -> None:
        if self.closed:
            return
        try:
            if self._commits:
                self.commit()
        finally:
            super().close()

    def __del__(self) -> None:
        # Whoever has forgotten it has not said that it is whole. In a transaction, closing is not the end of it.
        if not getattr(self, "_is_over", True):
            self.discard()
        super().close()


class Compressed(_Whole, io.BufferedIOBase):
    """A file in the making that is compressed on its way."""

    def __init__(self, file: Writing, codec: Any) -> None:
        """Take the file, and what compresses into it."""
        self._file, self._codec = file, codec

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        found: int = self._codec.tell()
        return found

    def write(self, data: Any) -> int:
        written: int = self._codec.write(data)
        return written

    def discard(self) -> None:
        """Leave what stood there before."""
        self._file.discard()

    def close(self) -> None:
        if self.closed:
            return
        try:
            self._codec.close()
            self._file.close()
        except BaseException:
            self._file.discard()
            raise
        finally:
            super().close()


class Text(_Whole, io.TextIOWrapper):
    """A file in the making that is written as text."""

    def discard(self) -> None:
        """Leave what stood there before."""
        found: Any = self.buffer
        found.discard()
