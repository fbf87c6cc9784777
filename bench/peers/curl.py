"""curl with 20 transfers at once, against servers of others that take PUT and GET."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from measure import Command
from peers.base import Peer

if TYPE_CHECKING:
    from pathlib import Path

    from measure import Server
    from works import Work


class CurlPeer(Peer):
    """A server whose client is curl with a list of transfers made beforehand."""

    options: tuple[str, ...] = ()
    """What curl is told beside that."""

    def missing(self) -> str | None:
        """Find curl."""
        curl = shutil.which("curl")
        if not curl:
            return "curl is not there; on Debian: apt-get install curl"
        self.curl = curl
        return None

    def transfers(self, lines: list[str]) -> Command:
        """Return curl with these lines as its configuration."""
        listed = self.dir / "curl.conf"
        listed.write_text("\n".join(lines))
        argv = [self.curl, "--parallel", "--parallel-max", "20", "--no-progress-meter", "--fail"]
        return Command([*argv, *self.options, "--create-dirs", "-H", "Expect:", "-K", str(listed)])

    def up(self, server: Server | None, work: Work, source: Path) -> Command:
        """Write curl's list of transfers, and PUT them."""
        assert server
        lines = []
        for name in work.names():
            lines += [f'upload-file = "{source / name}"', f'url = "{server.url}/{name}"']
        return self.transfers(lines)

    def down(self, server: Server | None, work: Work, target: Path) -> Command:
        """Write curl's list of transfers, and GET them."""
        assert server
        lines = []
        for name in work.names():
            lines += [f'url = "{server.url}/{name}"', f'output = "{target / name}"']
        return self.transfers(lines)
