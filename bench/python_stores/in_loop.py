"""Storage libraries in an event loop, each used as its own guide shows it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from python_stores.in_thread import CHUNK, PlainBlocking
from python_stores.opened import longshore_backend, obstore_store, remote_store_backend

if TYPE_CHECKING:
    from collections.abc import Iterable

    from python_stores.opened import Task


class Peer:
    """What each library is asked to do in a loop; `Blocking` has the same for a thread."""

    def __init__(self, task: Task) -> None:
        """Remember where the files are."""
        self.task, self.root = task, task["root"]

    async def open(self) -> None:
        """Open the store."""

    async def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        raise NotImplementedError

    async def read(self, paths: Iterable[str]) -> int:
        """Read files into memory one after the other; return how many bytes they have."""
        raise NotImplementedError

    async def stream(self, path: str) -> int:
        """Read a large file, a chunk at a time; return its size."""
        raise NotImplementedError

    async def list(self, path: str) -> int:
        """Count the files of a folder, with their sizes."""
        raise NotImplementedError

    async def close(self) -> None:
        """Leave."""


class SameVerbs(Peer):
    """What the stores of two packages are called by alike."""

    store: Any

    async def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        await self.store.write(path, content)

    async def read(self, paths: Iterable[str]) -> int:
        """Read files."""
        store, size = self.store, 0
        for path in paths:
            size += len(await store.read_bytes(path))
        return size

    async def stream(self, path: str) -> int:
        """Read a large file."""
        size = 0
        async for chunk in self.store.read(path):
            size += len(chunk)
        return size

    async def list(self, path: str) -> int:
        """Count files."""
        found = 0
        async for _ in self.store.list_files(path):
            found += 1
        return found


class Longshore(SameVerbs):
    """The package."""

    async def open(self) -> None:
        """Open the store."""
        from longshore.aio import AsyncStore

        self.store = AsyncStore(longshore_backend(self.task))

    async def close(self) -> None:
        """Leave."""
        await self.store.aclose()


class Obstore(Peer):
    """obstore: object_store from Python."""

    async def open(self) -> None:
        """Open the store."""
        import obstore

        self.api, self.store = obstore, obstore_store(self.task)

    async def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        await self.api.put_async(self.store, path, content)

    async def read(self, paths: Iterable[str]) -> int:
        """Read files."""
        api, store, size = self.api, self.store, 0
        for path in paths:
            size += len(await (await api.get_async(store, path)).bytes_async())
        return size

    async def stream(self, path: str) -> int:
        """Read a large file."""
        size = 0
        async for chunk in (await self.api.get_async(self.store, path)).stream(min_chunk_size=CHUNK):
            size += len(chunk)
        return size

    async def list(self, path: str) -> int:
        """Count files, by the largest pages that its guide shows."""
        found = 0
        async for batch in self.api.list(self.store, path, chunk_size=1000):
            found += len(batch)
        return found


class RemoteStore(SameVerbs):
    """remote-store: its own backend of asyncio for memory, and its threads for the others."""

    async def open(self) -> None:
        """Open the store."""
        from remote_store import aio

        if self.task["kind"] == "memory":
            self.store = aio.AsyncStore(aio.AsyncMemoryBackend())
        else:
            self.store = aio.AsyncStore(aio.SyncBackendAdapter(remote_store_backend(self.task)))


class S3fs(Peer):
    """fsspec's S3, by its own loop-native verbs."""

    async def open(self) -> None:
        """Open the store."""
        import s3fs

        self.fs = s3fs.S3FileSystem(
            key=self.task["user"],
            secret=self.task["secret"],
            endpoint_url=self.task["endpoint"],
            asynchronous=True,
        )
        self.session = await self.fs.set_session()

    async def read(self, paths: Iterable[str]) -> int:
        """Read files."""
        fs, root, size = self.fs, self.root, 0
        for path in paths:
            size += len(await fs._cat_file(f"{root}/{path}"))
        return size

    async def close(self) -> None:
        """Leave."""
        await self.session.close()


class Aiofiles(Peer):
    """aiofiles: files in threads."""

    async def open(self) -> None:
        """Import it."""
        import aiofiles

        self.api = aiofiles

    async def read(self, paths: Iterable[str]) -> int:
        """Read files."""
        size = 0
        for path in paths:
            async with self.api.open(f"{self.root}/{path}", "rb") as file:
                size += len(await file.read())
        return size

    async def stream(self, path: str) -> int:
        """Read a large file."""
        size = 0
        async with self.api.open(f"{self.root}/{path}", "rb") as file:
            while chunk := await file.read(CHUNK):
                size += len(chunk)
        return size


class Plain(Peer):
    """Python's own files in `asyncio.to_thread`, which is a turn there for each verb."""

    async def open(self) -> None:
        """Take the verbs."""
        self.files = PlainBlocking(self.task)

    async def read(self, paths: Iterable[str]) -> int:
        """Read files."""
        size = 0
        for path in paths:
            size += len(await asyncio.to_thread(self.files._whole, path))
        return size

    async def stream(self, path: str) -> int:
        """Read a large file."""
        return await asyncio.to_thread(self.files.stream, path)

    async def list(self, path: str) -> int:
        """Count files."""
        return await asyncio.to_thread(self.files.list, path)


LOOP: dict[str, type[Peer]] = {
    "longshore": Longshore,
    "obstore": Obstore,
    "remote-store": RemoteStore,
    "s3fs": S3fs,
    "aiofiles": Aiofiles,
    "to_thread": Plain,
}
