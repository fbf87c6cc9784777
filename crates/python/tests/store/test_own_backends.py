"""Backends of one's own: where their methods run, and what they hear when who waits goes away."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import longshore
import pytest
from conftest import Run
from longshore import FileInfo, FolderEntry
from longshore.aio import AsyncStore

from store.attic import Attic, BlockingAttic


class Seen(BlockingAttic):
    """Notes in which threads it is asked, and what its writes ended with."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: set[int] = set()
        self.failed: list[BaseException] = []
        self.writes, self.may_go_on = threading.Semaphore(0), threading.Event()

    def stat(self, path: str) -> FileInfo | FolderEntry:
        self.threads.add(threading.get_ident())
        return super().stat(path)

    def write(
        self,
        path: str,
        chunks: Iterator[bytes],
        *,
        overwrite: bool,
        metadata: Mapping[str, str],
        media_type: str | None,
    ) -> FileInfo:
        self.threads.add(threading.get_ident())
        self.writes.release()
        try:
            return super().write(path, chunks, overwrite=overwrite, metadata=metadata, media_type=media_type)
        except BaseException as error:
            self.failed.append(error)
            raise

    def ping(self) -> None:
        assert self.may_go_on.wait(60)


def writers() -> list[str]:
    """Return the threads that write."""
    return [thread.name for thread in threading.enumerate() if thread.name == "longshore-write"]


def test_a_blocking_backend_holds_up_no_loop(run: Run) -> None:
    backend = Seen()

    async def main() -> None:
        async with AsyncStore(backend) as store:
            waits = asyncio.ensure_future(store.ping())
            await store.write("f", b"1")
            assert await store.exists("f") and not waits.done()
            backend.may_go_on.set()
            await waits
        assert threading.get_ident() not in backend.threads

    run(main)
    assert writers() == []


def test_a_blocking_store_asks_in_the_thread_that_waits() -> None:
    backend = Seen()
    with longshore.Store(backend) as store:
        store.write("f", b"1")
        assert store.exists("f") and backend.threads == {threading.get_ident()}


def test_a_cancelled_write_is_heard_by_the_backend(run: Run) -> None:
    backend = Seen()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    async def main() -> None:
        async with AsyncStore(backend) as store:
            await store.write("f", b"old")
            backend.writes.acquire()
            writing = asyncio.ensure_future(store.write("f", endless(), overwrite=True))
            await asyncio.to_thread(backend.writes.acquire)
            for _ in range(2):
                writing.cancel()
                await asyncio.sleep(0)
            with pytest.raises(asyncio.CancelledError):
                await writing
            assert writers() == [] and await store.read_bytes("f") == b"old"
        (error,) = backend.failed
        assert isinstance(error, asyncio.CancelledError)

    run(main)


def test_content_that_raises_is_told_to_both(run: Run) -> None:
    backend = Seen()

    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise LookupError("here")

    async def main() -> None:
        async with AsyncStore(backend) as store:
            with pytest.raises(LookupError, match="here"):
                await store.write("f", broken())
            assert not await store.exists("f") and isinstance(backend.failed[0], LookupError)

    run(main)


def test_what_is_written_may_be_what_is_read(run: Run) -> None:
    async def main() -> None:
        async with AsyncStore(BlockingAttic()) as store:
            await store.write("f", b"x" * 1000)
            copies = (store.write(f"copy/{number}", store.read("f")) for number in range(200))
            await asyncio.gather(*copies)
            assert (await store.get_folder_info("copy")).total_size == 200_000

            async def nested(number: int) -> AsyncIterator[bytes]:
                yield b"x"
                await store.write(f"inner/{number}", b"y")

            await asyncio.gather(*(store.write(f"outer/{number}", nested(number)) for number in range(100)))
            assert (await store.get_folder_info("inner")).file_count == 100

    run(main)
    for backend in (Attic(), BlockingAttic()):
        with longshore.Store(backend) as here:
            here.write("f", b"x" * 1000)
            here.write("copy", here.read("f"))
            assert here.read_bytes("copy") == b"x" * 1000


class InOneLoop(Attic):
    """Notes the loops that it is asked in."""

    def __init__(self) -> None:
        super().__init__()
        self.loops: set[int] = set()
        self.cancelled = 0

    async def stat(self, path: str) -> FileInfo | FolderEntry:
        self.loops.add(id(asyncio.get_running_loop()))
        return await super().stat(path)

    async def write(self, path: str, chunks: AsyncIterator[bytes], **said: Any) -> FileInfo:
        try:
            return await super().write(path, chunks, **said)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


def test_threads_share_the_loop_of_an_asynchronous_backend() -> None:
    backend = InOneLoop()
    with longshore.Store(backend) as store, ThreadPoolExecutor(8) as pool:
        content_from: set[int] = set()

        def pieces() -> Iterator[bytes]:
            content_from.add(threading.get_ident())
            yield b"x"

        def work(number: int) -> bool:
            store.write(f"f{number}", pieces())
            return store.exists(f"f{number}") and threading.get_ident() in content_from

        assert all(pool.map(work, range(200)))
    assert len(backend.loops) == 1

    async def main() -> None:
        # Also from a thread whose loop is running, which waits then.
        assert store.root_path == "" and longshore.Store(backend).exists("f7")

    asyncio.run(main())
    assert len(backend.loops) == 1


@pytest.mark.parametrize("make", [InOneLoop, Seen])
def test_an_interrupt_ends_a_write(make: Callable[[], Any]) -> None:
    backend = make()

    def interrupted() -> Iterator[bytes]:
        yield b"x"
        raise KeyboardInterrupt

    with longshore.Store(backend) as store:
        with pytest.raises(KeyboardInterrupt):
            store.write("f", interrupted())
        assert not store.exists("f")
        store.write("f", b"again")
    assert backend.cancelled == 1 if isinstance(backend, InOneLoop) else len(backend.failed) == 1


def test_an_asynchronous_backend_cannot_wait_for_another_in_its_loop() -> None:
    other = longshore.Store(Attic())

    class Asks(Attic):
        async def stat(self, path: str) -> FileInfo | FolderEntry:
            other.exists(path)
            return await super().stat(path)

    with longshore.Store(Asks()) as store, pytest.raises(RuntimeError, match="cannot wait"):
        store.exists("f")


def test_a_mistaken_method_is_told(run: Run) -> None:
    class Mistaken(BlockingAttic):
        async def stat(self, path: str) -> FileInfo | FolderEntry:  # type: ignore[override]
            return super().stat(path)

    with longshore.Store(Mistaken()) as store, pytest.raises(TypeError, match="AsyncBackend"):
        store.exists("f")

    async def main() -> None:
        async with AsyncStore(Mistaken()) as store:
            with pytest.raises(TypeError, match="AsyncBackend"):
                await store.exists("f")

    run(main)


def test_a_listing_that_is_left_is_closed(run: Run) -> None:
    ended: list[str] = []

    class Long(BlockingAttic):
        def list(self, path: str, max_depth: int | None) -> Iterator[FileInfo | FolderEntry]:
            assert (path, max_depth) == ("", 0)
            try:
                for number in range(1_000_000):
                    yield FolderEntry(f"{number}", f"{number}")
            finally:
                ended.append("closed")

    with longshore.Store(Long()) as store:
        listing = store.list_folders()
        assert listing.first() == FolderEntry("0", "0")
        listing.close()
    assert ended == ["closed"]

    async def main() -> None:
        async with AsyncStore(Long()) as store:
            found = store.list_folders()
            assert await found.first() == FolderEntry("0", "0")
            await found.aclose()

    run(main)
    assert ended == ["closed"] * 2


@pytest.mark.parametrize("make", [Attic, BlockingAttic])
def test_a_forked_child_is_told(make: Callable[[], Any]) -> None:
    backend = make()
    in_loop = AsyncStore(backend)
    here = longshore.Store(backend)
    asyncio.run(in_loop.write("f", b"1"))
    assert here.read_bytes("f") == b"1"
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        told = []
        # What needs no thread works in the child too.
        attempts: tuple[Callable[[], bytes], ...] = (
            lambda: here.read_bytes("f"),
            lambda: asyncio.run(in_loop.read_bytes("f")),
        )
        for attempt in attempts:
            try:
                told.append(attempt().decode())
            except RuntimeError as error:
                told.append(str(error))
        os.write(writer, "\n".join(told).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        lines = file.read().decode().splitlines()
    os.waitpid(child, 0)
    forked = ["forked" in line for line in lines]
    assert forked == ([True, False] if make is Attic else [False, True]), lines


def test_the_interpreter_ends_while_much_is_written() -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys
        import longshore
        from longshore.aio import AsyncStore
        from store.attic import Attic, BlockingAttic

        async def endless():
            yield b"x"
            await asyncio.Event().wait()

        async def main():
            store = AsyncStore(BlockingAttic())
            tasks = [asyncio.ensure_future(store.write(str(number), endless())) for number in range(100)]
            await asyncio.sleep(0.1)
            assert not any(task.done() for task in tasks)

        longshore.Store(Attic()).write("f", b"")
        asyncio.run(main())

        # A loop that is closed with work under way, which nobody cancels.
        loop = asyncio.new_event_loop()
        writing = loop.create_task(AsyncStore(BlockingAttic()).write("f", endless()))
        loop.run_until_complete(asyncio.sleep(0.1))
        print("over", flush=True)
        """
    )
    tests = os.path.dirname(os.path.dirname(__file__))
    path = os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH")]))
    argv = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert (done.returncode, done.stdout) == (0, "over\n"), done.stderr
