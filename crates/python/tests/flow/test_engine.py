"""The Rust engine under many requests: connections that are used again, loops that come and go, forks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from longshore.aio.flow import WebError, fetch_bulk
from longshore.aio.flow._http import RustEngine, fetch

from .loopback import Run, left_running, reply, serve

PIECE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@dataclass
class Keeper:
    """A server that keeps its connections, and counts them."""

    url: str = ""
    connections: int = 0
    requests: int = 0


@contextlib.asynccontextmanager
async def keep() -> AsyncIterator[Keeper]:
    """Run a server that answers what comes on a connection until that ends."""
    keeper, handlers = Keeper(), set[asyncio.Task[None]]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        keeper.connections += 1
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                keeper.requests += 1
                writer.write(PIECE)
                await writer.drain()
        writer.transport.abort()
        handlers.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, backlog=1000)
    keeper.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    try:
        yield keeper
    finally:
        server.close()
        left = list(handlers)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


def test_connections_are_used_again(run: Run) -> None:
    async def main() -> None:
        async with keep() as keeper:
            engine = RustEngine()
            for _ in range(20):
                assert (await engine.fetch(keeper.url))[2] == b"hello"
            async with engine.stream(keeper.url) as answer:
                assert b"".join([piece async for piece in answer]) == b"hello"
            assert (keeper.requests, keeper.connections) == (21, 1)

    run(main())


def test_a_kept_connection_that_ends_with_the_next_request_costs_nothing(run: Run) -> None:
    async def main() -> None:
        seen: list[int] = []

        async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = len(set(seen))
            for answer in (PIECE, b""):
                with contextlib.suppress(asyncio.IncompleteReadError):
                    await reader.readuntil(b"\r\n\r\n")
                    seen.append(connection)
                    writer.write(answer)
            writer.close()

        server = await asyncio.start_server(answer_once, "127.0.0.1", 0)
        url, engine = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", RustEngine()
        for _ in range(3):
            assert (await engine.fetch(url))[2] == b"hello"
        # Two of them went to a connection that was closed instead of answering, and once more to a new one.
        assert seen == [0, 0, 1, 1, 2]
        server.close()
        del engine
        while left_running():
            await asyncio.sleep(0)

    run(main())


def threads() -> int:
    """Return how many threads this process has."""
    return (
        len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else threading.active_count()
    )


def test_ten_thousand_fetches_leave_nothing(run: Run) -> None:
    # Tasks, faults and descriptors are looked at by `run`.
    run(fetch_all(1))
    before = threads()
    run(fetch_all(10_000))
    assert threads() <= before


async def fetch_all(count: int) -> None:
    async with keep() as keeper:
        results = await fetch_bulk((keeper.url for _ in range(count)), max_concurrent=100)
        assert [(result.status, result.body, result.error) for result in results] == [
            (200, b"hello", None)
        ] * count
        assert keeper.requests == count
        # There may be some more than run at once: one is begun where none is free in that moment.
        assert keeper.connections <= max(count // 10, 1)


def test_a_connection_outlives_the_loop_that_opened_it() -> None:
    """One engine, a server in a thread, and a new loop for each request."""
    engine, ready, done = RustEngine(), threading.Event(), threading.Event()
    keepers: list[Keeper] = []

    async def serve_until_done() -> None:
        async with keep() as keeper:
            keepers.append(keeper)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve_until_done()))
    thread.start()
    try:
        ready.wait()
        for _ in range(5):
            assert asyncio.run(engine.fetch(keepers[0].url))[2] == b"hello"
        assert (keepers[0].requests, keepers[0].connections) == (5, 1)
    finally:
        done.set()
        thread.join()


def test_a_cancelled_fetch_is_no_harm_to_the_next(run: Run) -> None:
    async def main() -> None:
        async with keep() as keeper:
            engine = RustEngine()
            for _ in range(50):
                task = asyncio.create_task(engine.fetch(keeper.url))
                await asyncio.sleep(0)
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
                assert (await engine.fetch(keeper.url))[2] == b"hello"

    run(main())


def test_authorities_that_cannot_be_read_are_told(run: Run) -> None:
    with pytest.raises(WebError) as caught:
        run(RustEngine(ca_file="/nonexistent/ca.pem").fetch("https://127.0.0.1/"))
    assert (caught.value.code, caught.value.is_retryable) == ("web_tls", False)


def test_what_is_no_bound_is_refused() -> None:
    for seconds in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError):
            RustEngine(timeout=seconds)


def test_a_forked_child_is_told(run: Run) -> None:
    async def main() -> str:
        async with serve(lambda _target, _headers: reply("x")) as server:
            await fetch(server.url("/"))
            return server.url("/")

    url = run(main())
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        told = b"nothing"
        try:
            fetch(url).send(None)
        except RuntimeError as error:
            told = str(error).encode()
        finally:
            os.write(writer, told)
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        assert b"forked" in file.read()
    os.waitpid(child, 0)
