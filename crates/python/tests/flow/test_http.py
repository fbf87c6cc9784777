"""GET over the Rust engine: bodies of each kind, redirects, bounds, and answers that are none."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from longshore.aio.flow import WebError, fetch_bulk
from longshore.aio.flow._http import RustEngine, fetch, stream

from .loopback import FakeTime, Run, Server, left_running, reply, serve

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def fetch_answer(answer: bytes, engine: RustEngine | None = None) -> tuple[int, dict[str, str], bytes]:
    async with serve(lambda _target, _headers: answer) as server:
        return await (engine or RustEngine()).fetch(server.url("/"))


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (reply(b"hello"), b"hello"),
        (reply(b"x" * 300_000), b"x" * 300_000),
        (reply(b""), b""),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (CHUNKED + b"3\r\nabc\r\n4;note=1\r\ndefg\r\n0\r\nTrailer: x\r\n\r\n", b"abcdefg"),
        (CHUNKED + b"0\r\n\r\n", b""),
        (CHUNKED + b"20000\r\n" + b"y" * 0x20000 + b"\r\n0\r\n\r\n", b"y" * 0x20000),
        (b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + reply(b"late"), b"late"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", b"ab"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab and more", b"ab"),
    ],
)
def test_bodies_of_each_kind(run: Run, answer: bytes, body: bytes) -> None:
    assert run(fetch_answer(answer))[2] == body


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "web_incomplete"),
        (b"HTTP/1.1 200 OK\r\nContent-", "web_incomplete"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", "web_incomplete"),
        (CHUNKED + b"9\r\nshort", "web_incomplete"),
        (CHUNKED + b"3\r\nabc\r\n", "web_incomplete"),
        (CHUNKED + b"3\r\nabcdef\r\n0\r\n\r\n", "web_protocol"),
        (CHUNKED + b"-3\r\nabc\r\n", "web_protocol"),
        (CHUNKED + b"0\r\n" + b"a: b\r\n" * 101, "web_protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "web_protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc", "web_protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "web_protocol"),
        (b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "web_protocol"),
        (b"HTTP/2 200\r\n\r\n", "web_protocol"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "web_protocol"),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 2_000_000 + b"\r\n\r\n", "web_protocol"),
    ],
)
def test_answers_that_are_none_are_errors(run: Run, answer: bytes, code: str) -> None:
    with pytest.raises(WebError) as caught:
        run(fetch_answer(answer))
    assert caught.value.code == code
    assert caught.value.is_retryable == (code == "web_incomplete")


def test_fetch_has_a_bound(run: Run) -> None:
    engine = RustEngine(max_bytes=1000)
    assert len(run(fetch_answer(reply(b"x" * 1000), engine))[2]) == 1000
    with pytest.raises(WebError, match="1000 bytes") as caught:
        run(fetch_answer(reply(b"x" * 1001), engine))
    assert caught.value.code == "web_too_large"


def test_a_server_that_says_nothing_is_a_time_out(run: Run) -> None:
    async def main() -> None:
        async def never() -> bytes:
            await asyncio.Event().wait()
            return b""

        async with serve(lambda _target, _headers: never()) as server:
            with pytest.raises(TimeoutError):
                await RustEngine(timeout=0.01).fetch(server.url("/"))
            assert len(server.requests) == 1

    run(main())


def test_a_body_that_stops_is_a_time_out(run: Run) -> None:
    async def main() -> None:
        async def some(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\nsome")
            with contextlib.suppress(OSError):
                await reader.read()
            writer.transport.abort()

        server = await asyncio.start_server(some, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(TimeoutError):
            await RustEngine(timeout=0.01).fetch(f"http://127.0.0.1:{port}/")
        server.close()
        while left_running():  # the server's own hears of the end
            await asyncio.sleep(0)

    run(main())


def test_what_is_sent(run: Run) -> None:
    async def main() -> Server:
        async with serve(lambda _target, _headers: reply()) as server:
            await fetch(
                server.url("/a b/ż?q=ä&r=%20#part".replace(" ", "%20")),
                {"Authorization": "Bearer t", "X-Y": "z"},
            )
            return server

    server = run(main())
    ((target, headers),) = server.requests
    assert target == "/a%20b/%C5%BC?q=%C3%A4&r=%20"
    assert headers["authorization"] == "Bearer t"
    assert headers["x-y"] == "z"
    assert headers["host"] == f"127.0.0.1:{server.port}"


@pytest.mark.parametrize("headers", [{"X": "a\r\nEvil: b"}, {"X\r\nEvil": "b"}, {"X": "zażółć"}, {"": "x"}])
def test_headers_that_would_be_more_are_refused(run: Run, headers: dict[str, str]) -> None:
    async def main() -> None:
        async with serve(lambda _target, _headers: reply()) as server:
            with pytest.raises(ValueError, match="header"):
                await fetch(server.url("/"), headers)
            assert server.requests == []

    run(main())


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://",
        "x",
        "http://a b/",
        "http://127.0.0.1/\r\nX: y",
        "http://u:p@127.0.0.1/",
        "http://127.0.0.1:99999/",
    ],
)
def test_what_is_no_url_is_refused(run: Run, url: str) -> None:
    with pytest.raises(WebError) as caught:
        run(fetch(url))
    assert caught.value.code == "web_url"


def test_nobody_there_is_a_fault_of_the_network(run: Run) -> None:
    async def main() -> None:
        async with serve(lambda _target, _headers: reply()) as server:
            url = server.url("/")
        with pytest.raises(ConnectionError):
            await fetch(url)

    run(main())


def test_redirects_are_followed_and_the_token_stays_with_its_host(run: Run) -> None:
    async def main() -> None:
        async with (
            serve(lambda _target, _headers: reply("there")) as other,
            serve(
                lambda target, _headers: (
                    reply(status=302, location="/two?x=1")
                    if target == "/one"
                    else reply(status=307, location=f"http://127.0.0.1:{other.port}/three")
                )
            ) as first,
        ):
            async with stream(
                first.url("/one"), {"Authorization": "Bearer secret", "X-Key": "secret"}
            ) as answer:
                assert (answer.status, answer.url) == (200, other.url("/three"))
                assert b"".join([chunk async for chunk in answer]) == b"there"
            assert [headers.get("authorization") for _, headers in first.requests] == ["Bearer secret"] * 2
            ((_, headers),) = other.requests
            assert "secret" not in str(headers)

    run(main())


def test_the_token_does_not_come_back_with_the_way_back(run: Run) -> None:
    async def main() -> None:
        async with (
            serve(
                lambda _target, _headers: reply(status=302, location=f"http://127.0.0.1:{first.port}/end")
            ) as other,
            serve(
                lambda target, _headers: (
                    reply("end") if target == "/end" else reply(status=302, location=other.url("/"))
                )
            ) as first,
        ):
            assert (await fetch(first.url("/"), {"authorization": "secret"}))[2] == b"end"
            assert [("authorization" in headers) for _, headers in first.requests] == [True, False]

    run(main())


def test_redirects_have_an_end(run: Run) -> None:
    async def main() -> int:
        async with serve(lambda target, _headers: reply(status=301, location=f"{target}x")) as server:
            with pytest.raises(WebError) as caught:
                await fetch(server.url("/"))
            assert caught.value.code == "web_redirect"
            return len(server.requests)

    assert run(main()) == 11


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/x", "file:///etc/passwd", "http://"])
def test_redirects_to_what_is_no_web_are_errors(run: Run, location: str) -> None:
    with pytest.raises(WebError) as caught:
        run(fetch_answer(reply(status=302, location=location)))
    assert caught.value.code == "web_redirect"


def test_a_redirect_gives_nobody_a_password(run: Run) -> None:
    async def main() -> None:
        async with (
            serve(lambda _target, _headers: reply("there")) as other,
            serve(
                lambda _target, _headers: reply(status=302, location=f"//u:p@127.0.0.1:{other.port}/x")
            ) as first,
        ):
            async with stream(first.url("/")) as answer:
                assert answer.url == other.url("/x")
            ((target, headers),) = other.requests
            assert (target, headers.get("authorization")) == ("/x", None)

    run(main())


def test_a_redirect_that_leads_nowhere_is_an_answer(run: Run) -> None:
    assert run(fetch_answer(reply("choose", status=302)))[::2] == (302, b"choose")


def test_a_stream_that_is_left_closes_its_connection(run: Run) -> None:
    async def main() -> None:
        gone = asyncio.Event()

        async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            try:
                while True:
                    writer.write(b"x" * 65536)
                    await writer.drain()
            except ConnectionError:
                gone.set()
            writer.close()

        server = await asyncio.start_server(endless, "127.0.0.1", 0)
        async with stream(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/") as answer:
            async for chunk in answer:
                assert 0 < len(chunk) <= 2 << 20
                break
        await gone.wait()
        server.close()
        while left_running():
            await asyncio.sleep(0)

    run(main())


def test_cancelling_a_fetch_leaves_nothing(run: Run) -> None:
    async def main() -> None:
        asked = asyncio.Event()

        async def never() -> bytes:
            asked.set()
            await asyncio.Event().wait()
            return b""

        async with serve(lambda _target, _headers: never()) as server:
            task = asyncio.create_task(fetch(server.url("/")))
            await asked.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    run(main())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a key and a certificate for the loopback that nobody trusts yet."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"]
    names = ["-subj", "/CN=flow", "-addext", "subjectAltName=IP:127.0.0.1"]
    names += ["-addext", "basicConstraints=critical,CA:FALSE"]
    command = [
        "openssl",
        "req",
        "-x509",
        *kind,
        *names,
        "-keyout",
        str(path),
        "-out",
        str(path.with_suffix(".crt")),
    ]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@contextlib.asynccontextmanager
async def serve_tls(certificate: Path, answer: bytes) -> AsyncIterator[str]:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        while left_running():
            await asyncio.sleep(0)


def test_tls_with_a_certificate_that_is_trusted(run: Run, certificate: Path) -> None:
    async def main() -> None:
        engine = RustEngine(ca_file=certificate)
        async with serve_tls(certificate, reply(b"x" * 200_000)) as url:
            assert (await engine.fetch(url))[2] == b"x" * 200_000

    run(main())


def test_a_certificate_that_is_not_trusted_is_refused_once(run: Run, certificate: Path) -> None:
    async def main() -> None:
        time = FakeTime()
        async with serve_tls(certificate, reply()) as url:
            (result,) = await fetch_bulk([url], sleep=time.sleep)
        assert isinstance(result.error, ssl.SSLCertVerificationError)
        assert time.slept == []

    run(main())


def test_no_redirect_leads_from_https_to_http(run: Run, certificate: Path) -> None:
    async def main() -> None:
        engine = RustEngine(ca_file=certificate)
        async with serve(lambda _target, _headers: reply()) as plain:
            async with serve_tls(certificate, reply(status=302, location=plain.url("/"))) as url:
                with pytest.raises(WebError) as caught:
                    await engine.fetch(url)
            assert (caught.value.code, plain.requests) == ("web_redirect", [])

    run(main())


def test_a_server_that_never_shakes_hands_is_a_time_out(run: Run) -> None:
    async def main() -> None:
        async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError):
                await reader.read()
            writer.transport.abort()

        server = await asyncio.start_server(hold, "127.0.0.1", 0)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        with pytest.raises(TimeoutError, match="no connection"):
            await RustEngine(connect_timeout=0.05).fetch(url)
        server.close()
        while left_running():
            await asyncio.sleep(0)

    run(main())


def test_cancelling_while_a_connection_comes_about_closes_it(run: Run) -> None:
    async def main() -> None:
        asked, gone = asyncio.Event(), asyncio.Event()

        async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            asked.set()
            with contextlib.suppress(OSError):
                await reader.read()
            gone.set()
            writer.transport.abort()

        server = await asyncio.start_server(hold, "127.0.0.1", 0)
        task = asyncio.create_task(fetch(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await gone.wait()
        server.close()
        while left_running():
            await asyncio.sleep(0)

    run(main())
