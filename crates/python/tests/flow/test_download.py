"""Many URLs at once: results in order, files that never leave their folder."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from urllib.parse import quote

import pytest
from longshore.aio.flow import Backoff, WebError, download_files, fetch_bulk

from .loopback import FakeTime, Run, reply, serve, settle

NO_PAUSE = Backoff(base=0)


def test_results_come_in_order_and_failures_are_values(run: Run) -> None:
    async def main() -> None:
        async with serve(lambda target, _: reply(target, 404 if target == "/2" else 200, x="y")) as server:
            urls = [server.url(f"/{number}") for number in range(5)] + ["nonsense"]
            results = await fetch_bulk(urls, 3)
        assert [result.url for result in results] == urls
        assert [result.status for result in results] == [200, 200, 404, 200, 200, None]
        assert [result.body for result in results[:3]] == [b"/0", b"/1", b"/2"]
        assert results[0].headers["x"] == "y"
        assert [result.ok for result in results] == [True, True, False, True, True, False]
        assert [result.error is None for result in results] == [True] * 5 + [False]

    run(main())


def test_no_more_at_once_than_asked_for(run: Run) -> None:
    async def main() -> None:
        async def answer() -> bytes:
            await settle()
            return reply("x")

        async with serve(lambda _target, _headers: answer()) as server:
            results = await fetch_bulk((server.url(f"/{number}") for number in range(30)), max_concurrent=4)
            assert all(result.ok for result in results)
            assert server.most <= 5  # one may have been answered and not yet be closed here
            assert len(server.requests) == 30

    run(main())


def test_what_may_pass_is_tried_again_as_the_server_asks(run: Run) -> None:
    async def main() -> None:
        time = FakeTime()
        answers = [reply(status=429, Retry_After="7"), reply(status=503), b"", reply("at last")]
        async with serve(lambda _target, _headers: answers.pop(0)) as server:
            (result,) = await fetch_bulk([server.url("/")], backoff=NO_PAUSE, sleep=time.sleep)
        assert (result.status, result.body, result.error) == (200, b"at last", None)
        assert time.slept == [7, 0, 0]

    run(main())


def test_the_last_answer_is_the_result(run: Run) -> None:
    async def main() -> None:
        async with serve(lambda _target, _headers: reply("sorry", 503)) as server:
            (result,) = await fetch_bulk(
                [server.url("/")], max_attempts=3, backoff=NO_PAUSE, sleep=FakeTime().sleep
            )
            assert len(server.requests) == 3
        assert (result.status, result.body, result.error) == (503, b"sorry", None)

    run(main())


@pytest.mark.parametrize(
    "name",
    [
        "../../x",
        "/etc/x",
        "..\\..\\x",
        "a\\..\\b",
        "x\x01",
        "CON",
        "",
        "..",
        ".",
        "y" * 5000,
        "zä" * 300,
        ".hidden",
    ],
)
def test_names_never_leave_the_folder(run: Run, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "deep" / "folder"
    before = set(tmp_path.parent.iterdir())

    async def main() -> None:
        # As it is, or where no field can hold it, encoded.
        encoded = f"*=utf-8''{quote(name)}" if "\x01" in name else f'="{name}"'
        field = f"attachment; filename{encoded}".encode().decode("latin-1")
        async with serve(lambda _target, _headers: reply(b"data", content_disposition=field)) as server:
            (result,) = await download_files([server.url("/")], folder)
        assert result.error is None
        assert result.path is not None
        assert result.path.parent == folder
        assert result.path.read_bytes() == b"data"
        assert result.size == 4

    run(main())
    assert len(list(folder.iterdir())) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"deep"}
    assert set(tmp_path.parent.iterdir()) == before


def test_escapes_in_urls_stay_in_the_folder(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(lambda target, _: reply(target)) as server:
            urls = [server.url(path) for path in ("/a/..%2f..%2fx", "/%00", "/..%5cx", "/")]
            results = await download_files(urls, tmp_path / "out", max_concurrent=1)
        assert [result.path.name if result.path else result.error for result in results] == [
            "x",
            "download",
            "x (2)",
            "download (2)",
        ]

    run(main())
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_many_of_one_name_all_become_files(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(lambda target, _: reply(target.partition("?")[2])) as server:
            names = ["/Same.txt", "/same.TXT"]
            results = await download_files(
                [server.url(f"{names[n % 2]}?{n}") for n in range(40)], tmp_path, 10
            )
        assert [result.error for result in results] == [None] * 40
        assert [result.path.read_text() for result in results if result.path] == [str(n) for n in range(40)]
        assert len({result.path.name.lower() for result in results if result.path}) == 40

    run(main())
    assert len(list(tmp_path.iterdir())) == 40


def test_a_file_that_was_there_is_not_replaced_unless_asked(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("old")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.txt").write_text("mine")
    (folder / "link.txt").symlink_to(secret)

    async def main(overwrite: bool) -> list[type]:
        async with serve(lambda _target, _headers: reply("new")) as server:
            urls = [server.url("/a.txt"), server.url("/link.txt")]
            results = await download_files(urls, folder, overwrite=overwrite)
            assert len(server.requests) == 2  # nothing was tried again
        return [type(result.error) for result in results]

    assert run(main(False)) == [FileExistsError] * 2
    assert ((folder / "a.txt").read_text(), (folder / "link.txt").read_text()) == ("mine", "old")
    assert run(main(True)) == [type(None)] * 2
    assert ((folder / "a.txt").read_text(), (folder / "link.txt").read_text()) == ("new", "new")
    assert secret.read_text() == "old"
    assert {path.name for path in folder.iterdir()} == {"a.txt", "link.txt"}


def test_a_body_that_breaks_off_leaves_no_file(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        broken = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 400_000
        async with serve(lambda _target, _headers: broken) as server:
            url = server.url("/a.bin")
            (result,) = await download_files(
                [url], tmp_path, max_attempts=2, backoff=NO_PAUSE, sleep=FakeTime().sleep
            )
            assert len(server.requests) == 2
        assert isinstance(result.error, WebError)
        assert (result.error.code, result.path) == ("web_incomplete", None)

    run(main())
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_comes_whole(run: Run, tmp_path: Path) -> None:
    body = bytes(range(256)) * 4096

    async def main() -> None:
        async with serve(lambda _target, _headers: reply(body)) as server:
            (result,) = await download_files([server.url("/a.bin")], tmp_path)
        assert result.size == len(body)

    run(main())
    assert (tmp_path / "a.bin").read_bytes() == body


def test_cancelling_leaves_no_part(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        started = asyncio.Event()

        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000)
            started.set()
            with contextlib.suppress(ConnectionError):
                await reader.read()
            writer.close()

        server = await asyncio.start_server(endless, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        task = asyncio.create_task(download_files([url] * 3, tmp_path))
        await started.wait()
        while not list(tmp_path.iterdir()):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert list(tmp_path.iterdir()) == []
        server.close()
        while len(asyncio.all_tasks()) > 1:  # the server's own hear of the end
            await asyncio.sleep(0)

    run(main())


def test_refused_and_not_found_are_values(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(lambda _target, _headers: reply("no", 404)) as server:
            missing, wrong = await download_files([server.url("/x"), "ftp://x/"], tmp_path)
            assert len(server.requests) == 1
        assert isinstance(missing.error, WebError)
        assert (missing.error.status, missing.error.code) == (404, "web_refused")
        assert isinstance(wrong.error, WebError)
        assert wrong.error.code == "web_url"

    run(main())
    assert list(tmp_path.iterdir()) == []
