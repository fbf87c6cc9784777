"""A real server for the tests, and a look at what they leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# A shell's background job begins with the signal ignored, and what it starts does so too. With a handler here,
# those that the tests start begin with it as they would in a terminal.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Server:
    """A server of this machine with its own folder."""

    url: str
    key: str
    process: subprocess.Popen[bytes]


@contextlib.contextmanager
def serving(home: Path) -> Iterator[Server]:
    """Run `longshore serve`: the program that LONGSHORE_BIN names, or the one that was installed with the wheel."""
    program = os.environ.get("LONGSHORE_BIN") or shutil.which("longshore")
    assert program, "no longshore: install the wheel, or set LONGSHORE_BIN"
    environment = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}
    argv = [program, "serve", "--listen", "127.0.0.1:0", "--data", str(home / "data"), "--ready-json"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, env=environment)
    try:
        assert process.stdout is not None
        ready = process.stdout.readline()
        assert ready, (home / "log").read_text()
        said = json.loads(ready)
        yield Server(said["url"], said["key"], process)
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Start a server for all tests."""
    with serving(tmp_path_factory.mktemp("server")) as server:
        yield server


def descriptors() -> set[str]:
    """Return what this process has open."""
    found = set()
    for entry in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{entry} {os.readlink(f'/proc/self/fd/{entry}')}")
        except OSError:
            continue
    return found


Run = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine function in a new loop of either kind; no task of its may be left."""

    def running(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async def checked() -> Any:
            result = await main()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, left
            return result

        if request.param == "uvloop":
            return pytest.importorskip("uvloop").run(checked())
        return asyncio.run(checked())

    return running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder."""
    return tmp_path


def threads() -> int:
    """Return how many threads this process has, those of Rust too."""
    return len(os.listdir("/proc/self/task"))
