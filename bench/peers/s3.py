"""Clients of S3, beside SeaweedFS: s5cmd, rclone and obstore."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

from measure import BenchError, Command
from peers import seaweed
from peers.base import BENCH, PROGRAMS, Peer
from peers.packages import installed

if TYPE_CHECKING:
    from pathlib import Path

    from measure import Server
    from works import Work


class S3Peer(Peer):
    """A client of S3, and the server that all of them have."""

    durable = "no"

    def missing(self) -> str | None:
        """Install the packages."""
        try:
            self.programs = installed(self.bench.work_dir / "peers-venv", BENCH / "requirements-peers.txt")
        except BenchError as error:
            return str(error)
        return None

    def environment(self, server: Server | None) -> dict[str, str]:
        """Return the environment that the client finds its keys in."""
        assert server
        keys = {
            "AWS_ACCESS_KEY_ID": seaweed.ACCESS,
            "AWS_SECRET_ACCESS_KEY": seaweed.SECRET,
            "AWS_REGION": "us-east-1",
        }
        return {**os.environ, **keys}

    def start(self, data: Path) -> Server:
        """Start the server and make a bucket; it serves some seconds before it takes one."""
        server = seaweed.start(self.dir, data, self.programs / "weed")
        argv = [*self.s5cmd(server), "mb", f"s3://{seaweed.BUCKET}"]
        for attempt in range(20):
            made = subprocess.run(argv, capture_output=True, check=False, env=self.environment(server))
            if made.returncode == 0:
                return server
            time.sleep(attempt / 4)
        server.stop()
        msg = f"no bucket can be made: {made.stderr.decode(errors='replace')[-500:]}"
        raise BenchError(msg)

    def s5cmd(self, server: Server | None) -> list[str]:
        """Return the head of an s5cmd command line."""
        assert server
        return [str(self.programs / "s5cmd"), "--log", "error", "--endpoint-url", server.url]


class S5cmdPeer(S3Peer):
    """The client that is known for its speed."""

    name = "s5cmd"
    what = "SeaweedFS; s5cmd cp with its defaults"

    def up(self, server: Server | None, work: Work, source: Path) -> Command:
        """Copy the folder."""
        del work
        argv = [*self.s5cmd(server), "cp", f"{source}/", f"s3://{seaweed.BUCKET}/"]
        return Command(argv, self.environment(server))

    def down(self, server: Server | None, work: Work, target: Path) -> Command:
        """Copy it back."""
        del work
        argv = [*self.s5cmd(server), "cp", f"s3://{seaweed.BUCKET}/*", f"{target}/"]
        return Command(argv, self.environment(server))


class RclonePeer(S3Peer):
    """The client that knows every storage."""

    name = "rclone"
    what = "SeaweedFS; rclone copy --transfers 20 --checkers 20"

    def _copy(self, server: Server | None, *places: str) -> Command:
        assert server
        settings = {
            "RCLONE_CONFIG": os.devnull,
            "RCLONE_S3_PROVIDER": "Other",
            "RCLONE_S3_ENDPOINT": server.url,
            "RCLONE_S3_ENV_AUTH": "true",
        }
        argv = [str(self.programs / "rclone"), "copy", "--transfers", "20", "--checkers", "20", *places]
        return Command(argv, self.environment(server) | settings)

    def up(self, server: Server | None, work: Work, source: Path) -> Command:
        """Copy the folder."""
        del work
        return self._copy(server, str(source), f":s3:{seaweed.BUCKET}")

    def down(self, server: Server | None, work: Work, target: Path) -> Command:
        """Copy it back."""
        del work
        return self._copy(server, f":s3:{seaweed.BUCKET}", str(target))


class ObstorePeer(S3Peer):
    """The Python face of object_store."""

    name = "obstore"
    what = "SeaweedFS; obstore put_async and get_async, Semaphore(20)"

    def _client(self, direction: str, server: Server | None, work: Work, folder: Path) -> Command:
        assert server
        names = self.dir / "names"
        names.write_text("\n".join(work.names()))
        argv = [str(self.programs / "python"), str(PROGRAMS / "obstore_client.py"), direction]
        argv += [server.url, seaweed.BUCKET, str(folder), str(names)]
        return Command(argv, self.environment(server))

    def up(self, server: Server | None, work: Work, source: Path) -> Command:
        """Put each file."""
        return self._client("up", server, work, source)

    def down(self, server: Server | None, work: Work, target: Path) -> Command:
        """Get each file and write it."""
        return self._client("down", server, work, target)
