"""The rows of a table, and the URL that each of them makes."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

PLACEHOLDER = re.compile(r'\{([^{}"\n]*[^{}"\s][^{}"\n]*)\}')


class RowError(Exception):
    """The row itself is at fault: it cannot be read, makes no URL, or has the key of an earlier one."""

    code = "local_row"
    is_retryable = False


@dataclass(frozen=True)
class Row:
    """A row of a table: its key, its columns, and what is wrong with it, if anything."""

    key: str
    columns: dict[str, str]
    fault: str | None = None


class Rows:
    """A table with a header. A row that cannot be read is one with a `fault`, and those after it are read."""

    def __init__(self, lines: Iterable[str], delimiter: str, key: str | None) -> None:
        """Read the header.

        Raises:
            ValueError: There is none, it has a name twice, or it lacks the column `key`.

        """
        self._reader = csv.reader(lines, delimiter=delimiter, strict=True)
        try:
            self.header = next(self._reader, [])
        except csv.Error as error:
            raise ValueError(f"the header cannot be read: {error}") from None
        if self.header:
            self.header[0] = self.header[0].removeprefix("\ufeff")
        if not self.header or len(set(self.header)) < len(self.header):
            raise ValueError(
                f"the table needs a header of different names, and has {', '.join(self.header) or 'none'}"
            )
        if key is not None and key not in self.header:
            raise ValueError(f"the table has no column {key!r}, but {', '.join(self.header)}")
        self._key = key

    def identity(self, columns: Mapping[str, str]) -> bytes:
        """Return what tells a row from others in another run: a digest of its key, or of all its columns."""
        named = (
            [columns[self._key]] if self._key is not None else [columns[name] for name in sorted(self.header)]
        )
        return hashlib.blake2b(json.dumps(named).encode(), digest_size=16).digest()

    def __iter__(self) -> Iterator[Row]:
        """Read the rows."""
        number = 0
        seen: set[bytes] = set()
        while True:
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                number += 1
                yield Row(str(number), {}, f"the row cannot be read: {error}")
                continue
            if not cells:
                continue  # a blank line is no row
            number += 1
            columns = dict(zip(self.header, cells, strict=False))
            if len(cells) != len(self.header):
                yield Row(
                    str(number), columns, f"the row has {len(cells)} cells, and the header {len(self.header)}"
                )
                continue
            key, fault = str(number), None
            if self._key is not None:
                key, mark = columns[self._key], self.identity(columns)
                fault = "an earlier row has the same key" if mark in seen else None
                seen.add(mark)
            yield Row(key, columns, fault)


@contextlib.contextmanager
def open_table(
    source: str | os.PathLike[str] | IO[str] | IO[bytes] | Iterable[str], delimiter: str, key: str | None
) -> Iterator[Rows]:
    """Open a table: a path, a file of text or bytes, which is not closed, or lines. Files are read as
    UTF-8.
    """
    if isinstance(source, (str, os.PathLike)):
        with Path(source).open(encoding="utf-8-sig", newline="") as file:
            yield Rows(file, delimiter, key)
    elif isinstance(source, (io.RawIOBase, io.BufferedIOBase)):
        text = io.TextIOWrapper(source, encoding="utf-8-sig", newline="")
        try:
            yield Rows(text, delimiter, key)
        finally:
            text.detach()
    else:
        yield Rows(_text(source), delimiter, key)


def _text(lines: Iterable[str] | Iterable[bytes]) -> Iterator[str]:
    for line in lines:
        yield line.decode() if isinstance(line, bytes) else line


class UrlTemplate:
    """A URL with `{column}` in its path and query. No row can choose the host, or another path than the
    template's.
    """

    def __init__(self, template: str, columns: Iterable[str]) -> None:
        """Check the template against a table's columns.

        Raises:
            ValueError: It is no URL of http or https, a column is missing, or a column would choose the host.

        """
        known = list(columns)
        for name in PLACEHOLDER.findall(template):
            if name not in known:
                raise ValueError(f"the table has no column {name!r}, but {', '.join(known)}")
        one, other = (urlsplit(PLACEHOLDER.sub(sample, template)) for sample in ("x", "yy"))
        if one.scheme not in ("http", "https") or not one.hostname:
            raise ValueError("the template is no URL of http or https")
        if (one.scheme, one.netloc) != (other.scheme, other.netloc):
            raise ValueError("a column chooses the host: columns may stand in the path and the query")
        if _climbs(PLACEHOLDER.sub("x", template)):
            raise ValueError("the path of the template has a segment of dots")
        self._template = template.partition("#")[0]

    def fill(self, columns: Mapping[str, str]) -> str:
        """Put a row's values in, percent-encoded: each is never more than one segment of the path or value of
        the query.

        Raises:
            RowError: A value makes a segment of dots, or cannot be encoded.

        """
        try:
            url = PLACEHOLDER.sub(lambda match: quote(columns[match[1]], safe=""), self._template)
        except UnicodeEncodeError:
            raise RowError("a value is no Unicode text") from None
        if _climbs(url):
            raise RowError("a value makes a path segment of dots, which would lead elsewhere")
        return url


def _climbs(url: str) -> bool:
    """Tell whether a path has a segment that readers of URLs take for "here" or "above"."""
    path = re.split("[?#]", url, maxsplit=1)[0]
    return any(re.sub("%2e", ".", part, flags=re.IGNORECASE) in (".", "..") for part in path.split("/"))
