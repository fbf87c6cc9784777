"""Servers in Rust that crates.io has: dufs for files, rustus for tus; curl is their client."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from measure import Server, free_port
from peers.curl import CurlPeer

if TYPE_CHECKING:
    from pathlib import Path

    from measure import Command
    from works import Work


class CargoPeer(CurlPeer):
    """A server that `cargo install` builds, once."""

    package: str
    version: str

    def missing(self) -> str | None:
        """Build it, unless it is there."""
        root = self.bench.work_dir / "cargo"
        self.program = root / "bin" / self.package
        if not self.program.exists():
            cargo = shutil.which("cargo")
            if not cargo:
                return f"cargo, which builds {self.package}, is not there"
            print(f"building {self.package} (minutes) …", file=sys.stderr, flush=True)
            argv = [
                cargo,
                "install",
                self.package,
                "--version",
                self.version,
                "--locked",
                "--root",
                str(root),
            ]
            # A target directory of the caller's is for this repository, not for this.
            env = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
            built = subprocess.run(argv, capture_output=True, check=False, env=env, cwd=self.bench.work_dir)
            if built.returncode != 0:
                return f"it does not build: {built.stderr.decode(errors='replace').strip()[-300:]}"
        return super().missing()

    def serve(self, data: Path, port: int) -> list[str]:
        """Return the command that serves a folder."""
        raise NotImplementedError

    def start(self, data: Path) -> Server:
        """Start it on a port that is free now."""
        self.dir.mkdir(parents=True, exist_ok=True)
        port = free_port()
        server = Server.start(self.serve(data, port), self.dir, data)
        server.wait_until(lambda: server.listening(port))
        server.url = f"http://127.0.0.1:{port}"
        return server


class DufsPeer(CargoPeer):
    """A file server on hyper that takes PUT."""

    name = "dufs"
    what = "dufs --allow-all; curl --parallel-max 20"
    durable = "no"
    package, version = "dufs", "0.47.0"

    def serve(self, data: Path, port: int) -> list[str]:
        """Serve the folder to everybody, without a log."""
        allowed = ["--allow-all", "--log-format", ""]
        return [str(self.program), str(data), "--bind", "127.0.0.1", "--port", str(port), *allowed]


class RustusPeer(CargoPeer):
    """A tus server: each file is one request, a creation with upload. It has no downloads by name."""

    name = "rustus"
    what = "rustus, tus creation-with-upload; curl --parallel-max 20"
    durable = "no"
    directions = ("up",)
    package, version = "rustus", "0.5.10"

    def serve(self, data: Path, port: int) -> list[str]:
        """Serve with the files in one folder and what is known of them in another."""
        places = ["--data-dir", str(data / "files"), "--info-dir", str(data / "info")]
        # It takes 256 KiB unless it is told otherwise, and refuses the rest.
        limits = ["--workers", "2", "--max-body-size", str(4 * 1024**3)]
        return [str(self.program), "--host", "127.0.0.1", "--port", str(port), *limits, *places]

    def up(self, server: Server | None, work: Work, source: Path) -> Command:
        """Write curl's list of transfers, and POST them."""
        assert server
        lines: list[str] = []
        for name in work.names():
            lines += ["next"] if lines else []
            lines += [f'url = "{server.url}/files"', "request = POST", f'upload-file = "{source / name}"']
            lines += [
                f'header = "{header}"'
                for header in (
                    "Tus-Resumable: 1.0.0",
                    f"Upload-Length: {(source / name).stat().st_size}",
                    "Content-Type: application/offset+octet-stream",
                    "Expect:",
                )
            ]
            lines += ["no-progress-meter", "fail", 'output = "/dev/null"']
        return self.transfers(lines)

    def arrived(self, work: Work, source: Path, data: Path) -> str | None:
        """Count what arrived: the server gave the files names of its own."""
        del source
        sizes = sorted(path.stat().st_size for path in (data / "files").rglob("*") if path.is_file())
        wanted = sorted(work.sizes())
        return (
            None if sizes == wanted else f"{len(sizes)} files arrived of {len(wanted)}, or with wrong sizes"
        )
