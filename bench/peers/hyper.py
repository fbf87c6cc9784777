"""The bare hyper pair of this repository: the floor of what tokio and hyper can do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from measure import BenchError, Command, Server
from peers.base import Peer, cargo_build

if TYPE_CHECKING:
    from pathlib import Path

    from works import Work


class HyperPeer(Peer):
    """No hash, database, temporary file, flush or key."""

    name = "hyper"
    what = "bench/hyper-pair, a bare hyper server and client, 8 connections"
    durable = "no"

    def missing(self) -> str | None:
        """Build it, unless --hyper-pair names a program."""
        given = self.bench.hyper_pair
        try:
            self.program = given.resolve() if given else cargo_build("hyper-pair", "hyper-pair")
        except (BenchError, FileNotFoundError) as error:
            return f"hyper-pair does not build ({str(error).strip()[-200:]})"
        return None if self.program.exists() else f"{self.program} is not there"

    def start(self, data: Path) -> Server:
        """Start it on a port it picks."""
        argv = [str(self.program), "serve", "--dir", str(data), "--listen", "127.0.0.1:0"]
        server = Server.start(argv, self.dir, data)
        server.wait_until(lambda: bool(server.first_line()))
        server.url = json.loads(server.first_line())["url"]
        return server

    def _client(self, direction: str, server: Server | None, folder: Path) -> Command:
        assert server
        options = ["--url", server.url, "--dir", str(folder), "--concurrency", "8"]
        return Command([str(self.program), direction, *options])

    def up(self, server: Server | None, work: Work, source: Path) -> Command:
        """PUT every file below the folder."""
        del work
        return self._client("up", server, source)

    def down(self, server: Server | None, work: Work, target: Path) -> Command:
        """GET every file that the server lists."""
        del work
        return self._client("down", server, target)
