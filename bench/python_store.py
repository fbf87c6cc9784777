#!/usr/bin/env python3
"""The package's store beside storage libraries of Python, on the same work in turn, by their CPU seconds.

    python3 bench/python_store.py                      # builds the wheel for release; about ten minutes
    python3 bench/python_store.py --wheel PATH --rounds 3
    python3 bench/python_store.py --works memory,s3-read --peers longshore,obstore

Each work is done in an event loop, with every library's face of asyncio, and in threads, with its blocking
one: like is compared with like. A stream of 5 GiB comes last, for its memory.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peers.base import BENCH
from peers.longshore import find_program
from peers.seaweed import seaweed
from peers.wheel import build_wheel, environment
from stores import GIB, KIB, LARGE, MIB, SMALL_FILES, Bench, Work, fill, make_bucket, measured

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stores import Found

PROGRAM = BENCH / "python_store_work.py"


@dataclass(frozen=True)
class FacedWork(Work):
    """A work that is done in a loop or in threads."""

    face: str = "loop"
    most: float | None = None
    """The goal: the most that Longshore may cost, in the work's unit."""

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{super().__str__()}, in {'an event loop' if self.face == 'loop' else 'threads'}"

    @property
    def title(self) -> str:
        """Return a short name."""
        return f"{self.kind} {self.name} ({self.face})"


def works() -> list[FacedWork]:
    """Return all, each with the peers that have such a thing."""
    found = []
    for face, plain in (("loop", "to_thread"), ("thread", "plain")):
        everywhere = ("longshore", "obstore", "remote-store")
        fsspec = ("fsspec",) if face == "thread" else ()
        files = (*everywhere, plain, *(("aiofiles",) if face == "loop" else fsspec))
        slow = {"obstore": 20_000} if face == "loop" else {}
        at_once = 16 if face == "loop" else 1
        found += [
            FacedWork("memory", "read", 200_000, 1, KIB, (*everywhere, *fsspec), slow, face, 5),
            FacedWork("local", "read", 20_000, at_once, KIB, files, {"obstore": 5000}, face, 40),
            FacedWork("local", "stream", 8, 1, LARGE, files, {}, face, 0.3),
            FacedWork("memory", "list", 10, 1, 0, everywhere, {}, face, 5),
            FacedWork("local", "list", 10, 1, 0, (*everywhere, plain, *fsspec), {}, face, 5),
        ]
    slow = {"s3fs": 1000, "remote-store": 500}
    peers = ("longshore", "obstore", "remote-store", "s3fs")
    found.append(FacedWork("s3", "read", 8000, 32, KIB, peers, slow, "loop", 60))
    slow = {"fsspec": 1000, "remote-store": 500}
    peers = ("longshore", "obstore", "remote-store", "fsspec")
    found.append(FacedWork("s3", "read", 8000, 32, KIB, peers, slow, "thread"))
    return found


HUGE = FacedWork("local", "stream", 1, 1, 5 * GIB, ("longshore",))
FLAT = 32 * MIB
"""How much the memory may grow by a stream of any length."""


class FacedBench(Bench):
    """What is told to python_store_work.py."""

    def task(self, peer: str, work: Work) -> dict[str, Any]:
        """Return the task of a peer."""
        assert isinstance(work, FacedWork)
        path = "huge" if work is HUGE else "large"
        return {**super().task(peer, work), "face": work.face, "path": path}


def verdict(what: str, value: float, most: float) -> str:
    """Hold a number against its goal."""
    return f"{'met' if value <= most else 'MISSED':<8} {what}: {value:.3g} (≤ {most:g})"


def goals(results: list[tuple[FacedWork, Found]]) -> Iterator[str]:
    """Hold Longshore against its goals."""
    for work, found in results:
        own = found.get("longshore")
        if own and work.most:
            cost = statistics.median(taken["unit"] for taken in own)
            yield verdict(f"{work.title}, CPU {work.unit[0]}", cost, work.most)
        if own and work is HUGE:
            growth = max(taken["growth"] for taken in own)
            yield verdict("5 GiB in a stream, MiB of memory more", growth / MIB, FLAT / MIB)


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--longshore", type=Path, metavar="PATH", help="a built program, for the wheel")
    parser.add_argument("--wheel", type=Path, metavar="PATH", help="a built wheel")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--works", help="such as s3,local-list: kinds, or a kind and a work")
    parser.add_argument("--peers", help="such as longshore,obstore")
    parser.add_argument("--json", type=Path, help="write every round's numbers here")
    parser.add_argument("--work-dir", type=Path, default=BENCH / ".work" / "python-store")
    return parser.parse_args()


def main() -> int:
    """Run it all."""
    asked = parsed()
    names = asked.works.split(",") if asked.works else None
    wanted = asked.peers.split(",") if asked.peers else None
    chosen = [
        work
        for work in (*works(), HUGE)
        if not names or work.kind in names or f"{work.kind}-{work.name}" in names
    ]
    wheel = asked.wheel or build_wheel(find_program(asked.longshore))
    python = environment(BENCH / ".work" / "stores-venv", "requirements-stores.txt", wheel)
    work_dir: Path = asked.work_dir.resolve()
    shutil.rmtree(work_dir, ignore_errors=True)
    files = work_dir / "files"
    files.mkdir(parents=True)
    fill(files)
    with (files / "huge").open("wb") as huge:
        huge.truncate(HUGE.size)
    results: list[tuple[FacedWork, Found]] = []
    peers = {peer for work in chosen for peer in work.peers}
    programs = {peer: [str(python), str(PROGRAM)] for peer in peers}
    with contextlib.ExitStack() as stack:
        servers = {}
        if any(work.kind == "s3" for work in chosen):
            servers["s3"] = stack.enter_context(seaweed(work_dir, python.parent / "weed"))
            make_bucket(servers["s3"], python)
        bench = FacedBench(work_dir, servers, programs)
        if servers:
            bench.run("obstore", FacedWork("s3", "fill", SMALL_FILES, 1, KIB, (), {}, "thread"))
        for work in chosen:
            turn = [peer for peer in work.peers if not wanted or peer in wanted]
            if turn:
                results.append((work, measured(bench, work, turn, 1 if work is HUGE else asked.rounds)))
    print("\n" + "\n".join(goals(results)))
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        told = {work.title: found for work, found in results}
        asked.json.write_text(json.dumps(told, indent=1))
    shutil.rmtree(work_dir, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
