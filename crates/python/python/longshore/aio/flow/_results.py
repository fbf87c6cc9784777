"""The output of an enrichment: a file of JSON lines that is its own checkpoint."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._rows import Rows


class EnrichError(ValueError):
    """The output cannot be used: it is of another question, in use by another run, or a file of something
    else.
    """


def merge(columns: dict[str, str], answer: object) -> dict[str, Any]:
    """Return a row's columns and the answer's fields; no column is ever changed.

    The fields of an answer that is a JSON object stand beside the columns, and any other answer is one field,
    `answer`. A field that has the name of a column is put under `answer.<name>`, and where that is taken too
    under `answer.answer.<name>`, and so on.
    """
    fields: dict[str, Any] = answer if isinstance(answer, dict) else {"answer": answer}
    merged: dict[str, Any] = {
        **columns,
        **{name: value for name, value in fields.items() if name not in columns},
    }
    for name in fields:
        if name not in columns:
            continue
        free = f"answer.{name}"
        while free in merged:
            free = f"answer.{free}"
        merged[free] = fields[name]
    return merged


def read_answer(body: bytes) -> object:
    """Read an answer's body: JSON, else text, or `None` where there is nothing."""
    if not body:
        return None
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


class Results:
    """An output that lines are added to, each whole or not at all; one that a kill has torn is cut off at the
    next start.
    """

    def __init__(self, path: Path, rows: Rows, question: str) -> None:
        """Open the output, read which rows have a line, and keep it for this run; this blocks.

        Raises:
            EnrichError: It cannot be used; nothing in it is touched.
            OSError: It cannot be read or written.

        """
        self.found: Counter[bytes] = Counter()
        """How many lines there are of each row, by `Rows.identity`."""
        self._path, self._rows = path, rows
        self._file = os.open(
            path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0), 0o666
        )
        try:
            self._lock()
            self._check_question(question)
            self._read()
        except BaseException:
            os.close(self._file)
            raise

    def take(self, columns: dict[str, str]) -> bool:
        """Tell whether a row has a line, and count that as used: of two rows that are alike each needs
        one.
        """
        identity = self._rows.identity(columns)
        if not self.found[identity]:
            return False
        self.found[identity] -= 1
        return True

    def add(self, line: dict[str, Any]) -> None:
        """Write a line; it is with the system when this returns, and so outlives a kill."""
        write_line(self._file, line)

    def close(self) -> None:
        """Flush the file to the disk, and free it for another run; this blocks."""
        try:
            os.fsync(self._file)
        finally:
            os.close(self._file)

    def _lock(self) -> None:
        if sys.platform == "win32":
            return  # there, locks would keep others from reading too
        import fcntl

        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EnrichError(f"{self._path} is in use by another run") from None

    def _check_question(self, question: str) -> None:
        # A digest, for the template may hold secrets.
        mine = {"longshore_enrich": 1, "question": hashlib.sha256(question.encode()).hexdigest()}
        path = Path(f"{self._path}.checkpoint")
        try:
            known = json.loads(path.read_bytes())
        except (FileNotFoundError, ValueError):
            known = None
        if known is None or os.fstat(self._file).st_size == 0:
            self._mine: bytes | None = json.dumps(mine).encode()
        elif known == mine:
            self._mine = None
        else:
            raise EnrichError(f"{self._path} has the answers of another URL or key; name another output")

    def _read(self) -> None:
        whole = 0
        with os.fdopen(os.dup(self._file), "rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                columns = self._columns(line)
                if columns is None:
                    raise EnrichError(
                        f"{self._path} has lines that are of no such table; name another output"
                    )
                self.found[self._rows.identity(columns)] += 1
        if self._mine is not None:
            Path(f"{self._path}.checkpoint").write_bytes(self._mine)
        os.ftruncate(self._file, whole)
        os.lseek(self._file, whole, os.SEEK_SET)

    def _columns(self, line: bytes) -> dict[str, str] | None:
        try:
            content = json.loads(line)
        except (ValueError, RecursionError):
            return None
        if not isinstance(content, dict):
            return None
        columns = {name: value for name, value in content.items() if isinstance(value, str)}
        return columns if columns.keys() >= set(self._rows.header) else None


def write_line(file: int, content: dict[str, Any]) -> None:
    """Write one line of JSON to a descriptor, in ASCII, so that no reader finds a line's end within it."""
    rest = memoryview(json.dumps(content, separators=(",", ":")).encode() + b"\n")
    while rest:
        rest = rest[os.write(file, rest) :]
