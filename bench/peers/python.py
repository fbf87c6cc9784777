"""The obvious Python way: FastAPI, aiofiles and uvicorn; httpx with a semaphore of 20."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from measure import Command, Server, free_port
from peers.base import BENCH, PROGRAMS, Peer

if TYPE_CHECKING:
    from pathlib import Path

    from works import Work


class PythonPeer(Peer):
    """What a developer writes first, after the guides."""

    name = "python"
    what = "FastAPI UploadFile + aiofiles, uvicorn with 1 worker; httpx AsyncClient, Semaphore(20)"
    durable = "no"

    def missing(self) -> str | None:
        """Make the virtual environment, once for each content of requirements.txt."""
        venv = self.bench.work_dir / "venv"
        self.python = venv / "bin" / "python"
        wanted = (BENCH / "requirements.txt").read_text()
        stamp = venv / "requirements.txt"
        if stamp.exists() and stamp.read_text() == wanted:
            return None
        print("installing the Python peer …", file=sys.stderr, flush=True)
        shutil.rmtree(venv, ignore_errors=True)
        for argv in (
            [sys.executable, "-m", "venv", str(venv)],
            [str(self.python), "-m", "pip", "install", "-q", "-r", str(BENCH / "requirements.txt")],
        ):
            done = subprocess.run(argv, capture_output=True, check=False)
            if done.returncode != 0:
                tail = (done.stdout + done.stderr).decode(errors="replace").strip()[-300:]
                return f"its packages do not install ({tail}); needs python3-venv and a package index"
        stamp.write_text(wanted)
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
