"""Longshore itself: `longshore serve`, `longshore up`, `longshore down`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from measure import BenchError, Command, Server
from peers.base import Peer, cargo_build

if TYPE_CHECKING:
    from pathlib import Path

    from works import Work


# How many seconds a verb of the command line may take.
VERB = 60


def environment(home: Path, **extra: str) -> dict[str, str]:
    """Return an environment without the caller's Longshore settings, whose profiles land in `home`."""
    home.mkdir(parents=True, exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LONGSHORE_", "XDG_"))}
    return {**kept, "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), **extra}


def find_program(given: Path | None) -> Path:
    """Return the program: the one given, or a fresh release build."""
    return given.resolve() if given else cargo_build("longshore-cli", "longshore")


class Longshore:
    """A server with its command line."""

    def __init__(self, program: Path, work: Path, config: str = "") -> None:
        """Start it on a free port, with its files in a folder."""
        self.program, self.home = program, work / "home"
        data = work / "data"
        data.mkdir(parents=True)
        (data / "longshore.toml").write_text(config)
        argv = [str(program), "serve", "--data", str(data), "--listen", "127.0.0.1:0", "--ready-json"]
        self.server = Server.start(argv, work, data, environment(self.home))
        self.server.wait_until(lambda: bool(self.server.first_line()))
        ready = json.loads(self.server.first_line())
        self.env = environment(self.home, LONGSHORE_URL=ready["url"], LONGSHORE_API_KEY=ready["key"])

    def __call__(self, *arguments: str) -> str:
        """Run a verb and return what it printed."""
        argv = [str(self.program), *arguments]
        done = subprocess.run(argv, env=self.env, text=True, capture_output=True, check=False, timeout=VERB)
        if done.returncode:
            msg = f"{argv} ended with {done.returncode}: {done.stderr}"
            raise BenchError(msg)
        return done.stdout


class LongshorePeer(Peer):
    """The default configuration, over loopback, with a key."""

    name = "longshore"
    what = "longshore serve; longshore up and down"
    durable = "yes"

    def missing(self) -> str | None:
        """Build it, unless --longshore names a program."""
        try:
            self.program = find_program(self.bench.longshore)
        except (BenchError, FileNotFoundError) as error:
            return f"no build of longshore-cli ({str(error).strip()[-200:]}); give one with --longshore PATH"
        if not self.program.exists():
            return f"{self.program} is not there; give one with --longshore PATH"
        return None

    def start(self, data: Path) -> Server:
        """Start it with nothing configured; the ready line says the address and the first key."""
        shutil.rmtree(self.dir / "home", ignore_errors=True)
        argv = [str(self.program), "serve", "--data", str(data), "--listen", "127.0.0.1:0", "--ready-json"]
        server = Server.start(argv, self.dir, data, environment(self.dir / "home"))
        server.wait_until(lambda: bool(server.first_line()))
        ready = json.loads(server.first_line())
        server.url = ready["url"]
        server.notes["key"] = ready["key"]
        return server

    def _client(self, server: Server | None, *arguments: str) -> Command:
        assert server
        env = environment(self.dir / "home", LONGSHORE_URL=server.url, LONGSHORE_API_KEY=server.notes["key"])
        return Command([str(self.program), *arguments], env)

    def up(self, server: Server | None, work: Work, source: Path) -> Command:
        """Move the folder with the command line's defaults."""
        del work
        return self._client(server, "up", str(source), "/bench")

    def down(self, server: Server | None, work: Work, target: Path) -> Command:
        """Move it back with the command line's defaults."""
        del work
        return self._client(server, "down", "/bench", str(target))
