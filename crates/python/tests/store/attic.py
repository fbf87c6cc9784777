"""Backends written in Python: files in a dictionary, asked in a loop or in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timezone

from longshore import BlockingBackend, Capability, CapabilitySet, FileInfo, FolderEntry, exceptions
from longshore.aio import AsyncBackend

PROMISED = set(Capability) - {Capability.DURABLE}


class Shelves:
    """Files in a dictionary; folders are there by the files below them."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, FileInfo]] = {}
        self.lock = threading.Lock()
        self.count = 0

    def has_below(self, path: str) -> bool:
        return any(name.startswith(f"{path}/") for name in list(self.files))

    def stat(self, path: str) -> FileInfo | FolderEntry:
        if path in self.files:
            return self.files[path][1]
        if self.has_below(path):
            return FolderEntry(path, path.rpartition("/")[2])
        raise exceptions.NotFound("not found")

    def read(self, path: str, start: int, end: int | None) -> bytes:
        if self.has_below(path):
            raise IsADirectoryError(path)
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path][0][start:end]

    def check(self, path: str, overwrite: bool) -> None:
        parents = path.split("/")[:-1]
        if self.has_below(path) or any(
            "/".join(parents[: place + 1]) in self.files for place in range(len(parents))
        ):
            raise exceptions.InvalidPath("the path is taken")
        if path in self.files and not overwrite:
            raise exceptions.AlreadyExists("the file already exists")

    def put(
        self, path: str, content: bytes, overwrite: bool, metadata: Mapping[str, str], media_type: str | None
    ) -> FileInfo:
        with self.lock:
            self.check(path, overwrite)
            self.count += 1
            now = datetime.now(timezone.utc)
            name = path.rpartition("/")[2]
            info = FileInfo(
                path, name, len(content), now, str(self.count), None, None, media_type, dict(metadata)
            )
            self.files[path] = (content, info)
            return info

    def below(self, path: str, max_depth: int | None) -> Iterator[FileInfo | FolderEntry]:
        folders = set()
        for name, (_, info) in list(self.files.items()):
            if path and not name.startswith(f"{path}/"):
                continue
            above = name[len(path) + 1 if path else 0 :].split("/")[:-1]
            for place in range(len(above)):
                folder = "/".join(filter(None, [path, *above[: place + 1]]))
                if folder not in folders and (max_depth is None or place <= max_depth):
                    folders.add(folder)
                    yield FolderEntry(folder, above[place])
            if max_depth is None or len(above) <= max_depth:
                yield info

    def drop(self, path: str) -> None:
        if isinstance(self.stat(path), FolderEntry):
            raise IsADirectoryError(path)
        del self.files[path]

    def drop_folder(self, path: str, recursive: bool) -> None:
        self.stat(path)
        if not recursive:
            raise exceptions.DirectoryNotEmpty("the folder is not empty")
        for name in [name for name in self.files if name.startswith(f"{path}/")]:
            del self.files[name]


class Attic(AsyncBackend):
    """Shelves for loops."""

    name = "attic"
    capabilities = CapabilitySet(PROMISED)

    def __init__(self) -> None:
        self.shelves = Shelves()

    async def stat(self, path: str) -> FileInfo | FolderEntry:
        # A turn of the loop, as every real one needs.
        await asyncio.sleep(0)
        return self.shelves.stat(path)

    async def read(self, path: str, start: int, end: int | None) -> AsyncIterator[bytes]:
        yield self.shelves.read(path, start, end)

    async def write(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        overwrite: bool,
        metadata: Mapping[str, str],
        media_type: str | None,
    ) -> FileInfo:
        self.shelves.check(path, overwrite)
        content = b"".join([chunk async for chunk in chunks])
        return self.shelves.put(path, content, overwrite, metadata, media_type)

    async def list(self, path: str, max_depth: int | None) -> AsyncIterator[FileInfo | FolderEntry]:
        for entry in self.shelves.below(path, max_depth):
            yield entry

    async def delete(self, path: str) -> None:
        self.shelves.drop(path)

    async def delete_folder(self, path: str, *, recursive: bool) -> None:
        self.shelves.drop_folder(path, recursive)


class BlockingAttic(BlockingBackend):
    """Shelves for threads."""

    name = "attic"
    capabilities = CapabilitySet(PROMISED)

    def __init__(self) -> None:
        self.shelves = Shelves()

    def stat(self, path: str) -> FileInfo | FolderEntry:
        return self.shelves.stat(path)

    def read(self, path: str, start: int, end: int | None) -> Iterator[bytes]:
        yield self.shelves.read(path, start, end)

    def write(
        self,
        path: str,
        chunks: Iterator[bytes],
        *,
        overwrite: bool,
        metadata: Mapping[str, str],
        media_type: str | None,
    ) -> FileInfo:
        self.shelves.check(path, overwrite)
        return self.shelves.put(path, b"".join(chunks), overwrite, metadata, media_type)

    def list(self, path: str, max_depth: int | None) -> Iterator[FileInfo | FolderEntry]:
        return self.shelves.below(path, max_depth)

    def delete(self, path: str) -> None:
        self.shelves.drop(path)

    def delete_folder(self, path: str, *, recursive: bool) -> None:
        self.shelves.drop_folder(path, recursive)
