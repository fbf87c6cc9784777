"""A backend written in Python: files in a dictionary."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timezone

from longshore import Capability, CapabilitySet, FileInfo, FolderEntry, exceptions
from longshore.aio import AsyncBackend

PROMISED = set(Capability) - {Capability.DURABLE}


class Attic(AsyncBackend):
    """Files in a dictionary; folders are there by the files below them."""

    name = "attic"
    capabilities = CapabilitySet(PROMISED)

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, FileInfo]] = {}
        self.count = 0

    def _has_below(self, path: str) -> bool:
        return any(name.startswith(f"{path}/") for name in self.files)

    async def stat(self, path: str) -> FileInfo | FolderEntry:
        if path in self.files:
            return self.files[path][1]
        if self._has_below(path):
            return FolderEntry(path, path.rpartition("/")[2])
        raise exceptions.NotFound("not found")

    async def read(self, path: str, start: int, end: int | None) -> AsyncIterator[bytes]:
        if self._has_below(path):
            raise IsADirectoryError(path)
        if path not in self.files:
            raise FileNotFoundError(path)
        yield self.files[path][0][start:end]

    def _check(self, path: str, overwrite: bool) -> None:
        parents = path.split("/")[:-1]
        if self._has_below(path) or any(
            "/".join(parents[: place + 1]) in self.files for place in range(len(parents))
        ):
            raise exceptions.InvalidPath("the path is taken")
        if path in self.files and not overwrite:
            raise exceptions.AlreadyExists("the file already exists")

    async def write(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        overwrite: bool,
        metadata: Mapping[str, str],
        media_type: str | None,
    ) -> FileInfo:
        self._check(path, overwrite)
        content = b"".join([chunk async for chunk in chunks])
        self._check(path, overwrite)
        self.count += 1
        now = datetime.now(timezone.utc)
        name = path.rpartition("/")[2]
        info = FileInfo(
            path, name, len(content), now, str(self.count), None, None, media_type, dict(metadata)
        )
        self.files[path] = (content, info)
        return info

    async def list(self, path: str, max_depth: int | None) -> AsyncIterator[FileInfo | FolderEntry]:
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

    async def delete(self, path: str) -> None:
        if isinstance(await self.stat(path), FolderEntry):
            raise IsADirectoryError(path)
        del self.files[path]

    async def delete_folder(self, path: str, *, recursive: bool) -> None:
        await self.stat(path)
        if not recursive:
            raise exceptions.DirectoryNotEmpty("the folder is not empty")
        for name in [name for name in self.files if name.startswith(f"{path}/")]:
            del self.files[name]
