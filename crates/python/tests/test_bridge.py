"""The bridge between loops and Rust: nothing hangs, nothing is left."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import longshore
import pytest
from conftest import Run, Server, descriptors
from longshore.aio import AsyncClient


def test_ten_thousand_tasks_at_once(server: Server, run: Run) -> None:
    async def main() -> None:
        async with AsyncClient(server.key, server.url) as c:
            root = await c.files.by_path("/")
            found = await asyncio.gather(*(c.files.stat(root.id) for _ in range(10_000)))
            assert all(node.id == root.id for node in found)

    run(main)


def test_each_loop_has_its_own(server: Server) -> None:
    c = AsyncClient(server.key, server.url)
    ids: list[str] = []

    def in_a_thread() -> None:
        async def main() -> None:
            for _ in range(20):
                ids.append((await c.files.by_path("/")).id)

        asyncio.run(main())

    workers = [threading.Thread(target=in_a_thread) for _ in range(5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    in_a_thread()
    assert len(ids) == 120 and len(set(ids)) == 1


def test_loops_that_are_gone_leave_no_descriptor(server: Server) -> None:
    async def main() -> None:
        async with AsyncClient(server.key, server.url) as c:
            await c.me()

    asyncio.run(main())
    gc.collect()
    before = descriptors()
    for _ in range(20):
        asyncio.run(main())
    gc.collect()
    # Connections close in the background.
    deadline = time.monotonic() + 10
    while len(descriptors()) > len(before) + 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(descriptors()) <= len(before) + 3, descriptors() - before


def test_a_loop_that_ends_in_the_middle_hurts_nobody(server: Server) -> None:
    async def main() -> None:
        c = AsyncClient(server.key, server.url)
        tasks = [asyncio.ensure_future(c.me()) for _ in range(100)]
        await asyncio.sleep(0)
        del tasks

    for _ in range(5):
        asyncio.run(main())


def test_waiting_twice_is_an_error(server: Server) -> None:
    with longshore.Client(server.key, server.url) as c:
        pending = c._core.call("me")
        pending.wait()
        with pytest.raises(RuntimeError, match="already"):
            pending.wait()


def test_a_cancelled_task_lets_go_of_a_server_that_says_nothing(server: Server, run: Run) -> None:
    async def main() -> None:
        heard, gone = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            heard.set()
            await reader.read()
            gone.set()
            writer.close()

        async with await asyncio.start_server(silent, "127.0.0.1", 0) as service:
            port = service.sockets[0].getsockname()[1]
            async with AsyncClient(server.key, f"http://127.0.0.1:{port}") as c:
                waits = asyncio.ensure_future(c.me())
                await asyncio.wait_for(heard.wait(), 20)
                waits.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await asyncio.wait_for(waits, 20)
                # Nothing would ever wake the work but the cancellation.
                await asyncio.wait_for(gone.wait(), 20)

    run(main)


def test_an_interrupt_ends_what_waits(server: Server) -> None:
    program = textwrap.dedent(
        """
        import sys, longshore
        c = longshore.Client(sys.argv[1], sys.argv[2])
        newest = c.workspaces.get_current().seq
        print("waits", flush=True)
        try:
            c.events.wait(60, after=newest)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """
    )
    argv = [sys.executable, "-c", program, server.key, server.url]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "waits\n"
            time.sleep(0.3)
            child.send_signal(signal.SIGINT)
            assert child.communicate(timeout=20)[0] == "interrupted\n"
            assert child.returncode == 0
        finally:
            child.kill()


def test_a_forked_child_is_told(server: Server) -> None:
    with longshore.Client(server.key, server.url) as c:
        c.me()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                c.me()
                told = b"nothing"
            except RuntimeError as error:
                told = str(error).encode()
            os.write(writer, told)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            assert b"forked" in file.read()
        os.waitpid(child, 0)


def test_the_interpreter_ends_while_much_is_under_way(server: Server) -> None:
    program = textwrap.dedent(
        """
        import asyncio, sys, threading
        from longshore.aio import AsyncClient
        async def main():
            c = AsyncClient(sys.argv[1], sys.argv[2])
            newest = (await c.workspaces.get_current()).seq
            waiting = [asyncio.ensure_future(c.events.wait(60, after=newest)) for _ in range(200)]
            await asyncio.sleep(0.2)
            assert not any(task.done() for task in waiting)
        asyncio.run(main())
        """
    )
    argv = [sys.executable, "-X", "dev", "-c", program, server.key, server.url]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Fatal" not in done.stderr and "panic" not in done.stderr, done.stderr
