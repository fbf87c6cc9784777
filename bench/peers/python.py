"""The obvious Python way: FastAPI, aiofiles and uvicorn; httpx with a semaphore of 20."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from measure import BenchError, Command, Server, free_port
from peers.base import BENCH, PROGRAMS, Peer
from peers.packages import installed

if TYPE_CHECKING:
    from pathlib import Path

    from works import Work


class PythonPeer(Peer):
    """What a developer writes first, after the guides."""

    name = "python"
    what = "FastAPI UploadFile + aiofiles, uvicorn with 1 worker; httpx AsyncClient, Semaphore(20)"
    durable = "no"

    def missing(self) -> str | None:
        """Install its packages."""
        try:
            found = installed(self.bench.work_dir / "venv", BENCH / "requirements.txt")
        except BenchError as error:
            return str(error)
        self.python = found / "python"
        return None

    def start(self, data: Path) -> Server:
        """Start uvicorn, without an access log, on a port that is free now."""
        port = free_port()
        argv = [
            *(str(self.python), "-m", "uvicorn", "--app-dir", str(PROGRAMS), "fastapi_server:app"),
            *("--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--log-level", "warning"),
        ]
        server = Server.start(argv, self.dir, data, {**os.environ, "BENCH_DIR": str(data)})
        server.wait_until(lambda: server.listening(port))
        server.url = f"http://127.0.0.1:{port}"
        return server

    def _client(self, direction: str, server: Server | None, work: Work, folder: Path) -> Command:
        assert server
        names = self.dir / "names"
        names.write_text("\n".join(work.names()))
        program = str(PROGRAMS / "httpx_client.py")
        return Command([str(self.python), program, direction, server.url, str(folder), str(names)])

    def up(self, server: Server | None, work: Work, source: Path) -> Command:
        """Send each file as a multipart form."""
        return self._client("up", server, work, source)

    def down(self, server: Server | None, work: Work, target: Path) -> Command:
        """Get each file and write it with aiofiles."""
        return self._client("down", server, work, target)
