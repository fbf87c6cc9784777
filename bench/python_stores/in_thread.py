"""Storage libraries in a thread, each used as its own guide shows it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from python_stores.opened import longshore_backend, obstore_store, remote_store_backend

if TYPE_CHECKING:
    from collections.abc import Iterable

    from python_stores.opened import Task

CHUNK = 1024 * 1024


class Blocking:
    """What each library is asked to do in a thread."""

    def __init__(self, task: Task) -> None:
        """Remember where the files are, and open the store."""
        self.task, self.root = task, task["root"]

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        raise NotImplementedError

    def read(self, paths: Iterable[str]) -> int:
        """Read files into memory one after the other; return how many bytes they have."""
        raise NotImplementedError

    def stream(self, path: str) -> int:
        """Read a large file, a chunk at a time; return its size."""
        raise NotImplementedError

    def list(self, path: str) -> int:
        """Count the files of a folder, with their sizes."""
        raise NotImplementedError


class SameVerbsBlocking(Blocking):
    """What the stores of two packages are called by alike."""

    store: Any

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        self.store.write(path, content)

    def read(self, paths: Iterable[str]) -> int:
        """Read files."""
        store, size = self.store, 0
        for path in paths:
            size += len(store.read_bytes(path))
        return size

    def list(self, path: str) -> int:
        """Count files."""
        found = 0
        for _ in self.store.list_files(path):
            found += 1
        return found


class LongshoreBlocking(SameVerbsBlocking):
    """The package without a loop."""

    def __init__(self, task: Task) -> None:
        """Open the store."""
        from longshore import Store

        super().__init__(task)
        self.store = Store(longshore_backend(task))

    def stream(self, path: str) -> int:
        """Read a large file."""
        size = 0
        for chunk in self.store.read(path):
            size += len(chunk)
        return size


class ObstoreBlocking(Blocking):
    """obstore without a loop."""

    def __init__(self, task: Task) -> None:
        """Open the store."""
        import obstore

        super().__init__(task)
        self.api, self.store = obstore, obstore_store(task)

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        self.api.put(self.store, path, content)

    def read(self, paths: Iterable[str]) -> int:
        """Read files."""
        api, store, size = self.api, self.store, 0
        for path in paths:
            size += len(api.get(store, path).bytes())
        return size

    def stream(self, path: str) -> int:
        """Read a large file."""
        size = 0
        for chunk in self.api.get(self.store, path).stream(min_chunk_size=CHUNK):
            size += len(chunk)
        return size

    def list(self, path: str) -> int:
        """Count files."""
        return sum(len(batch) for batch in self.api.list(self.store, path, chunk_size=1000))


class RemoteStoreBlocking(SameVerbsBlocking):
    """remote-store without a loop."""

    def __init__(self, task: Task) -> None:
        """Open the store."""
        from remote_store import Store

        super().__init__(task)
        self.store = Store(remote_store_backend(task))

    def stream(self, path: str) -> int:
        """Read a large file."""
        size = 0
        with self.store.read(path) as file:
            while chunk := file.read(CHUNK):
                size += len(chunk)
        return size


class FsspecBlocking(Blocking):
    """fsspec without a loop: its memory, its local files and s3fs."""

    def __init__(self, task: Task) -> None:
        """Open the store."""
        import fsspec

        super().__init__(task)
        if task["kind"] == "s3":
            self.fs: Any = fsspec.filesystem(
                "s3", key=task["user"], secret=task["secret"], endpoint_url=task["endpoint"]
            )
        else:
            self.fs = fsspec.filesystem("file" if task["kind"] == "local" else "memory", auto_mkdir=True)

    def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        self.fs.pipe_file(f"{self.root}/{path}", content)

    def read(self, paths: Iterable[str]) -> int:
        """Read files."""
        fs, root, size = self.fs, self.root, 0
        for path in paths:
            size += len(fs.cat_file(f"{root}/{path}"))
        return size

    def stream(self, path: str) -> int:
        """Read a large file."""
        size = 0
        with self.fs.open(f"{self.root}/{path}", "rb", block_size=CHUNK) as file:
            while chunk := file.read(CHUNK):
                size += len(chunk)
        return size

    def list(self, path: str) -> int:
        """Count files."""
        return len(self.fs.ls(f"{self.root}/{path}", detail=True, refresh=True))


class PlainBlocking(Blocking):
    """Python's own files: what a library can be held against at most."""

    def _whole(self, path: str) -> bytes:
        with open(f"{self.root}/{path}", "rb") as file:
            return file.read()

    def read(self, paths: Iterable[str]) -> int:
        """Read files."""
        return sum(len(self._whole(path)) for path in paths)

    def stream(self, path: str) -> int:
        """Read a large file."""
        size = 0
        with open(f"{self.root}/{path}", "rb", buffering=0) as file:
            while chunk := file.read(CHUNK):
                size += len(chunk)
        return size

    def list(self, path: str) -> int:
        """Count files: `os.scandir`, and the sizes."""
        found = 0
        with os.scandir(f"{self.root}/{path}") as entries:
            for entry in entries:
                found += entry.stat(follow_symlinks=False).st_size >= 0
        return found


THREAD: dict[str, type[Blocking]] = {
    "longshore": LongshoreBlocking,
    "obstore": ObstoreBlocking,
    "remote-store": RemoteStoreBlocking,
    "fsspec": FsspecBlocking,
    "plain": PlainBlocking,
}
