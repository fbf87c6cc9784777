"""What content may come from, as callers say it and as Rust reads it."""

from __future__ import annotations

import inspect
import io
import os
import stat
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Protocol, Union

__all__ = ["Chunks", "FileStream", "Reading", "as_bytes", "reading"]

CHUNK = 512 * 1024

Chunks = Union[Iterable[Any], AsyncIterable[Any]]
"""Bytes, piece by piece."""


class Reads(Protocol):
    """Anything with a `read` that gives bytes, and none at its end."""

    def read(self, size: int = -1, /) -> Any:
        """Return up to so many bytes, or an awaitable of them."""


FileStream = Union[bytes, bytearray, memoryview, Reads, Iterable[bytes], AsyncIterable[bytes]]
"""An open binary file, anything with `read`, bytes, or an iterator of bytes, also an asynchronous one."""


class Reading:
    """A source as Rust takes it, or the chunks that are to be fed to it; and what is done at the end."""

    def __init__(
        self,
        source: tuple[Any, ...] | None,
        chunks: Chunks | None = None,
        done: Callable[[], Any] | None = None,
    ) -> None:
        """Take one of the two."""
        self.source, self.chunks, self.done = source, chunks, done


def reading(file_stream: Any, path: Any, data: Any) -> Reading:
    """Return how one of the three is read; exactly one must be given."""
    given = [
        name
        for name, value in (("file_stream", file_stream), ("path", path), ("data", data))
        if value is not None
    ]
    if len(given) != 1:
        message = f"give one of file_stream, path and data, not {' and '.join(given) or 'none'}"
        raise TypeError(message)
    if path is not None:
        return Reading(("path", os.fsdecode(path)))
    if data is not None:
        if isinstance(data, str):
            message = "data is bytes; encode the text, or give a file's path as path="
            raise TypeError(message)
        return Reading(("bytes", data if isinstance(data, bytes) else bytes(data)))
    return _stream(file_stream)


def _stream(given: Any) -> Reading:
    if isinstance(given, (bytes, bytearray, memoryview)):
        return Reading(("bytes", bytes(given)))
    if isinstance(given, (str, os.PathLike)):
        message = "file_stream is an open file; give a path as path="
        raise TypeError(message)
    if isinstance(given, io.TextIOBase):
        message = "the file is open as text: open it with 'rb'"
        raise TypeError(message)
    if isinstance(given, io.BytesIO):
        position = given.tell()
        value = given.getvalue()
        return Reading(
            ("bytes", value[position:] if position else value), done=lambda: given.seek(0, io.SEEK_END)
        )
    if (file := _regular(given)) is not None:
        return Reading(("file", *file), done=lambda: given.seek(0, io.SEEK_END))
    if hasattr(given, "read") and _reads_in_parts(given):
        return Reading(None, _read_all(given))
    if isinstance(given, (AsyncIterable, Iterable)):
        return Reading(None, given)
    message = f"{type(given).__name__} is no file, no bytes and no iterator of bytes"
    raise TypeError(message)


def _reads_in_parts(given: Any) -> bool:
    """Tell whether `read` takes a size; that of content which is iterated over, as a store reads it, does not."""
    read = given.read
    if not isinstance(given, (AsyncIterable, Iterable)):
        return True
    try:
        inspect.signature(read).bind(CHUNK)
    except TypeError:
        return False
    except ValueError:
        # It is written in C, and does not tell.
        return True
    return True


def _regular(given: Any) -> tuple[int, int] | None:
    """Return the descriptor and the place of a regular file, which Rust reads by itself."""
    if not isinstance(given, (io.RawIOBase, io.BufferedIOBase)):
        return None
    try:
        descriptor = given.fileno()
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        return descriptor, given.tell()
    except (OSError, ValueError, AttributeError):
        if getattr(given, "closed", False):
            raise
        return None


def _read_all(file: Any) -> Chunks:
    first = file.read(CHUNK)
    if hasattr(first, "__await__"):
        return _read_async(file, first)
    return _read_sync(file, first)


def as_bytes(chunk: Any) -> bytes:
    """Return a piece of content as bytes; nothing else is taken for some."""
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, (bytearray, memoryview)):
        return bytes(chunk)
    message = f"content comes as bytes, not as {type(chunk).__name__}"
    raise TypeError(message)


def _bytes(chunk: Any) -> Any:
    if isinstance(chunk, str):
        message = "read() gave text: open the file with 'rb'"
        raise TypeError(message)
    return chunk


def _read_sync(file: Any, chunk: Any) -> Iterator[Any]:
    while _bytes(chunk):
        yield chunk
        chunk = file.read(CHUNK)


async def _read_async(file: Any, first: Any) -> AsyncIterator[Any]:
    chunk = await first
    while _bytes(chunk):
        yield chunk
        chunk = await file.read(CHUNK)
