"""What goes wrong in the middle leaves nothing: no file, no temporary file, no descriptor, no task."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import longshore
import pytest
from conftest import Run, descriptors
from longshore.aio import AsyncStore
from longshore.backends import Backend, LocalBackend, MemoryBackend

from store.conftest import files_below


def local(folder: Path) -> LocalBackend:
    """Return the folder as a backend."""
    return LocalBackend(folder / "store", durability="none")


def test_an_iterator_that_raises_leaves_no_file(run: Run, folder: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 300_000
            await asyncio.sleep(0)
        raise LookupError("in the middle")

    def pieces_here() -> Iterator[bytes]:
        yield b"x" * 3_000_000
        raise LookupError("in the middle")

    async def main() -> None:
        async with AsyncStore(local(folder)) as store:
            await store.write("old", b"old")
            for content in (pieces(), pieces_here()):
                with pytest.raises(LookupError, match="in the middle"):
                    await store.write("new", content)
            with pytest.raises(LookupError, match="in the middle"):
                await store.write("old", pieces(), overwrite=True)
            assert await store.read_bytes("old") == b"old"

    run(main)
    with longshore.Store(local(folder)) as store, pytest.raises(LookupError):
        store.write("new", pieces_here())
    assert files_below(folder / "store") == {"old"}


def test_a_cancelled_write_leaves_nothing(run: Run, folder: Path) -> None:
    async def main() -> None:
        async with AsyncStore(local(folder)) as store:
            await store.write("old", b"old")
            for place in range(10):
                ended, under_way = asyncio.Event(), asyncio.Event()

                async def pieces(
                    ended: asyncio.Event = ended, under_way: asyncio.Event = under_way
                ) -> AsyncIterator[bytes]:
                    try:
                        while True:
                            yield b"x" * 200_000
                            under_way.set()
                            await asyncio.sleep(0)
                    finally:
                        ended.set()

                path = "old" if place % 2 else "new"
                task = asyncio.ensure_future(store.write(path, pieces(), overwrite=True))
                await under_way.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
                assert ended.is_set()
            assert await store.read_bytes("old") == b"old"

    run(main)
    assert files_below(folder / "store") == {"old"}


def test_a_loop_that_ends_commits_no_part(folder: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100_000
            await asyncio.sleep(0)

    async def main() -> None:
        store = AsyncStore(local(folder))
        task = asyncio.ensure_future(store.write("part", endless()))
        await asyncio.sleep(0.05)
        assert not task.done()

    asyncio.run(main())
    with longshore.Store(local(folder)) as store:
        assert not store.exists("part")
    assert files_below(folder / "store") == set()


def test_an_early_refusal_ends_the_content(backend: Backend, run: Run) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x"

    async def main() -> None:
        async with AsyncStore(backend) as store:
            content = endless()
            await content.__anext__()
            with pytest.raises(longshore.exceptions.InvalidPath):
                await store.write("../out", content)
            with pytest.raises(StopAsyncIteration):
                await content.__anext__()

    run(main)


def test_ten_thousand_reads_at_once(backend: Backend, run: Run) -> None:
    async def main() -> None:
        async with AsyncStore(backend) as store:
            await store.write("f", b"x" * 1024)
            found = await asyncio.gather(*(store.read_bytes("f") for _ in range(10_000)))
            assert all(len(content) == 1024 for content in found)

    run(main)


def test_twenty_thousand_entries_are_listed(run: Run, folder: Path) -> None:
    (folder / "store").mkdir()
    for number in range(20_000):
        (folder / "store" / str(number)).touch()

    async def main() -> None:
        async with AsyncStore(local(folder)) as store:
            names = {info.name async for info in store.list_files()}
            assert names == {str(number) for number in range(20_000)}
            # Who stops in the middle leaves nothing either.
            async for _ in store.list_files():
                break

    run(main)
    with longshore.Store(local(folder)) as store:
        assert len(store.list_files(pattern="1*").all()) == 11_111


def test_a_gibibyte_streams_in_flat_memory(folder: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, resource, sys
        from longshore.aio import AsyncStore
        from longshore.backends import LocalBackend

        async def main():
            async with AsyncStore(LocalBackend(sys.argv[1], durability="none")) as store:
                size = 0
                async for chunk in store.read("warm"):
                    size += len(chunk)
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
                size = 0
                async for chunk in store.read("big"):
                    size += len(chunk)
                print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)

        asyncio.run(main())
        """
    )
    for name, size in (("warm", 64 << 20), ("big", 1 << 30)):
        with (folder / name).open("wb") as file:
            file.truncate(size)
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, timeout=110, check=True
    )
    size, grown = map(int, done.stdout.split())
    assert size == 1 << 30 and grown < 16 * 1024, done.stdout


def test_no_descriptor_is_left(run: Run, folder: Path) -> None:
    (folder / "store").mkdir()
    with (folder / "store" / "big").open("wb") as file:
        file.truncate(8 << 20)

    async def main() -> None:
        async with AsyncStore(local(folder)) as store:
            for _ in range(20):
                async with store.read("big") as reading:
                    await reading.__anext__()
                await store.read("big").__anext__()
                await store.write("f", b"x" * 2_000_000, overwrite=True)

    run(main)
    gc.collect()
    before = descriptors()
    for _ in range(5):
        run(main)
    gc.collect()
    assert len(descriptors()) <= len(before), descriptors() - before


def test_an_interrupt_ends_a_blocking_write(folder: Path) -> None:
    program = textwrap.dedent(
        """
        import sys, time, longshore
        from longshore.backends import LocalBackend

        def endless():
            print("begun", flush=True)
            while True:
                yield b"x" * 1000
                time.sleep(0.001)

        store = longshore.Store(LocalBackend(sys.argv[1], durability="none"))
        try:
            store.write("part", endless())
        except KeyboardInterrupt:
            store.close()
            print("interrupted", flush=True)
        """
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(folder / "store")], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=20)[0] == "interrupted\n"
    assert files_below(folder / "store") == set()


def test_threads_and_loops_share_a_backend() -> None:
    backend = MemoryBackend()

    def in_a_thread(number: int) -> None:
        async def main() -> None:
            async with AsyncStore(backend) as store:
                for place in range(50):
                    await store.write(f"{number}/{place}", os.urandom(10))

        asyncio.run(main())

    workers = [threading.Thread(target=in_a_thread, args=(number,)) for number in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with longshore.Store(backend) as store:
        assert len(store.list_files(recursive=True).all()) == 250


def test_a_forked_child_is_told() -> None:
    with longshore.Store(MemoryBackend()) as store:
        store.write("f", b"1")
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                store.read_bytes("f")
                told = b"nothing"
            except RuntimeError as error:
                told = str(error).encode()
            os.write(writer, told)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            assert b"forked" in file.read()
        os.waitpid(child, 0)


def test_the_interpreter_ends_while_much_is_written(folder: Path) -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys
        from longshore.aio import AsyncStore
        from longshore.backends import LocalBackend

        async def main():
            store = AsyncStore(LocalBackend(sys.argv[1]))
            writing = [asyncio.ensure_future(store.write(str(number), b"x" * 100_000)) for number in range(200)]
            await asyncio.sleep(0)
            assert not all(task.done() for task in writing)

        asyncio.run(main())
        """
    )
    argv = [sys.executable, "-X", "dev", "-c", program, str(folder / "store")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "panic" not in done.stderr, done.stderr
    with longshore.Store(local(folder)) as store:
        assert all(info.size == 100_000 for info in store.list_files())
