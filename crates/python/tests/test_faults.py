"""What goes wrong in the middle is a clear exception, and leaves nothing: no task, thread, descriptor or half file."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Run, Server, descriptors, serving, threads
from longshore import exceptions, models
from longshore.aio import AsyncClient, Progress

MIB = 1 << 20
SPARE = 4
"""How many descriptors a pool of connections may have more than before."""

Fault = Callable[[AsyncClient, models.Node, Path], Awaitable[None]]


async def endless(began: asyncio.Event, ended: list[str]) -> AsyncIterator[bytes]:
    """Give content without end, and note that it was closed."""
    try:
        while True:
            yield bytes(100_000)
            began.set()
            await asyncio.sleep(0)
    finally:
        ended.append("closed")


async def cancelled(work: Awaitable[Any], began: asyncio.Event | None = None) -> None:
    """Begin work, and cancel it."""
    task = asyncio.ensure_future(work)
    if began is None:
        await asyncio.sleep(0.01)
    else:
        await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def a_cancelled_upload_of_a_stream(c: AsyncClient, _: models.Node, __: Path) -> None:
    began, ended = asyncio.Event(), list[str]()
    await cancelled(c.files.upload(endless(began, ended), filename="never"), began)
    assert ended == ["closed"]


async def a_cancelled_upload_of_a_file(c: AsyncClient, _: models.Node, folder: Path) -> None:
    with (folder / "source").open("wb") as file:
        file.truncate(256 * MIB)
    began = asyncio.Event()

    def tell(step: Progress) -> None:
        if step.event == "bytes":
            began.set()

    await cancelled(c.files.upload(path=folder / "source", filename="never", progress=tell), began)
    (folder / "source").unlink()


async def a_generator_that_raises(c: AsyncClient, _: models.Node, __: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield bytes(3 * MIB)
        message = "the source broke"
        raise KeyError(message)

    async def broken_too() -> AsyncIterator[bytes]:
        for chunk in broken():
            yield chunk

    for source in (broken(), broken_too()):
        with pytest.raises(KeyError, match="the source broke"):
            await c.files.upload(source, filename="never")


async def a_source_that_gives_text(c: AsyncClient, _: models.Node, folder: Path) -> None:
    with (folder / "text").open("w+") as file:
        for source in (file, io.StringIO("text"), iter(["text"]), "text"):
            with pytest.raises(TypeError):
                await c.files.upload(source, filename="never")  # type: ignore[arg-type]
    (folder / "text").unlink()


async def a_callback_that_raises(c: AsyncClient, large: models.Node, folder: Path) -> None:
    def fail(_: Progress) -> None:
        message = "the callback broke"
        raise LookupError(message)

    with pytest.raises(LookupError, match="the callback broke"):
        await c.files.upload(data=bytes(20 * MIB), filename="never", progress=fail)
    with pytest.raises(LookupError, match="the callback broke"):
        await c.files.download_to(large, folder / "down", progress=fail, resume=False)


async def a_cancelled_download(c: AsyncClient, large: models.Node, folder: Path) -> None:
    began = asyncio.Event()

    def tell(step: Progress) -> None:
        if step.event == "bytes":
            began.set()

    await cancelled(c.files.download_to(large, folder / "down", progress=tell, resume=False), began)


async def a_stream_that_nobody_reads_on(c: AsyncClient, large: models.Node, __: Path) -> None:
    for _ in range(20):
        async for chunk in c.files.stream(large):
            assert chunk
            break


async def a_wait_for_a_lock_that_is_cancelled(c: AsyncClient, _: models.Node, __: Path) -> None:
    # A grant that was on its way to who stopped waiting ends with its lease, so nobody else wants this one.
    wanted = await c.files.upload(data=b"x", filename=str(uuid.uuid4()))
    async with c.files.lock(wanted.id):

        async def wait() -> None:
            async with AsyncClient(*c.said).files.lock(wanted.id, wait=60):  # type: ignore[attr-defined]
                pytest.fail("two hold the lock")

        await cancelled(wait())


async def a_client_that_is_closed_meanwhile(c: AsyncClient, large: models.Node, _: Path) -> None:
    other = AsyncClient(*c.said)  # type: ignore[attr-defined]
    reading = other.files.stream(large)
    assert await reading.__anext__()
    await other.aclose()
    with pytest.raises(exceptions.ClosedError):
        await other.files.upload(data=b"late", filename="never")
    await reading.aclose()


async def ten_thousand_uploads_that_are_cancelled(c: AsyncClient, _: models.Node, __: Path) -> None:
    taken = [str(uuid.uuid4()) for _ in range(10_000)]
    tasks = [asyncio.ensure_future(c.files.upload(data=b"x", destination=f"/many/{one}")) for one in taken]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert any(isinstance(end, asyncio.CancelledError) for end in ends)
    # A file is there as a whole or not at all, and where the answer came it is.
    there = {node.name: node.size async for node in c.files.list("/many")}
    assert set(there.values()) == {1}
    assert {end.name for end in ends if isinstance(end, models.Node)} <= set(there)
    await c.files.delete(await c.files.by_path("/many"))


FAULTS: list[Fault] = [
    a_cancelled_upload_of_a_stream,
    a_cancelled_upload_of_a_file,
    a_generator_that_raises,
    a_source_that_gives_text,
    a_callback_that_raises,
    a_cancelled_download,
    a_stream_that_nobody_reads_on,
    a_wait_for_a_lock_that_is_cancelled,
    a_client_that_is_closed_meanwhile,
    ten_thousand_uploads_that_are_cancelled,
]


def open_uploads(server: Server) -> list[Any]:
    """Return the resumable uploads that the server keeps for this key."""
    request = urllib.request.Request(
        f"{server.url}/v1/uploads", headers={"Authorization": f"Bearer {server.key}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        found: list[Any] = json.load(answer)["items"]
        return found


def settles(now: Callable[[], int], most: int) -> None:
    """Wait until no more than so many are left: uploads are removed, connections closed, idle threads ended, in the
    background.
    """
    deadline = time.monotonic() + 40
    while now() > most and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.05)
    assert now() <= most


@pytest.fixture(scope="module", autouse=True)
def no_thread_is_left() -> Iterator[None]:
    """Compare once for all tests here: a thread of Rust's that has nothing to do ends after ten seconds."""
    before = threads()
    yield
    settles(threads, before + SPARE)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_fault_leaves_nothing(fault: Fault, server: Server, run: Run, folder: Path) -> None:
    content = bytes(64 * MIB)

    async def first() -> models.Node:
        async with AsyncClient(server.key, server.url) as c:
            return await c.files.upload(data=content, destination="/large")

    large: models.Node = run(first)
    gc.collect()
    before = descriptors()

    async def main() -> None:
        async with AsyncClient(server.key, server.url) as c:
            c.said = (server.key, server.url)  # type: ignore[attr-defined]
            await fault(c, large, folder)
            assert not [node async for node in c.files.list("/", depth=None) if node.name == "never"]
            # What was cancelled at any moment is not in the way of the same again.
            assert (await c.files.upload(data=b"now", filename="now")).size == 3

    run(main)
    settles(lambda: len(open_uploads(server)), 0)
    assert list(folder.iterdir()) == []
    settles(lambda: len(descriptors()), len(before) + SPARE)


def test_a_server_that_is_killed_is_a_network_error(run: Run, folder: Path) -> None:
    def killing(work: Callable[[AsyncClient, Callable[[], None]], Awaitable[Any]]) -> None:
        home = folder / str(uuid.uuid4())
        home.mkdir()
        with serving(home) as server:

            async def main() -> None:
                retries = {"max_attempts": 2, "retry_base": 0.01, "retry_cap": 0.02}
                async with AsyncClient(server.key, server.url, **retries) as c:  # type: ignore[arg-type]
                    with pytest.raises(exceptions.NetworkError):
                        await work(c, server.process.kill)

            run(main)

    async def upload(c: AsyncClient, kill: Callable[[], None]) -> None:
        async def content() -> AsyncIterator[bytes]:
            yield bytes(MIB)
            kill()
            for _ in range(1000):
                yield bytes(MIB)

        await c.files.upload(content(), filename="never")

    async def download(c: AsyncClient, kill: Callable[[], None]) -> None:
        made = await c.files.upload(data=os.urandom(64 * MIB), filename="large")
        async for _ in c.files.stream(made):
            kill()

    before = descriptors()
    killing(upload)
    killing(download)
    settles(lambda: len(descriptors()), len(before) + SPARE)
