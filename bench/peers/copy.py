"""Copies on the same disk, without a server: the limits that durability sets."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

from measure import Command
from peers.base import PROGRAMS, Peer

if TYPE_CHECKING:
    from pathlib import Path

    from measure import Server
    from works import Work


class CopyPeer(Peer):
    """`cp -r`, then fsync of every file and folder; the way down flushes nothing, as no client here does."""

    name = "cp"
    what = "cp -r, then fsync of every file and folder (up) or of nothing (down); no network"
    durable = "yes"
    data: Path
    source: Path

    def missing(self) -> str | None:
        """Look for cp."""
        return None if shutil.which("cp") else "cp is not there; on Debian: apt-get install coreutils"

    def start(self, data: Path) -> Server | None:
        """Start nothing."""
        self.data = data
        return None

    def _program(self, verb: str, source: Path, target: Path) -> Command:
        program = str(PROGRAMS / "copy_sync.py")
        return Command([sys.executable, "-I", "-S", program, verb, str(source), str(target)])

    def up(self, server: Server | None, work: Work, source: Path) -> Command:
        """Copy and flush."""
        del server, work
        return self._program("copy", source, self.data)

    def down(self, server: Server | None, work: Work, target: Path) -> Command:
        """Copy what the way up made."""
        del server, work
        return Command(["cp", "-r", f"{self.data}/.", str(target)])


class WritePeer(CopyPeer):
    """Each file is written and flushed before the next: what a server without overlap would pay."""

    name = "write-sync"
    what = "write + fdatasync of one file after the other, then fsync of every folder; no network"
    directions = ("up",)
    only_works = frozenset({"medium", "small", "many"})

    def up(self, server: Server | None, work: Work, source: Path) -> Command:
        """Write and flush, one after the other."""
        del server, work
        return self._program("each", source, self.data)
