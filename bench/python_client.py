#!/usr/bin/env python3
"""Upload and download 2,000 × 64 KiB from Python: the package of crates/python, httpx and aiohttp, in turn.

    python3 bench/python_client.py                     # builds the server and the wheel for release
    python3 bench/python_client.py --longshore PATH --wheel PATH --rounds 3
    python3 bench/python_client.py --huge              # 5 GiB up and down, for its memory

All speak to the same Longshore server, with a semaphore of 20 as the guides show it; `many` is
`upload_many` and `download_many`, and `longshore up|down` is the Rust SDK in the command line. Content stays
in memory, but for that and for `download_many`, which write files.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import BenchError
from peers.base import BENCH, Bench
from peers.longshore import LongshorePeer, find_program
from peers.wheel import build_wheel, environment
from works import WORKS

PROGRAM = BENCH / "peers" / "programs" / "python_client.py"
MIB, GIB = 1024**2, 1024**3
HUGE = 5 * GIB
CLIENTS = ("longshore", "longshore many", "httpx", "aiohttp")


def huge(peer: LongshorePeer, python: Path, space: Path) -> int:
    """Move 5 GiB through the package, as an open file and as a stream, and print what that takes."""
    shutil.rmtree(space, ignore_errors=True)
    space.mkdir(parents=True)
    source = space / "sparse"
    with source.open("wb") as file:
        file.truncate(HUGE)
    server = peer.start(space / "data")
    try:
        argv = [str(python), str(PROGRAM), "huge", server.url, server.notes["key"], str(source), str(space)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=1800, check=False)
        if done.returncode != 0:
            raise BenchError(done.stderr.strip()[-400:])
        print(f"{HUGE // GIB} GiB through AsyncClient: s of wall time, s of its CPU, MiB of memory more")
        print(f"{'':32}{'s':>8}{'CPU s':>8}{'MiB':>8}")
        for direction, (wall, cpu, growth) in json.loads(done.stdout).items():
            print(f"{direction:32}{wall:8.2f}{cpu:8.2f}{growth / MIB:8.1f}")
    finally:
        server.stop()
        shutil.rmtree(space, ignore_errors=True)
    return 0


def main() -> int:
    """Run all in turn and print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--longshore", type=Path, metavar="PATH", help="a built program")
    parser.add_argument("--wheel", type=Path, metavar="PATH", help="a built wheel")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--huge", action="store_true", help="a stream of 5 GiB each way instead")
    parser.add_argument("--work-dir", type=Path, default=BENCH / ".work")
    asked = parser.parse_args()
    work_dir: Path = asked.work_dir.resolve()
    work_dir.mkdir(parents=True, exist_ok=True)
    program = find_program(asked.longshore)
    wheel = asked.wheel or build_wheel(program)
    python = environment(work_dir / "python-venv", "requirements-python.txt", wheel)
    peer = LongshorePeer(Bench(work_dir, program, None, None))
    if why := peer.missing():
        raise BenchError(why)
    if asked.huge:
        return huge(peer, python, work_dir / "python-client")
    work = WORKS["medium"]
    source = work.make(work_dir / "works")
    space = work_dir / "python-client"
    shutil.rmtree(space, ignore_errors=True)

    taken: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for number in range(asked.rounds):
        # Each is the first in turn, as the first may have it harder.
        shift = number % len(CLIENTS)
        for name in CLIENTS[shift:] + CLIENTS[:shift]:
            data = space / f"{number}-{name.replace(' ', '-')}"
            data.mkdir(parents=True)
            server = peer.start(data / "data")
            try:
                argv = [
                    str(python),
                    str(PROGRAM),
                    name,
                    server.url,
                    server.notes["key"],
                    str(source),
                    str(data),
                ]
                done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
                if done.returncode != 0:
                    msg = f"{name}: {done.stderr.strip()[-400:]}"
                    raise BenchError(msg)
                for direction, (wall, cpu) in json.loads(done.stdout).items():
                    taken.setdefault((name, direction), []).append((wall, cpu))
            finally:
                server.stop()
        data = space / f"{number}-sdk"
        (data / "target").mkdir(parents=True)
        server = peer.start(data / "data")
        try:
            for direction, command in (
                ("up", peer.up(server, work, source)),
                ("down", peer.down(server, work, data / "target")),
            ):
                begun = time.perf_counter()
                subprocess.run(command.argv, env=command.env, capture_output=True, check=True)
                taken.setdefault(("longshore up|down", direction), []).append(
                    (time.perf_counter() - begun, 0.0)
                )
        finally:
            server.stop()
    shutil.rmtree(space, ignore_errors=True)

    names = (*CLIENTS, "longshore up|down")
    print(f"{work}; medians of {asked.rounds} rounds; s of wall time, s of the client's CPU, × longshore\n")
    for direction in ("up", "down"):
        print(f"{direction:20}{'s':>8}{'CPU s':>8}{'ratio':>8}")
        base = statistics.median(wall for wall, _ in taken["longshore", direction])
        for name in names:
            wall = statistics.median(wall for wall, _ in taken[name, direction])
            cpu = statistics.median(cpu for _, cpu in taken[name, direction])
            shown = f"{cpu:8.2f}" if cpu else f"{'–':>8}"
            print(f"{name:20}{wall:8.3f}{shown}{wall / base:8.2f}")
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
