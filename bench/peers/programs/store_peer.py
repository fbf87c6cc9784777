"""One work, done by a storage library of Python: what `store-peers` does in Rust, by the same task."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import resource
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PART = 8 * 1024 * 1024
CHUNK = 1024 * 1024

Task = dict[str, Any]


class Peer:
    """What each library is asked to do."""

    async def open(self, task: Task) -> None:
        """Open the store."""
        raise NotImplementedError

    async def read(self, path: str) -> int:
        """Read a file into memory and return its size."""
        raise NotImplementedError

    async def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        raise NotImplementedError

    async def stream(self, path: str) -> int:
        """Read a large file, a chunk at a time."""
        raise NotImplementedError

    async def put(self, path: str, size: int) -> None:
        """Write a large file, a chunk at a time."""
        raise NotImplementedError

    async def list(self, path: str) -> int:
        """Count the files of a folder, with their sizes."""
        raise NotImplementedError

    async def close(self) -> None:
        """Leave."""


class Obstore(Peer):
    """obstore: object_store from Python."""

    async def open(self, task: Task) -> None:
        """Open the store."""
        import obstore
        from obstore.store import LocalStore, MemoryStore, S3Store

        self.api = obstore
        if task["kind"] == "memory":
            self.store: Any = MemoryStore()
        elif task["kind"] == "local":
            self.store = LocalStore(task["root"])
        else:
            self.store = S3Store(
                task["root"],
                endpoint=task["endpoint"],
                region="us-east-1",
                access_key_id=task["user"],
                secret_access_key=task["secret"],
                unsigned_payload=True,
                client_options={"allow_http": True},
            )

    async def read(self, path: str) -> int:
        """Read a file into memory and return its size."""
        return len(await (await self.api.get_async(self.store, path)).bytes_async())

    async def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        await self.api.put_async(self.store, path, content)

    async def stream(self, path: str) -> int:
        """Read a large file, a chunk at a time."""
        found = await self.api.get_async(self.store, path)
        return sum([len(chunk) async for chunk in found.stream()])

    async def put(self, path: str, size: int) -> None:
        """Write a large file, a chunk at a time."""
        chunk = bytes(CHUNK)
        chunks = (chunk for _ in range(size // CHUNK))
        await self.api.put_async(self.store, path, chunks, chunk_size=PART, max_concurrency=8)

    async def list(self, path: str) -> int:
        """Count the files of a folder, with their sizes."""
        return sum([len(batch) async for batch in self.api.list(self.store, path, chunk_size=1000)])


class Threads(Peer):
    """A library without asyncio, its calls in threads."""

    def read_now(self, path: str) -> int:
        """Read a file into memory and return its size."""
        raise NotImplementedError

    def write_now(self, path: str, content: bytes) -> None:
        """Write a file."""
        raise NotImplementedError

    def open_now(self, path: str, mode: str) -> Any:
        """Open a file."""
        raise NotImplementedError

    def list_now(self, path: str) -> int:
        """Count the files of a folder, with their sizes."""
        raise NotImplementedError

    async def read(self, path: str) -> int:
        """Read a file into memory and return its size."""
        return await asyncio.to_thread(self.read_now, path)

    async def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        await asyncio.to_thread(self.write_now, path, content)

    async def stream(self, path: str) -> int:
        """Read a large file, a chunk at a time."""

        def work() -> int:
            size = 0
            with self.open_now(path, "rb") as file:
                while chunk := file.read(CHUNK):
                    size += len(chunk)
            return size

        return await asyncio.to_thread(work)

    async def put(self, path: str, size: int) -> None:
        """Write a large file, a chunk at a time."""

        def work() -> None:
            chunk = bytes(CHUNK)
            with self.open_now(path, "wb") as file:
                for _ in range(size // CHUNK):
                    file.write(chunk)

        await asyncio.to_thread(work)

    async def list(self, path: str) -> int:
        """Count the files of a folder, with their sizes."""
        return await asyncio.to_thread(self.list_now, path)


class Fsspec(Threads):
    """fsspec: its own local files and memory, and s3fs."""

    async def open(self, task: Task) -> None:
        """Open the store."""
        import fsspec

        self.root = task["root"]
        if task["kind"] == "s3":
            self.fs: Any = fsspec.filesystem(
                "s3", key=task["user"], secret=task["secret"], endpoint_url=task["endpoint"]
            )
        else:
            self.fs = fsspec.filesystem("file" if task["kind"] == "local" else "memory", auto_mkdir=True)

    def read_now(self, path: str) -> int:
        """Read a file into memory and return its size."""
        return len(self.fs.cat_file(f"{self.root}/{path}"))

    def write_now(self, path: str, content: bytes) -> None:
        """Write a file."""
        self.fs.pipe_file(f"{self.root}/{path}", content)

    def open_now(self, path: str, mode: str) -> Any:
        """Open a file."""
        return self.fs.open(f"{self.root}/{path}", mode, block_size=PART)

    def list_now(self, path: str) -> int:
        """Count the files of a folder, with their sizes."""
        return len(self.fs.ls(f"{self.root}/{path}", detail=True, refresh=True))


class RemoteStore(Threads):
    """remote-store, by its synchronous backends, which is what its asyncio face calls in threads."""

    async def open(self, task: Task) -> None:
        """Open the store."""
        from remote_store import Store
        from remote_store.backends import LocalBackend, MemoryBackend, S3Backend, SFTPBackend

        host, _, port = task["endpoint"].rpartition(":")
        backends: dict[str, Callable[[], Any]] = {
            "memory": MemoryBackend,
            "local": lambda: LocalBackend(task["root"]),
            "s3": lambda: S3Backend(
                task["root"], endpoint_url=task["endpoint"], key=task["user"], secret=task["secret"]
            ),
            "sftp": lambda: SFTPBackend(
                host,
                port=int(port),
                username=task["user"],
                base_path=task["root"],
                host_key_policy="auto",
                connect_kwargs={"key_filename": task["key"]},
            ),
        }
        self.store = Store(backends[task["kind"]]())
        # Its SSH connection cannot be shared by threads.
        self.one_at_a_time = asyncio.Lock() if task["kind"] == "sftp" else None

    async def read(self, path: str) -> int:
        """Read a file into memory and return its size."""
        if self.one_at_a_time:
            async with self.one_at_a_time:
                return await super().read(path)
        return await super().read(path)

    def read_now(self, path: str) -> int:
        """Read a file into memory and return its size."""
        return len(self.store.read_bytes(path))

    def write_now(self, path: str, content: bytes) -> None:
        """Write a file."""
        self.store.write_atomic(path, content, overwrite=True)

    def open_now(self, path: str, mode: str) -> Any:
        """Open a file; it has no writer, but writes what can be read from."""
        return self.store.read(path) if mode == "rb" else _Source(self.store, path)

    def list_now(self, path: str) -> int:
        """Count the files of a folder, with their sizes."""
        return sum(1 for _ in self.store.list_files(path))


class _Source(io.RawIOBase):
    """A writer over a library that takes a file to read from: it writes when it is closed."""

    def __init__(self, store: Any, path: str) -> None:
        """Remember where to write."""
        super().__init__()
        self.store, self.path, self.left, self.chunk = store, path, 0, bytes(CHUNK)

    def write(self, chunk: bytes) -> int:  # type: ignore[override]
        """Count what is to come."""
        self.left += len(chunk)
        return len(chunk)

    def readable(self) -> bool:
        """Say that this can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Give what was counted."""
        size = min(self.left, CHUNK if size < 0 else size)
        self.left -= size
        return self.chunk[:size]

    def close(self) -> None:
        """Write it all."""
        if not self.closed:
            self.store.write(self.path, self, overwrite=True)
        super().close()


class Asyncssh(Peer):
    """asyncssh: one connection, many requests."""

    async def open(self, task: Task) -> None:
        """Open the store."""
        import asyncssh

        host, _, port = task["endpoint"].rpartition(":")
        self.root = task["root"]
        self.connection = await asyncssh.connect(
            host, int(port), username=task["user"], client_keys=[task["key"]], known_hosts=task["known_hosts"]
        )
        self.sftp = await self.connection.start_sftp_client()

    async def read(self, path: str) -> int:
        """Read a file into memory and return its size."""
        async with self.sftp.open(f"{self.root}/{path}", "rb") as file:
            return len(await file.read())

    async def write(self, path: str, content: bytes) -> None:
        """Write a file."""
        async with self.sftp.open(f"{self.root}/{path}", "wb") as file:
            await file.write(content)

    async def stream(self, path: str) -> int:
        """Read a large file, a chunk at a time."""
        size = 0
        async with self.sftp.open(f"{self.root}/{path}", "rb") as file:
            while chunk := await file.read(CHUNK):
                size += len(chunk)
        return size

    async def put(self, path: str, size: int) -> None:
        """Write a large file, a chunk at a time."""
        chunk = bytes(CHUNK)
        async with self.sftp.open(f"{self.root}/{path}", "wb") as file:
            for _ in range(size // CHUNK):
                await file.write(chunk)

    async def list(self, path: str) -> int:
        """Count the files of a folder, with their sizes."""
        return sum(
            [name.filename not in (".", "..") async for name in self.sftp.scandir(f"{self.root}/{path}")]
        )

    async def close(self) -> None:
        """Leave."""
        self.connection.close()


PEERS: dict[str, type[Peer]] = {
    "obstore": Obstore,
    "fsspec": Fsspec,
    "remote-store": RemoteStore,
    "asyncssh": Asyncssh,
}


def small(number: int) -> str:
    """Return the path of a small file, as `store-peers` names it."""
    return f"small/{number % 20:02}/{number:05}"


async def run(peer: Peer, task: Task) -> int:
    """Do the work."""
    work, size = task["work"], task["size"]

    async def read(number: int) -> int:
        found = await peer.read(small(number * 2_654_435_761 % task["files"]))
        assert found == size, f"read {found} bytes, not {size}"
        return found

    async def write(number: int) -> int:
        await peer.write(f"new/{os.getpid()}/{number % 20:02}/{number}", bytes(size))
        return int(size)

    async def stream(_: int) -> int:
        found = await peer.stream("large")
        assert found == size, f"read {found} bytes, not {size}"
        return found

    async def put(_: int) -> int:
        await peer.put("large", size)
        return int(size)

    async def count(_: int) -> int:
        found = await peer.list("many")
        assert found == task["files"], f"listed {found} entries"
        return found

    works: dict[str, Callable[[int], Awaitable[int]]] = {
        "read": read,
        "write": write,
        "stream": stream,
        "put": put,
        "list": count,
    }
    numbers = iter(range(task["operations"]))

    async def worker() -> int:
        done = 0
        for number in numbers:
            done += await works[work](number)
        return done

    return sum(await asyncio.gather(*(worker() for _ in range(task["at_once"]))))


async def main() -> None:
    """Do the task that is the one argument."""
    task: Task = json.loads(sys.argv[1])
    peer = PEERS[task["peer"]]()
    await peer.open(task)
    with contextlib.suppress(Exception):  # the first use connects; what it reads need not be there
        await peer.read("warm")
    if task["kind"] == "memory":
        for number in range(task["files"]):
            await peer.write(small(number), bytes(task["size"]))
    begun, before = time.perf_counter(), time.process_time()
    done = await run(peer, task)
    cost = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - before, "done": done}
    cost["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    await peer.close()
    print(json.dumps(cost))


if __name__ == "__main__":
    asyncio.run(main())
