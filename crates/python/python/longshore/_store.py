"""A store of files: one API over memory, a folder, and storages behind a network. Written by generate.py from its twin in aio: do not edit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from longshore._longshore import Feed
from longshore._longshore import Store as Core
from longshore._sources import FileStream, reading
from longshore._run import IN_LOOP, feed, run
from longshore._streams import Listing, Reading
from longshore.backends import Backend, UrlBackend
from longshore.exceptions import ClosedError
from longshore.store_models import (
    Capability,
    CapabilitySet,
    FileInfo,
    FolderEntry,
    FolderInfo,
    WriteResult,
    _entry,
)

__all__ = ["Store"]

UTF_8 = "utf-8"


class _Life:
    """Whether a store and its children are open."""

    __slots__ = ("is_closed",)

    def __init__(self) -> None:
        self.is_closed = False


class Store:
    r"""A folder of a storage, as a store of files.

    A path is relative to the store's root, its segments parted by `/`. `\` counts as `/`; empty and `.` segments are
    dropped; a `..` segment or a NUL is `InvalidPath`. A file is seen as a whole or not at all.
    """

    def __init__(self, backend: Backend, root_path: str = "") -> None:
        """Stand on a backend, in the folder `root_path` of it, which need not be there."""
        if not isinstance(backend, Backend):
            message = f"a backend is one of longshore.backends, not {type(backend).__name__}"
            raise TypeError(message)
        core = backend._open(in_loop=IN_LOOP)
        self._begin(backend, core.child(root_path) if root_path else core, _Life(), is_child=False)

    def _begin(self, backend: Backend, core: Core, life: _Life, *, is_child: bool) -> None:
        self._backend, self._opened, self._life, self._is_child = backend, core, life, is_child

    @classmethod
    def open(cls, url: str, **options: Any) -> Store:
        """Open the store that a URL names, such as `s3://blobs/reports`; see docs/stores.md for URLs and options."""
        return cls(UrlBackend(url, **options))

    @property
    def _core(self) -> Core:
        if self._life.is_closed:
            message = "the store is closed"
            raise ClosedError(message)
        return self._opened

    @property
    def root_path(self) -> str:
        """The path of the store's root in its backend."""
        return self._opened.root

    @property
    def capabilities(self) -> CapabilitySet:
        """What the backend can do."""
        return CapabilitySet._of(self._core.capabilities)

    def supports(self, capability: Capability) -> bool:
        """Tell whether the backend has a capability."""
        return capability in self.capabilities

    def native_path(self, path: str) -> str:
        """Return how the storage itself names a path: of a folder of this machine the whole path there."""
        return self._core.native_path(path)

    def to_key(self, native_path: str) -> str:
        """Return the path here of what the storage itself names so; ValueError where it does not lie in this store."""
        path = self._core.path_of_native(native_path)
        if path is None:
            message = f"{native_path!r} does not lie in this store"
            raise ValueError(message)
        return path

    def child(self, subpath: str) -> Store:
        """Return the store of a folder of this one, on the same backend. Closing it does nothing."""
        other = object.__new__(type(self))
        other._begin(self._backend, self._core.child(subpath), self._life, is_child=True)
        return other

    def read(
        self, path: str, *, start: int | None = None, end: int | None = None, if_match: str | None = None
    ) -> Reading:
        """Read a file piece by piece, in constant memory; the bytes from `start` up to `end`, or all.

        Of a negative `start`, the last so many bytes. With `if_match`, only if the file's etag is this. What is wrong
        with the path is raised at once; `NotFound` comes with the first bytes.
        """
        return Reading(self._core.read(path, *_range(start, end), if_match))

    def read_bytes(
        self, path: str, *, start: int | None = None, end: int | None = None, if_match: str | None = None
    ) -> bytes:
        """Return a file's bytes, those from `start` up to `end` or all."""
        found: bytes = run(self._core.read_bytes(path, *_range(start, end), if_match))
        return found

    def read_text(self, path: str, *, encoding: str = UTF_8, errors: str = "strict") -> str:
        """Return a file's content as text."""
        return (self.read_bytes(path)).decode(encoding, errors)

    def write(
        self,
        path: str,
        content: FileStream,
        *,
        overwrite: bool = False,
        metadata: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> WriteResult:
        """Write a file, and the folders above it.

        The content is bytes, an open binary file (read from where it stands), anything with `read`, or an iterator of
        bytes. Whatever goes wrong, also in the iterator, leaves what stood there before.

        Raises:
            AlreadyExists: a file stands there, and not `overwrite`. Of many writers at most one wins.
            InvalidPath: a folder stands there, or a file where a folder is needed.
            ValueError: metadata is not short, of plain ASCII, by keys of `a-z`, `0-9` and `_`.
            CapabilityNotSupported: there is metadata or a media type, and the backend keeps none.
        """
        return self._write(path, content, overwrite, metadata, media_type, None, False)

    def write_atomic(
        self,
        path: str,
        content: FileStream,
        *,
        overwrite: bool = False,
        metadata: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> WriteResult:
        """Write a file as `write` does; CapabilityNotSupported where it might be seen half-written."""
        return self._write(path, content, overwrite, metadata, media_type, None, True)

    def write_text(
        self,
        path: str,
        text: str,
        *,
        encoding: str = UTF_8,
        overwrite: bool = False,
        metadata: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> WriteResult:
        """Write a file of text."""
        content = text.encode(encoding)
        return self._write(path, content, overwrite, metadata, media_type, None, False)

    def _write(
        self,
        path: str,
        content: FileStream,
        overwrite: bool,
        metadata: Mapping[str, str] | None,
        media_type: str | None,
        algorithm: str | None,
        atomic: bool,
    ) -> WriteResult:
        core = self._core
        if isinstance(content, bytes):
            source: tuple[Any, ...] | None = ("bytes", content)
            chunks, done = None, None
        else:
            if content is None or isinstance(content, (str, os.PathLike)):
                message = "content is bytes, an open file or an iterator of bytes; write text with write_text"
                raise TypeError(message)
            said = reading(content, None, None)
            source, chunks, done = said.source, said.chunks, said.done
        # A backend written in Python takes the chunks themselves.
        fed = Feed() if source is None and isinstance(core, Core) else None
        if source is None:
            source = ("chunks", chunks) if fed is None else ("feed", fed)
        writing = core.write(
            path,
            source,
            overwrite=overwrite,
            metadata=dict(metadata) if metadata else None,
            media_type=media_type,
            algorithm=algorithm,
            atomic=atomic,
        )
        result = WriteResult._of(
            run(writing) if fed is None else feed(fed, chunks or (), writing)
        )
        if done is not None:
            done()
        return result

    def delete(self, path: str, *, missing_ok: bool = False) -> None:
        """Delete a file."""
        run(self._core.delete(path, missing_ok))

    def delete_folder(self, path: str, *, recursive: bool = False, missing_ok: bool = False) -> None:
        """Delete a folder; `DirectoryNotEmpty` where something is in it, unless `recursive`. The root stays."""
        run(self._core.delete_folder(path, recursive, missing_ok))

    def exists(self, path: str) -> bool:
        """Tell whether a file or a folder stands there."""
        found: bool = run(self._core.exists(path))
        return found

    def is_file(self, path: str) -> bool:
        """Tell whether a file stands there."""
        found: bool = run(self._core.is_file(path))
        return found

    def is_folder(self, path: str) -> bool:
        """Tell whether a folder stands there; the root always does."""
        found: bool = run(self._core.is_folder(path))
        return found

    def get_file_info(self, path: str) -> FileInfo:
        """Return what is known of a file."""
        return FileInfo._of(run(self._core.file_info(path)))

    def get_folder_info(self, path: str, *, max_depth: int | None = None) -> FolderInfo:
        """Return what lies in a folder, all together, as deep as `max_depth` (0: in the folder itself) or all."""
        return FolderInfo._of(run(self._core.folder_info(path, _depth(max_depth, True))))

    def head(self, path: str) -> WriteResult:
        """Return what a write of the file, as it stands, would have returned."""
        return WriteResult._of(run(self._core.head(path)))

    def list_files(
        self,
        path: str = "",
        *,
        recursive: bool = False,
        pattern: str | None = None,
        max_depth: int | None = None,
    ) -> Listing[FileInfo]:
        """List the files of a folder, in no order that is promised; a missing folder is empty.

        Args:
            path: the folder.
            recursive: whether files of the folders below are given too.
            pattern: of the files' names: `*` any characters, `?` one, `[abc]` one of these.
            max_depth: how many folders deep, 0 for the folder itself; it goes before `recursive`.
        """
        return Listing(self._core.list_files(path, _depth(max_depth, recursive), pattern), FileInfo._of)

    def list_folders(
        self,
        path: str = "",
        *,
        recursive: bool = False,
        pattern: str | None = None,
        max_depth: int | None = None,
    ) -> Listing[FolderEntry]:
        """List the folders of a folder; what is asked for is as `list_files` has it."""
        return Listing(
            self._core.list_folders(path, _depth(max_depth, recursive), pattern), FolderEntry._of
        )

    def iter_children(self, path: str = "") -> Listing[FileInfo | FolderEntry]:
        """List the files and folders of a folder."""
        return Listing(self._core.iter_children(path), _entry)

    def glob(self, pattern: str) -> Listing[FileInfo]:
        """List the files whose path matches: `*`, `?` and `[…]` stay in a segment, `**` is any number of folders."""
        return Listing(self._core.glob(pattern), FileInfo._of)

    def move(self, src: str, dst: str, *, overwrite: bool = False) -> None:
        """Move a file. A move onto itself does nothing."""
        run(self._core.move(src, dst, overwrite))

    def copy(self, src: str, dst: str, *, overwrite: bool = False) -> None:
        """Copy a file. A copy onto itself does nothing."""
        run(self._core.copy(src, dst, overwrite))

    def ping(self) -> None:
        """Try whether the storage answers."""
        run(self._core.ping())

    def close(self) -> None:
        """Close the store and its children, once what is under way is over. Other stores on the backend stay open."""
        if self._is_child or self._life.is_closed:
            return
        self._life.is_closed = True
        run(self._opened.close())

    def __enter__(self) -> Store:
        """Use it for a while."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def __eq__(self, other: object) -> bool:
        """Tell whether both are the same folder of one backend."""
        if not isinstance(other, Store):
            return NotImplemented
        return self._backend is other._backend and self.root_path == other.root_path

    def __hash__(self) -> int:
        """Return the same for equal stores."""
        return hash((id(self._backend), self.root_path))

    def __repr__(self) -> str:
        """Return the backend and the folder."""
        return f"{type(self).__name__}(backend={self._opened.name!r}, root_path={self.root_path!r})"


def _range(start: int | None, end: int | None) -> tuple[int | None, int | None]:
    if (end is not None and end < 0) or (start is not None and start < 0 and end is not None):
        message = (
            "a range is from `start` up to `end`, or the last so many bytes with a negative `start` alone"
        )
        raise ValueError(message)
    return start, end


def _depth(max_depth: int | None, recursive: bool) -> int | None:
    if max_depth is None:
        return None if recursive else 0
    if max_depth < 0:
        message = f"max_depth is {max_depth}, and no less than 0"
        raise ValueError(message)
    return max_depth
