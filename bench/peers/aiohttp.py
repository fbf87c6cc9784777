"""aiohttp against nginx: the faster of Python's two common clients, beside a server that is no limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from measure import BenchError, Command
from peers.base import BENCH, PROGRAMS
from peers.nginx import NginxPeer
from peers.packages import installed

if TYPE_CHECKING:
    from pathlib import Path

    from measure import Server
    from works import Work


class AiohttpPeer(NginxPeer):
    """One session, 20 at once."""

    name = "aiohttp"
    what = "nginx DAV PUT as above; aiohttp, one ClientSession, Semaphore(20)"

    def missing(self) -> str | None:
        """Install the client beside what nginx needs."""
        try:
            found = installed(self.bench.work_dir / "peers-venv", BENCH / "requirements-peers.txt")
        except BenchError as error:
            return str(error)
        self.python = found / "python"
        return super().missing()

    def _client(self, direction: str, server: Server | None, work: Work, folder: Path) -> Command:
        assert server
        names = self.dir / "names"
        names.write_text("\n".join(work.names()))
        argv = [str(self.python), str(PROGRAMS / "aiohttp_client.py"), direction]
        return Command([*argv, server.url, str(folder), str(names)])

    def up(self, server: Server | None, work: Work, source: Path) -> Command:
        """PUT each file."""
        return self._client("up", server, work, source)

    def down(self, server: Server | None, work: Work, target: Path) -> Command:
        """GET each file."""
        return self._client("down", server, work, target)
