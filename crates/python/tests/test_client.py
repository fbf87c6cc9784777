"""What the client does, in a loop and in a thread, against a real server."""

from __future__ import annotations

import asyncio
import io
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import longshore
import pytest
from conftest import Run, Server
from longshore import exceptions
from longshore.aio import AsyncClient, Hand, Progress


def client(server: Server, **settings: Any) -> AsyncClient:
    """Return a client of the server."""
    return AsyncClient(server.key, server.url, **settings)


def name() -> str:
    """Return a name that nobody else has."""
    return f"{uuid.uuid4()}.bin"


def test_the_environment_names_key_and_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LONGSHORE_API_KEY", raising=False)
    monkeypatch.setenv("LONGSHORE_URL", server.url)
    with pytest.raises(exceptions.AuthenticationError, match="LONGSHORE_API_KEY"):
        longshore.Client()
    monkeypatch.setenv("LONGSHORE_API_KEY", server.key)
    with longshore.Client() as found:
        assert found.workspaces.get_current().name


def test_a_file_goes_up_and_comes_down(server: Server, run: Run) -> None:
    async def main() -> None:
        async with client(server) as c:
            workspace = await c.workspaces.get_current()
            data = os.urandom(300_000)
            made = await c.files.upload(file_stream=io.BytesIO(data), filename=name(), parent_id="root")
            assert (made.kind, made.size, made.workspace_id) == ("file", len(data), workspace.id)
            assert await c.files.download(made.id) == data
            assert await c.files.download_async(made.id) == data
            assert b"".join([chunk async for chunk in c.files.stream(made.id)]) == data
            assert await c.files.stream(made, start=10, end=20).read() == data[10:20]
            assert (await c.files.stat(made.id)) == made
            again = await c.files.upload_version(made.id, data=b"new")
            assert again.id == made.id and again.version_id != made.version_id
            assert await c.files.download(made.id, version_id=made.version_id) == data
            assert [version.number async for version in c.files.versions(made.id)] == [2, 1]

    run(main)


def chunks() -> Iterator[bytes]:
    """Yield some content."""
    for number in range(100):
        yield b"%d" % number * 1000


async def async_chunks() -> AsyncIterator[bytes]:
    """Yield the same."""
    for chunk in chunks():
        yield chunk


class Reader:
    """Something with `read`."""

    def __init__(self) -> None:
        self.inner = io.BytesIO(b"".join(chunks()))

    def read(self, size: int = -1) -> bytes:
        """Read."""
        return self.inner.read(size)


class AsyncReader(Reader):
    """Something with an asynchronous `read`."""

    async def read(self, size: int = -1) -> bytes:  # type: ignore[override]
        """Read."""
        await asyncio.sleep(0)
        return self.inner.read(size)


def test_content_comes_from_anything(server: Server, run: Run, folder: Path) -> None:
    whole = b"".join(chunks())
    (folder / "file").write_bytes(b"before" + whole)

    async def main() -> None:
        async with client(server) as c:
            with (folder / "file").open("rb") as file:
                assert file.read(6) == b"before"
                later = await c.files.upload(file)
                assert later.name == "file" and file.read() == b""
            with (folder / "file").open("rb") as file:
                all_of_it = await c.files.upload(file, filename=name())
            assert all_of_it.size == len(whole) + 6
            given: list[Any] = [
                chunks(),
                async_chunks(),
                Reader(),
                AsyncReader(),
                io.BytesIO(whole),
                whole,
                memoryview(whole),
            ]
            with tempfile.SpooledTemporaryFile() as spooled:
                spooled.write(whole)
                spooled.seek(0)
                for source in [*given, spooled]:
                    made = await c.files.upload(source, filename=name())
                    assert await c.files.download(made) == whole, source
            assert await c.files.download(later) == whole

    run(main)


def test_what_cannot_be_read_is_told_at_once(server: Server, run: Run, folder: Path) -> None:
    (folder / "text").write_text("text")

    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        message = "the source broke"
        raise KeyError(message)

    async def main() -> None:
        async with client(server) as c:
            with (folder / "text").open() as file, pytest.raises(TypeError, match="'rb'"):
                await c.files.upload(file)
            with (folder / "text").open("rb") as closed:
                pass
            with pytest.raises(ValueError, match="closed"):
                await c.files.upload(closed)
            with pytest.raises(TypeError, match="exactly|one of"):
                await c.files.upload(path="a", data=b"")
            with pytest.raises(TypeError, match="filename"):
                await c.files.upload(data=b"")
            with pytest.raises(FileNotFoundError):
                await c.files.upload(path=folder / "missing")
            with pytest.raises(TypeError, match="'rb'"):
                await c.files.upload(io.StringIO("text"), filename=name())
            taken = name()
            with pytest.raises(KeyError, match="the source broke"):
                await c.files.upload(broken(), filename=taken)
            with pytest.raises(exceptions.NotFoundError):
                await c.files.by_path(f"/{taken}")

    run(main)


def test_exceptions_say_what_to_do(server: Server, run: Run) -> None:
    async def main() -> None:
        async with client(server) as c:
            with pytest.raises(FileNotFoundError) as missing:
                await c.files.by_path("/not there")
            assert isinstance(missing.value, exceptions.NotFoundError)
            assert (missing.value.code, missing.value.status) == ("path_not_found", 404) or missing.value.code
            assert missing.value.request_id
            made = await c.files.upload(data=b"1", filename=name())
            with pytest.raises(exceptions.PreconditionFailedError) as stale:
                other = await c.files.upload(data=b"", filename=name())
                await c.files.upload_version(made, data=b"2", if_match=other.version_id)
            assert stale.value.current_version == made.version_id
            with pytest.raises(exceptions.AlreadyExistsError):
                await c.files.upload(data=b"2", filename=made.name, on_conflict="error")
            for said in ("", "no id", "nd_"):
                with pytest.raises(ValueError):
                    await c.files.stat(said)
            with pytest.raises(exceptions.InvalidError):
                await c.files.upload(data=b"", destination="/a/../b")
        with pytest.raises(exceptions.AuthenticationError):
            async with AsyncClient("lsk_wrong", server.url) as c:
                await c.me()
        with pytest.raises(exceptions.NetworkError) as unreached:
            async with AsyncClient(server.key, "http://127.0.0.1:9", max_attempts=1) as c:
                await c.me()
        assert unreached.value.is_retryable
        assert isinstance(unreached.value, ConnectionError)

    run(main)


def test_a_lock_of_a_client_goes_with_its_writes(server: Server, run: Run) -> None:
    async def main() -> None:
        async with client(server) as mine, client(server) as other:
            made = await mine.files.upload(data=b"1", filename=name())
            lock = await mine.files.acquire_lock(made.id)
            with pytest.raises(exceptions.LockedError):
                await other.files.upload_version(made.id, data=b"no")
            with pytest.raises(exceptions.LockedError):
                await other.files.acquire_lock(made.id)
            await mine.files.upload_version(made.id, file_stream=io.BytesIO(b"2"))
            await mine.files.release_lock(made.id, lock.id)
            async with other.files.lock(made.id) as held:
                await other.files.upload_version(made.id, data=b"3", lock=held)
                with pytest.raises(exceptions.LockedError):
                    await mine.files.upload_version(made.id, data=b"no")
            assert await mine.files.download(made.id) == b"3"

    run(main)


def test_many_files_and_failures_as_values(server: Server, run: Run, folder: Path) -> None:
    async def main() -> None:
        async with client(server) as c:
            place = f"/many {uuid.uuid4()}"
            items: list[Any] = [(b"%d" % number, f"{place}/{number}") for number in range(500)]
            items[7] = (folder / "missing", f"{place}/7")
            outcomes = await c.files.upload_many(items)
            assert [outcome.index for outcome in outcomes] == list(range(500))
            assert [outcome.index for outcome in outcomes if outcome.error] == [7]
            assert isinstance(outcomes[7].error, FileNotFoundError)
            listed = await c.files.list(place).all()
            assert len(listed) == 499
            wanted = [(node, folder / node.name) for node in listed]
            for outcome in await c.files.download_many(wanted):
                assert outcome.unwrap().bytes == outcome.item[0].size
            assert all((folder / node.name).read_bytes() == node.name.encode() for node in listed)

    run(main)


def test_progress_is_told_in_the_loop_and_what_it_raises_ends_the_transfer(server: Server, run: Run) -> None:
    async def main() -> None:
        async with client(server) as c:
            steps: list[Progress] = []
            data = os.urandom(3_000_000)
            made = await c.files.upload(data=data, filename=name(), progress=steps.append)
            await asyncio.sleep(0)
            assert sum(step.count for step in steps if step.event == "bytes") == len(data)
            assert steps[0].event == "started"

            def fail(_: Progress) -> None:
                message = "the callback broke"
                raise LookupError(message)

            with pytest.raises(LookupError, match="the callback broke"):
                await c.files.upload(data=data * 10, filename=name(), progress=fail)
            hand = Hand()
            hand.cancel()
            with pytest.raises(exceptions.CancelledTransferError):
                await c.files.download_to(made, tempfile.mktemp(), hand=hand)

    run(main)


def test_a_cancelled_upload_leaves_nothing(server: Server, run: Run) -> None:
    async def main() -> None:
        async with client(server) as c:
            taken = name()
            began = asyncio.Event()

            async def endless() -> AsyncIterator[bytes]:
                while True:
                    began.set()
                    yield bytes(100_000)
                    await asyncio.sleep(0)

            upload = asyncio.ensure_future(c.files.upload(endless(), filename=taken))
            await began.wait()
            upload.cancel()
            with pytest.raises(asyncio.CancelledError):
                await upload
            with pytest.raises(exceptions.NotFoundError):
                await c.files.by_path(f"/{taken}")

    run(main)


def test_a_closed_client_says_so(server: Server, run: Run) -> None:
    async def main() -> None:
        c = client(server)
        await c.aclose()
        with pytest.raises(exceptions.ClosedError):
            await c.me()

    run(main)


def test_the_blocking_client_has_the_same_verbs(server: Server, folder: Path) -> None:
    with longshore.Client(server.key, server.url) as c:
        data = os.urandom(100_000)
        made = c.files.upload(io.BytesIO(data), filename=name())
        assert c.files.download(made) == data
        assert b"".join(c.files.stream(made)) == data
        assert c.files.download(c.files.upload(chunks(), filename=name())) == b"".join(chunks())
        done = c.files.download_to(made, folder / "down")
        assert (folder / "down").read_bytes() == data and done.bytes == len(data)
        with c.files.lock(made.id):
            c.files.upload_version(made.id, data=b"2")
        assert [version.number for version in c.files.versions(made)] == [2, 1]
        page = c.events.wait(0, types=["file.*"])
        assert page.items
        with pytest.raises(TypeError, match="AsyncClient"):
            c.files.upload(async_chunks(), filename=name())

        def broken() -> Iterator[bytes]:
            yield b"some"
            message = "the source broke"
            raise KeyError(message)

        with pytest.raises(KeyError, match="the source broke"):
            c.files.upload(broken(), filename=name())
