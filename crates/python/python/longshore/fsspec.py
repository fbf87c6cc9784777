"""Stores for what reads files through fsspec: pandas, pyarrow, duckdb and others.

pandas.read_csv("longshore-store://2024/q1.csv", storage_options={"url": "s3://reports"})

or, of a store that is there already, `StoreFileSystem(store=store)`. A path is one of the store's. Importing this needs
fsspec, which Longshore does not bring along; fsspec itself finds it by the protocol's name.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any, Literal

from fsspec.asyn import AsyncFileSystem
from fsspec.spec import AbstractBufferedFile

from longshore._longshore import Feed
from longshore._store import Store
from longshore.aio._store import AsyncStore
from longshore.backends import Backend, UrlBackend
from longshore.exceptions import StoreError
from longshore.store_models import FileInfo, FolderEntry

__all__ = ["StoreFileSystem"]

CHUNK = 1024 * 1024


def _told(entry: FileInfo | FolderEntry) -> dict[str, Any]:
    if isinstance(entry, FolderEntry):
        return {"name": entry.path, "type": "directory", "size": 0}
    return {
        "name": entry.path,
        "type": "file",
        "size": entry.size,
        "mtime": entry.modified_at,
        "ETag": entry.etag,
        "content_type": entry.content_type,
        "metadata": entry.metadata,
    }


class StoreFileSystem(AsyncFileSystem):
    """A store as fsspec has file systems. A written file is there once it is closed, in place of an older one."""

    protocol = "longshore-store"
    root_marker = ""
    # Two stores may look the same and be two.
    cachable = False

    def __init__(
        self,
        store: AsyncStore | Store | None = None,
        *,
        url: str | None = None,
        backend: Backend | None = None,
        root_path: str = "",
        options: dict[str, Any] | None = None,
        **fsspec_options: Any,
    ) -> None:
        """Take a store, or a backend, or the URL of one with its options."""
        super().__init__(**fsspec_options)
        if store is not None:
            backend, root_path = store._backend, store.root_path
        elif backend is None:
            if url is None:
                message = "say which store: store=, backend= or url="
                raise TypeError(message)
            backend = UrlBackend(url, **(options or {}))
        self._store, self._here = AsyncStore(backend, root_path), Store(backend, root_path)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        stripped = super()._strip_protocol(path)
        return stripped if isinstance(stripped, list) else stripped.lstrip("/")

    async def _info(self, path: str, **_: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        if path and await self._store.is_file(path):
            return _told(await self._store.get_file_info(path))
        if await self._store.is_folder(path):
            return _told(FolderEntry._of(path))
        raise FileNotFoundError(path)

    async def _ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        path = self._strip_protocol(path)
        found = [_told(entry) for entry in await self._store.iter_children(path).all()]
        if not found:
            info = await self._info(path)
            found = [info] if info["type"] == "file" else []
        found.sort(key=lambda told: told["name"])
        return found if detail else [told["name"] for told in found]

    async def _cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        path = self._strip_protocol(path)
        if (start is not None and start < 0) or (end is not None and end < 0):
            size = (await self._store.get_file_info(path)).size
            start, end, _step = slice(start, end).indices(size)
        return await self._store.read_bytes(path, start=start, end=end)

    async def _pipe_file(
        self, path: str, value: Any, mode: Literal["overwrite", "create"] = "overwrite", **_: Any
    ) -> None:
        await self._store.write(self._strip_protocol(path), value, overwrite=mode != "create")

    async def _put_file(self, lpath: str, rpath: str, mode: str = "overwrite", **_: Any) -> None:
        with io.FileIO(lpath) as file:
            await self._store.write(self._strip_protocol(rpath), file, overwrite=mode != "create")

    async def _get_file(self, rpath: str, lpath: str, **_: Any) -> None:
        reading = self._store.read(self._strip_protocol(rpath))
        first = await anext(reading, b"")
        with io.FileIO(lpath, "w") as file:
            file.write(first)
            async for chunk in reading:
                file.write(chunk)

    async def _rm_file(self, path: str, **_: Any) -> None:
        await self._store.delete(self._strip_protocol(path))

    async def _rm(self, path: Any, recursive: bool = False, **_: Any) -> None:
        for one in [path] if isinstance(path, str) else path:
            stripped = self._strip_protocol(one)
            if recursive and await self._store.is_folder(stripped):
                await self._store.delete_folder(stripped, recursive=True)
            else:
                await self._store.delete(stripped)

    async def _cp_file(self, path1: str, path2: str, **_: Any) -> None:
        await self._store.copy(self._strip_protocol(path1), self._strip_protocol(path2), overwrite=True)

    async def _mv_file(self, path1: str, path2: str) -> None:
        await self._store.move(self._strip_protocol(path1), self._strip_protocol(path2), overwrite=True)

    async def _mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Do nothing: a write makes the folders that it needs."""

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Do nothing: a write makes the folders that it needs."""

    def created(self, path: str) -> Any:
        """Return when a file was last written: no store tells when it was first."""
        return self.modified(path)

    def modified(self, path: str) -> Any:
        """Return when a file was last written, in UTC."""
        return self.info(path).get("mtime")

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        path = self._strip_protocol(path)
        if mode in ("wb", "xb"):
            return _Writing(self._here, path, overwrite=mode == "wb")
        if mode != "rb":
            message = f"a file of a store is not opened as {mode!r}: there are rb, wb and xb"
            raise ValueError(message)
        options.pop("autocommit", None)
        return _Reading(self, path, mode, **options)


class _Reading(AbstractBufferedFile):
    """A file that is read here and there, a range at a time and what fsspec's cache has before."""

    def _fetch_range(self, start: int, end: int) -> bytes:
        found: bytes = self.fs._here.read_bytes(self.path, start=start, end=end)
        return found


class _Writing(io.BufferedIOBase):
    """A file in the making: it is there once it is closed, and never where an exception left its `with`."""

    def __init__(self, store: Store, path: str, *, overwrite: bool) -> None:
        self._feed: Feed | None = Feed()
        self._gathered = bytearray()
        self._size = 0
        writing = store._core.write(
            path,
            ("feed", self._feed),
            overwrite=overwrite,
            metadata=None,
            media_type=None,
            algorithm=None,
            atomic=False,
        )
        self._writing = writing.start()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._size

    def write(self, data: Any) -> int:
        if self._feed is None:
            message = "the file is closed"
            raise ValueError(message)
        before = len(self._gathered)
        self._gathered += data
        added = len(self._gathered) - before
        self._size += added
        if len(self._gathered) >= CHUNK:
            self._send()
        return added

    def _send(self) -> None:
        piece, self._gathered = bytes(self._gathered), bytearray()
        if self._feed is not None and piece and not self._feed.put(piece).wait():
            # The write has ended early: this tells why.
            self._feed = None
            self._writing.wait()

    def discard(self) -> None:
        """Leave what stood there before."""
        if self._feed is not None:
            self._feed.fail("it was given up").wait()
            self._feed = None
            with contextlib.suppress(StoreError):
                self._writing.wait()
        self._gathered.clear()

    def close(self) -> None:
        if self.closed:
            return
        try:
            self._send()
            if self._feed is not None:
                self._feed.end()
                self._feed = None
                self._writing.wait()
        finally:
            super().close()

    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if kind is not None:
            self.discard()
        self.close()

    def __del__(self) -> None:
        # Whoever has forgotten it has not said that it is whole.
        if getattr(self, "_feed", None) is not None:
            self.discard()
        super().close()
