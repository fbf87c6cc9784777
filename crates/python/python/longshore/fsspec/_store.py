"""Files of a store as fsspec has them."""

from __future__ import annotations

import contextlib
import io
import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.spec import make_instance

from longshore._longshore import Pending
from longshore._longshore import Store as Core
from longshore._store import Store
from longshore.aio._store import AsyncStore
from longshore.backends import Backend, UrlBackend
from longshore.exceptions import InvalidPath
from longshore.fsspec._base import LongshoreFileSystem, Mode, Told, a_folder, naming
from longshore.fsspec._opened import Begin
from longshore.store_models import Capability, FileInfo, FolderEntry

__all__ = ["StoreFileSystem"]


def _told(entry: FileInfo | FolderEntry) -> Told:
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


class StoreFileSystem(LongshoreFileSystem):
    """A store as fsspec has file systems; `longshore-store://2024/q1.csv`: a path is one of the store's."""

    protocol = "longshore-store"
    # Two stores may look the same and be two.
    cachable = False
    _secret = ("store", "options", "backend")

    def __init__(
        self,
        store: AsyncStore | Store | str | None = None,
        *,
        backend: Backend | None = None,
        root_path: str = "",
        options: dict[str, Any] | None = None,
        **fsspec_options: Any,
    ) -> None:
        """Take a store, or the URL of one with its options, or a backend."""
        super().__init__(**fsspec_options)
        if isinstance(store, str):
            backend = UrlBackend(store, **(options or {}))
        elif store is not None:
            backend, root_path = store._backend, store.root_path
        if backend is None:
            message = "say which store: store= (a store, or a URL) or backend="
            raise TypeError(message)
        self._again = {**fsspec_options, "backend": backend, "root_path": root_path}
        self._store, self._here = AsyncStore(backend, root_path), Store(backend, root_path)
        self._streams = isinstance(self._here._core, Core)

    def __reduce__(self) -> Any:
        """Go to another process by the backend, secrets too."""
        return make_instance, (type(self), (), self._again)

    async def _stat(self, path: str) -> Told:
        if path and await self._store.is_file(path):
            return _told(await self._store.get_file_info(path))
        if await self._store.is_folder(path):
            return _told(FolderEntry._of(path))
        with naming(path):
            # There is nothing: this tells so as a store does.
            return _told(await self._store.get_file_info(path))

    async def _entries(self, path: str, depth: int | None, folders: bool) -> list[Told]:
        store, below = self._store, None if depth is None else depth - 1
        if depth == 1 and folders:
            return [_told(entry) for entry in await store.iter_children(path).all()]
        found = [_told(file) for file in await store.list_files(path, recursive=True, max_depth=below).all()]
        if folders:
            listing = store.list_folders(path, recursive=True, max_depth=below)
            found += [_told(folder) for folder in await listing.all()]
        return found

    @asynccontextmanager
    async def _seeing(self, path: str) -> AsyncIterator[None]:
        """See that errors are of the kinds that Python people expect."""
        with naming(path):
            try:
                yield
            except InvalidPath as error:
                if await self._store.is_folder(path):
                    raise a_folder(path) from error
                raise

    async def _bytes(self, path: str, start: int | None, end: int | None) -> bytes:
        async with self._seeing(path):
            return await self._store.read_bytes(path, start=start, end=end)

    async def _download(self, path: str, local: str, callback: Any) -> None:
        part = f"{local}.{uuid.uuid4().hex}.part"
        try:
            with io.FileIO(part, "x") as file:
                async with self._store.read(path) as pieces:
                    async for piece in pieces:
                        file.write(piece)
                        callback.relative_update(len(piece))
            os.replace(part, local)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(part)

    def _fetch(self, told: Told, start: int, end: int) -> bytes:
        conditional = self._here.supports(Capability.CONDITIONAL_READ)
        etag = told["ETag"] if conditional else None
        return self._here.read_bytes(told["name"], start=start, end=end, if_match=etag)

    def _begin(self, path: str, replace: bool) -> Begin:
        def begin(source: tuple[Any, ...]) -> Pending:
            return self._here._core.write(
                path,
                source,
                overwrite=replace,
                metadata=None,
                media_type=None,
                algorithm=None,
                atomic=False,
            )

        return begin

    async def _pipe_file(self, path: str, value: Any, mode: Mode = "overwrite", **_: Any) -> None:
        await self._store.write(self._strip_protocol(path), value, overwrite=mode != "create")

    async def _put_file(
        self, lpath: str, rpath: str, mode: Mode = "overwrite", callback: Any = DEFAULT_CALLBACK, **_: Any
    ) -> None:
        with io.FileIO(lpath) as file:
            written = await self._store.write(self._strip_protocol(rpath), file, overwrite=mode != "create")
        callback.set_size(written.size)
        callback.absolute_update(written.size)

    async def _remove(self, path: str, recursive: bool) -> None:
        try:
            async with self._seeing(path):
                await self._store.delete(path)
        except IsADirectoryError:
            if not recursive:
                raise
            await self._store.delete_folder(path, recursive=True)

    async def _rename(self, source: str, target: str) -> bool:
        try:
            async with self._seeing(source):
                await self._store.move(source, target, overwrite=True)
        except IsADirectoryError:
            # No store moves folders.
            return False
        return True

    async def _copy_one(self, source: str, target: str) -> None:
        async with self._seeing(source):
            await self._store.copy(source, target, overwrite=True)

    async def _mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Do nothing: a write makes the folders that it needs."""

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Do nothing: a write makes the folders that it needs."""
