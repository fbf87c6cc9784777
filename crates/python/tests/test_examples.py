"""The examples, run as people would run them."""

from __future__ import annotations

import csv
import hashlib
import http.client
import json
import os
import re
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from pathlib import Path

import httpx
import longshore
import pytest
from conftest import Server

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(server: Server, name: str, *args: object, **more: str) -> subprocess.CompletedProcess[str]:
    """Run one."""
    environment = {**os.environ, "LONGSHORE_URL": server.url, "LONGSHORE_API_KEY": server.key, **more}
    argv = [sys.executable, str(EXAMPLES / name), *map(str, args)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=100, env=environment, check=False)


def example(server: Server, name: str, *args: object) -> str:
    """Run one that succeeds, and return what it prints."""
    done = run(server, name, *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def place() -> str:
    """Return a folder of the workspace that nobody else has."""
    return f"/{uuid.uuid4()}"


def test_a_folder_goes_up_and_comes_down(server: Server, place: str, folder: Path) -> None:
    source = folder / "source"
    for number in range(60):
        path = source / f"{number % 7}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 1000))
    assert example(server, "batch_upload.py", source, place) == f"60 of 60 files are in {place}\n"
    assert example(server, "download_many.py", place, folder / "target") == "60 files came, 0 failed\n"
    for path in source.rglob("*.bin"):
        assert (folder / "target" / path.relative_to(source)).read_bytes() == path.read_bytes()


def test_retries_and_streams(server: Server, folder: Path) -> None:
    local = folder / f"{uuid.uuid4()}.bin"
    local.write_bytes(os.urandom(5_000_000))
    path = example(server, "retry_loop.py", local).strip()
    digest = hashlib.sha256(local.read_bytes()).hexdigest()
    assert example(server, "stream_to_disk.py", path, folder / "back") == f"5000000 bytes, sha256 {digest}\n"
    assert (folder / "back").read_bytes() == local.read_bytes()


def test_agents_share_a_file(server: Server, place: str) -> None:
    assert example(server, "shared_file.py", f"{place}/log", 8) == "8 lines of 8 agents\n"


@pytest.fixture
def api() -> Iterator[str]:
    """Return the URL of an API that knows people by their address, and not all of them."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = self.path.rpartition("/")[2]
            status, body = (404, {}) if "nobody" in address else (200, {"length": len(address)})
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


def test_rows_are_enriched(server: Server, place: str, api: str) -> None:
    with longshore.Client(server.key, server.url) as client:
        rows = [f"{name},{name}@example.org" for name in ("ada", "grace", "nobody", "zoë")]
        table = "\n".join(["name,email", *rows]).encode()
        client.files.upload(data=table, destination=f"{place}/people.csv")
        template = f"{api}/people/{{email}}"
        done = run(server, "enrich_queue.py", f"{place}/people.csv", template, f"{place}/people.jsonl")
        assert (done.returncode, done.stdout) == (1, f"3 rows are in {place}/people.jsonl, 1 failed\n")
        assert "nobody@example.org" in done.stderr and "answered 404" in done.stderr
        lines = client.files.download(path=f"{place}/people.jsonl").decode().splitlines()
        found = {line["name"]: line["length"] for line in map(json.loads, lines)}
        assert found == {"ada": 17, "grace": 19, "zoë": 22}


def test_pandas_reads_a_workspace(server: Server, place: str) -> None:
    if not metadata.entry_points(group="fsspec.specs", name="longshore"):
        pytest.skip("only what is installed names its protocols")
    pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    with longshore.Client(server.key, server.url) as client:
        table = b"ship,port,tons\n" + b"".join(b"s%d,p%d,%d\n" % (n, n % 2, n) for n in range(100))
        client.files.upload(data=table, destination=f"{place}/ships.csv")
        paths = (f"default{place}/ships.csv", f"default{place}/ships.parquet")
        done = run(server, "pandas_files.py", *paths, "port", "tons")
        assert list(csv.reader(done.stdout.splitlines())) == [
            ["port", "tons"],
            ["p0", "2450"],
            ["p1", "2500"],
        ]
        assert client.files.by_path(f"{place}/ships.parquet").size > 0


@pytest.mark.parametrize("tqdm", [True, False], ids=["tqdm", "plain"])
def test_a_bar_is_shown(server: Server, place: str, folder: Path, tqdm: bool) -> None:
    local, copy, hidden = folder / "local", folder / "copy", folder / "hidden"
    local.write_bytes(os.urandom(3_000_000))
    (hidden / "tqdm").mkdir(parents=True)
    (hidden / "tqdm" / "__init__.py").write_text("raise ImportError")
    path = os.pathsep.join(filter(None, ["" if tqdm else str(hidden), os.environ.get("PYTHONPATH")]))
    done = run(server, "progress_bar.py", local, f"{place}/f", copy, PYTHONPATH=path)
    assert done.stdout == f"3000000 bytes went to {place}/f and back\n", done.stderr
    assert copy.read_bytes() == local.read_bytes()
    for name in ("up", "down"):
        expected = rf"{name}: 100%\|.*3\.00M/3\.00M" if tqdm else f"{name}: 100% of 3,000,000 bytes"
        assert re.search(expected, done.stderr), done.stderr


@pytest.fixture
def app(folder: Path) -> Iterator[tuple[str, int]]:
    """Return the address of the app and its process."""
    environment = {**os.environ, "STORE_URL": f"file://{folder}/store"}
    argv = [sys.executable, str(EXAMPLES / "fastapi_files.py"), "0"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            said = ""
            for line in process.stderr:
                said += line
                if found := re.search(r"running on (http://127\.0\.0\.1:\d+)", line):
                    break
            else:
                raise AssertionError(said)
            yield found[1], process.pid
        finally:
            process.terminate()
            process.communicate(timeout=30)


def most_memory(process: int) -> int:
    """Return the most bytes that a process has had in memory."""
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found) * 1024


def test_an_app_takes_and_gives_files(app: tuple[str, int], folder: Path) -> None:
    url, process = app
    size, piece = 256 << 20, bytes(range(256)) * 4096
    with httpx.Client(base_url=url, timeout=60) as http_client:
        form = {"file": ("small.bin", b"hello")}
        assert http_client.post("/files/a/b", files=form).json() == {"path": "a/b/small.bin", "size": 5}
        assert http_client.get("/files/a/b/small.bin").content == b"hello"
        before = most_memory(process)
        done = http_client.put("/files/big", content=(piece for _ in range(size // len(piece))))
        assert (done.status_code, done.json()) == (201, {"path": "big", "size": size})
        with http_client.stream("GET", "/files/big") as answer:
            assert answer.headers["Content-Length"] == str(size)
            came = sum(len(chunk) for chunk in answer.iter_raw())
        assert came == size and most_memory(process) - before < 64 << 20
        for path, status in (("missing", 404), ("a/b", 400), ("a/%00", 400)):
            assert http_client.get(f"/files/{path}").status_code == status
    broken = http.client.HTTPConnection(url.removeprefix("http://"))
    broken.putrequest("PUT", "/files/a/b/small.bin")
    broken.putheader("Content-Length", "1000000")
    broken.endheaders(b"x" * 1000)
    broken.close()
    # Whether the app has seen the end of it already or not.
    assert httpx.get(f"{url}/files/a/b/small.bin").content == b"hello"
    assert (folder / "store" / "a" / "b" / "small.bin").read_bytes() == b"hello"
