"""The examples, run as people would run them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
from conftest import Server

EXAMPLES = Path(__file__).parents[1] / "examples"


def example(server: Server, name: str, *args: object) -> str:
    """Run one, and return what it prints."""
    environment = {**os.environ, "LONGSHORE_URL": server.url, "LONGSHORE_API_KEY": server.key}
    argv = [sys.executable, str(EXAMPLES / name), *map(str, args)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100, env=environment, check=False)
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
