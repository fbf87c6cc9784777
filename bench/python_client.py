#!/usr/bin/env python3
"""Upload and download 2,000 × 64 KiB from Python: the package of crates/python, httpx and aiohttp, in turn.

    python3 bench/python_client.py                     # builds the server and the wheel for release
    python3 bench/python_client.py --longshore PATH --wheel PATH --rounds 3

All speak to the same Longshore server, with a semaphore of 20 as the guides show it; `many` is
`upload_many` and `download_many`, and `longshore up|down` is the Rust SDK in the command line. Content stays
in memory, but for that and for `download_many`, which write files.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import BenchError
from peers.base import BENCH, Bench, cargo_build
from peers.longshore import LongshorePeer
from peers.packages import installed
from works import WORKS

PROGRAM = BENCH / "peers" / "programs" / "python_client.py"
CLIENTS = ("longshore", "longshore many", "httpx", "aiohttp")


def build_wheel(target: Path, program: Path) -> Path:
    """Build the package for release, with the tools that the gate has installed."""
    tools = target / "python-package" / "bin"
    if not (tools / "maturin").exists():
        msg = "maturin is not there: run `cargo xtask package` once, or give --wheel"
        raise BenchError(msg)
    out = target / "python-package" / "release-wheels"
    shutil.rmtree(out, ignore_errors=True)
    argv = [
        str(tools / "pip"),
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(out),
    ]
    environment = {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "LONGSHORE_COMMAND": str(program),
    }
    subprocess.run([*argv, str(BENCH.parent / "crates" / "python")], env=environment, check=True)
    return next(out.glob("*.whl"))


def environment(work: Path, wheel: Path) -> Path:
    """Return a Python with the peers and the wheel."""
    programs = installed(work / "python-venv", BENCH / "requirements-python.txt")
    argv = [str(programs / "pip"), "install", "-q", "--no-deps", "--force-reinstall", str(wheel)]
    subprocess.run(argv, check=True)
    return programs / "python"


def main() -> int:
    """Run all in turn and print medians and ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--longshore", type=Path, metavar="PATH", help="a built program")
    parser.add_argument("--wheel", type=Path, metavar="PATH", help="a built wheel")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work-dir", type=Path, default=BENCH / ".work")
    asked = parser.parse_args()
    work_dir: Path = asked.work_dir.resolve()
    work_dir.mkdir(parents=True, exist_ok=True)
    program = asked.longshore or cargo_build("longshore-cli", "longshore")
    wheel = asked.wheel or build_wheel(Path(program).resolve().parents[1], Path(program).resolve())
    python = environment(work_dir, wheel.resolve())
    work = WORKS["medium"]
    source = work.make(work_dir / "works")
    space = work_dir / "python-client"
    shutil.rmtree(space, ignore_errors=True)
    peer = LongshorePeer(Bench(work_dir, Path(program), None, None))
    if why := peer.missing():
        raise BenchError(why)

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
