"""What the file systems of workspaces and of stores have in common."""

from __future__ import annotations

import errno
import os
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from glob import has_magic
from typing import Any, Literal

from fsspec.asyn import AsyncFileSystem, _run_coros_in_chunks, sync_wrapper
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.compression import compr
from fsspec.core import get_compression

from longshore.exceptions import AlreadyExistsError, LongshoreError, NotFoundError, PermissionDeniedError
from longshore.fsspec._opened import Begin, Compressed, Reading, Text, Writing

__all__ = ["LongshoreFileSystem", "Mode", "Told", "a_folder", "naming"]

Told = dict[str, Any]
"""What fsspec is told of a file or a folder: `name`, `type`, `size` in bytes, `mtime`, …"""

Mode = Literal["overwrite", "create"]

# What fsspec itself takes, of any file system.
_OF_FSSPEC = {"asynchronous", "loop", "batch_size"}
_OF_FSSPEC |= {"use_listings_cache", "listings_expiry_time", "max_paths"}

_BY_CODE: dict[str, tuple[type[OSError], int]] = {
    "not_a_folder": (NotADirectoryError, errno.ENOTDIR),
    "not_a_file": (IsADirectoryError, errno.EISDIR),
    "root_refused": (PermissionError, errno.EPERM),
    "into_itself": (OSError, errno.EINVAL),
}
_ERRNO: tuple[tuple[type[LongshoreError], int], ...] = (
    (NotFoundError, errno.ENOENT),
    (AlreadyExistsError, errno.EEXIST),
    (PermissionDeniedError, errno.EACCES),
)


@contextmanager
def naming(path: str) -> Iterator[None]:
    """See that errors are of the kinds that Python people expect of files, with `errno` and `filename`."""
    try:
        yield
    except LongshoreError as error:
        if error.code in _BY_CODE:
            kind, number = _BY_CODE[error.code]
            raise kind(number, error.message, path) from error
        for known, number in _ERRNO:
            if isinstance(error, known) and isinstance(error, OSError) and error.errno is None:
                error.errno, error.strerror, error.filename = number, error.message, path
        raise


def a_folder(path: str) -> IsADirectoryError:
    """Return the error that a folder is where a file is needed."""
    return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)


class LongshoreFileSystem(AsyncFileSystem):
    """Files as fsspec has them. A written file is there once it is closed, in place of an older one."""

    root_marker = ""
    # Whether a file's bytes leave while it is written; else they wait until it is closed.
    _streams = True
    # Of the options, those that may have secrets in them.
    _secret: tuple[str, ...] = ()

    def __init__(self, **fsspec_options: Any) -> None:
        """Take fsspec's own options; another one is a typing mistake."""
        if unknown := sorted(set(fsspec_options) - _OF_FSSPEC):
            message = f"{self.protocol}:// has no option {', '.join(unknown)}"
            raise TypeError(message)
        super().__init__(**fsspec_options)

    @property
    def loop(self) -> Any:
        """The loop that the blocking verbs run in, in a thread of fsspec's."""
        if self._pid != os.getpid():
            message = (
                "the file system was made before this process was forked, and does not work in the child: "
                "use the `spawn` or `forkserver` start method of multiprocessing"
            )
            raise RuntimeError(message)
        return self._loop

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        stripped = super()._strip_protocol(path)
        return stripped if isinstance(stripped, list) else stripped.lstrip("/")

    def to_dict(self, *, include_password: bool = True) -> dict[str, Any]:
        """Return what makes the same file system again; `include_password`: with its secrets."""
        said: dict[str, Any] = super().to_dict(include_password=include_password)
        return said if include_password else {name: said[name] for name in said if name not in self._secret}

    @abstractmethod
    async def _stat(self, path: str) -> Told:
        """Return what stands there; FileNotFoundError where nothing does."""

    @abstractmethod
    async def _entries(self, path: str, depth: int | None, folders: bool) -> list[Told]:
        """Return what lies in a folder, so many levels deep (1: in it) or all, perhaps without folders."""

    @abstractmethod
    async def _bytes(self, path: str, start: int | None, end: int | None) -> bytes:
        """Return a file's bytes from `start` up to `end`, neither negative; what lies behind its end is left out."""

    @abstractmethod
    async def _download(self, path: str, local: str, callback: Any) -> None:
        """Make a local file of a file, which is there once it is whole; tell the callback of bytes."""

    @abstractmethod
    def _fetch(self, told: Told, start: int, end: int) -> bytes:
        """Wait in this thread for bytes of a file as it was told of."""

    @abstractmethod
    def _begin(self, path: str, replace: bool) -> Begin:
        """Return what writes a file, waited for in this thread."""

    @abstractmethod
    async def _remove(self, path: str, recursive: bool) -> None:
        """Delete a file, or with `recursive` a folder and all in it; IsADirectoryError of another one."""

    @abstractmethod
    async def _rename(self, source: str, target: str) -> bool:
        """Move in one act, and not over a folder; False where the storage has no such act for these two."""

    @abstractmethod
    async def _copy_one(self, source: str, target: str) -> None:
        """Copy a file, over another one or not; IsADirectoryError of a folder."""

    async def _info(self, path: str, **_: Any) -> Told:
        return await self._stat(self._strip_protocol(path))

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        told = await self._stat(path)
        found = [told] if told["type"] == "file" else await self._entries(path, 1, folders=True)
        found.sort(key=lambda told: str(told["name"]))
        return found if detail else [told["name"] for told in found]

    async def _find(
        self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **_: Any
    ) -> Any:
        path = self._strip_protocol(path)
        if maxdepth is not None and maxdepth < 1:
            message = "maxdepth must be at least 1"
            raise ValueError(message)
        try:
            told = await self._stat(path)
            if told["type"] == "file":
                found = [told]
            else:
                found = await self._entries(path, maxdepth, folders=withdirs)
                found += [told] if withdirs and path else []
        except (FileNotFoundError, NotADirectoryError):
            found = []
        by_name = {told["name"]: told for told in sorted(found, key=lambda told: str(told["name"]))}
        return by_name if detail else list(by_name)

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        path = self._strip_protocol(path)
        if (start or 0) < 0 or (end or 0) < 0:
            start, end, _step = slice(start, end).indices((await self._file(path))["size"])
        if end is not None and end <= (start or 0):
            await self._file(path)
            return b""
        return await self._bytes(path, start, end)

    async def _file(self, path: str) -> Told:
        told = await self._stat(path)
        if told["type"] != "file":
            raise a_folder(path)
        return told

    async def _get_file(self, rpath: str, lpath: str, callback: Any = DEFAULT_CALLBACK, **_: Any) -> None:
        path = self._strip_protocol(rpath)
        told = await self._stat(path)
        if told["type"] == "file":
            callback.set_size(told["size"])
            await self._download(path, lpath, callback)
        else:
            os.makedirs(lpath, exist_ok=True)

    async def _rm(
        self,
        path: Any,
        recursive: bool = False,
        batch_size: int | None = None,
        maxdepth: int | None = None,
        **_: Any,
    ) -> None:
        if maxdepth is not None:
            message = "a folder is removed with all in it, and not to a maxdepth"
            raise NotImplementedError(message)
        found = await self._expand_path(path)
        wanted = set(found)
        # A folder takes what is in it along.
        highest = [one for one in found if not (recursive and _folders_of(one) & wanted)]
        await _run_coros_in_chunks(
            [self._remove(one, recursive) for one in highest], batch_size=batch_size or self.batch_size
        )

    async def _rm_file(self, path: str, **_: Any) -> None:
        await self._remove(self._strip_protocol(path), recursive=False)

    async def _cp_file(self, path1: str, path2: str, **_: Any) -> None:
        source, target = self._strip_protocol(path1), self._strip_protocol(path2)
        try:
            if source != target:
                await self._copy_one(source, target)
        except IsADirectoryError:
            if (await self._stat(source))["type"] == "file":
                raise
            await self._makedirs(target, exist_ok=True)

    async def _mv(self, path1: Any, path2: Any, recursive: bool = False, **options: Any) -> None:
        if isinstance(path1, str) and isinstance(path2, str) and not has_magic(path1) and not options:
            source, target = self._strip_protocol(path1), self._strip_protocol(path2)
            if source == target:
                await self._stat(source)
                return
            if path2.endswith("/") or await self._isdir(target):
                target = "/".join(part for part in (target, source.rpartition("/")[2]) if part)
            if await self._rename(source, target):
                return
        await self._copy(path1, path2, recursive=recursive, on_error="raise", **options)
        await self._rm(path1, recursive=recursive)

    # fsspec has no asynchronous ones of these.
    mv = sync_wrapper(_mv)

    def touch(self, path: str, truncate: bool = True, **_: Any) -> None:
        """Make an empty file; with `truncate` also in place of another."""
        if truncate or not self.exists(path):
            self.pipe_file(path, b"")

    def created(self, path: str) -> Any:
        """Return when a file was made, in UTC; where that is not known, when it was last written."""
        told = self.info(path)
        return told.get("created", told.get("mtime"))

    def modified(self, path: str) -> Any:
        """Return when a file was last written, in UTC; None of a folder of a store."""
        return self.info(path).get("mtime")

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: Any = None,
        compression: str | None = None,
        **options: Any,
    ) -> Any:
        """Open a file to read it (`r`), to write it (`w`), or to write one that is not there (`x`)."""
        if "r" in mode or ("b" in mode and compression is None):
            return super().open(path, mode, block_size, cache_options, compression, **options)
        text = {name: options.pop(name) for name in ("encoding", "errors", "newline") if name in options}
        file: Any = super().open(path, mode.replace("t", "").replace("b", "") + "b", **options)
        if compression is not None:
            file = Compressed(file, compr[get_compression(path, compression)](file, mode="w"))
        return file if "b" in mode else Text(file, **text)

    def _open(self, path: str, mode: str = "rb", autocommit: bool = True, **options: Any) -> Any:
        path = self._strip_protocol(path)
        if mode in ("wb", "xb"):
            if mode == "xb" and self.exists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            begin = self._begin(path, mode == "wb")
            return Writing(begin, lambda: naming(path), commits=autocommit, streams=self._streams)
        if mode != "rb":
            message = f"a file is not opened as {mode!r}: there are rb, wb and xb"
            raise ValueError(message)
        told = self.info(path)
        if told["type"] != "file":
            raise a_folder(path)
        return Reading(self, path, told, **options)


def _folders_of(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[:place]) for place in range(1, len(parts))}
