"""What a peer is: a way to move a folder up to a place and down from it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from measure import BenchError, Command, Server

if TYPE_CHECKING:
    from link import Link
    from works import Work

BENCH = Path(__file__).resolve().parent.parent
REPO = BENCH.parent
PROGRAMS = BENCH / "peers" / "programs"


@dataclass(frozen=True)
class Bench:
    """What every peer is given: where it may write, and what was asked on the command line."""

    work_dir: Path
    longshore: Path | None = None
    hyper_pair: Path | None = None
    link: Link | None = None


class Peer:
    """A server and a client, or a program that does the work of both."""

    name: str
    what: str
    """One line for the table's foot."""
    durable: str
    """Whether a file that was acknowledged survives a power cut."""
    directions: tuple[str, ...] = ("up", "down")
    only_works: frozenset[str] | None = None
    """The works that it makes sense for, if not all."""

    def __init__(self, bench: Bench) -> None:
        """Take the options; start nothing yet."""
        self.bench = bench
        self.dir = bench.work_dir / "peers" / self.name

    def missing(self) -> str | None:
        """Build or install what can be; say what is missing and how to get it."""
        return None

    def start(self, data: Path) -> Server | None:
        """Start a server on an empty folder."""
        raise NotImplementedError

    def arrived(self, work: Work, source: Path, data: Path) -> str | None:
        """Say what is wrong with what went up, for a peer that nothing comes down from."""
        return work.fault(source, data, bytes_too=True)

    def up(self, server: Server | None, work: Work, source: Path) -> Command:
        """Return the command that moves the folder to the server; what it needs is made here, untimed."""
        raise NotImplementedError

    def down(self, server: Server | None, work: Work, target: Path) -> Command:
        """Return the command that moves the files to a folder that is there and empty."""
        raise NotImplementedError


def cargo_build(package: str, program: str) -> Path:
    """Build a program of this repository for release and return where it is."""
    print(f"building {package} …", file=sys.stderr, flush=True)
    built = subprocess.run(
        ["cargo", "build", "--quiet", "--release", "-p", package], cwd=REPO, capture_output=True, check=False
    )
    if built.returncode != 0:
        raise BenchError(built.stderr.decode(errors="replace")[-2000:])
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    return REPO / target / "release" / program
