"""The keys of items that are done, in a file of JSON lines that only grows.

The first line names the pipeline, `{"longshore_pipeline": 1, "name": …}`, each other line is `{"key": …}`. A
line counts when its end is there: what a killed process wrote half is cut off by the next.

What reaches the disk, and when: keys are written in groups and each group is flushed to the disk (fsync)
before the next is begun; a group is 64 keys, or what there is a second after the group before, looked at
whenever a key is added; the rest comes at the end. A process that is killed, or a machine that loses power,
repeats what came after the last group.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .tasks import open_blocking, run_blocking

if TYPE_CHECKING:
    from .tasks import Clock


class CheckpointError(RuntimeError):
    """A checkpoint cannot be used: it is that of another pipeline or no checkpoint, or another run has it
    open.
    """


class Checkpoint:
    """Where a pipeline writes down what is done. Keys of earlier runs are in memory while it is open."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        items: int = 64,
        pause: float = 1.0,
        clock: Clock = time.monotonic,
    ) -> None:
        """Name the file, which is made where there is none.

        A group is written when it has `items` keys, or `pause` seconds after the last one.
        """
        self.path = Path(path)
        self.done: frozenset[str] = frozenset()
        self._items, self._pause, self._clock = max(items, 1), pause, clock
        self._file: BinaryIO | None = None
        self._lines: list[bytes] = []
        self._written = 0.0

    async def open(self, pipeline: str) -> None:
        """Read the file of the pipeline of this name, and keep it for this run.

        Raises:
            CheckpointError: It is another pipeline's, or in use; it is left as it was.
            OSError: It cannot be read or written.

        """
        opened = await open_blocking(_Opened, self.path, pipeline)
        self._file, self.done = opened.file, frozenset(opened.done)
        self._written = self._clock()

    async def add(self, key: str) -> None:
        """Note that an item is done; this may write a group."""
        self._lines.append(_line({"key": key}))
        if len(self._lines) >= self._items or self._clock() - self._written >= self._pause:
            await self._flush()

    async def close(self) -> None:
        """Write what is left, and free the file for another run."""
        try:
            await self._flush()
        finally:
            file, self._file = self._file, None
            if file is not None:
                file.close()

    async def _flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines and self._file is not None:
            await run_blocking(_write, self._file, b"".join(lines))
            self._written = self._clock()


def _line(content: dict[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _write(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


class _Opened:
    """A checkpoint in use: its file, at the end of its last whole line, and the keys that it had."""

    def __init__(self, path: Path, pipeline: str) -> None:
        self.done: set[str] = set()
        self.file = os.fdopen(
            os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666), "r+b"
        )
        try:
            _lock(self.file, path)
            self._read(path, pipeline)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.file.close()

    def _read(self, path: Path, pipeline: str) -> None:
        header = _line({"longshore_pipeline": 1, "name": pipeline})
        # No further than the header goes, for the first line of another file may be all of it.
        first = self.file.readline(len(header))
        if first != header:
            # A process may have been killed before it had written the whole header.
            if not header.startswith(first):
                raise CheckpointError(f"{path} is no checkpoint of the pipeline {pipeline!r}")
            self.file.seek(0)
            self.file.truncate()
            _write(self.file, header)
            return
        whole = len(header)
        for line in self.file:
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            try:
                self.done.add(json.loads(line)["key"])
            except (ValueError, KeyError, TypeError):
                continue  # what a disk made of a lost page is the key of nothing
        self.file.seek(whole)
        self.file.truncate()


def _lock(file: BinaryIO, path: Path) -> None:
    if sys.platform == "win32":
        return  # there, locks would keep others from reading too
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CheckpointError(f"the checkpoint {path} is in use by another run") from None
