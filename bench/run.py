#!/usr/bin/env python3
"""Run Longshore and its peers in turn on the same work and print a table; README.md says how to read it."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING

from link import LINKS, Link
from measure import BenchError, timed, warm_memory
from peers import PEERS, Bench, Peer
from peers.base import BENCH, cargo_build
from report import Results, Series, as_json, goals, table
from works import DEFAULT_WORKS, WORKS, Work

if TYPE_CHECKING:
    from collections.abc import Iterator

# Files of works with larger ones are deleted at once, the others at the end.
KEPT_BELOW = 16 * 1024 * 1024
PROBE_FILES = 1000
SLOW_PROBE = 0.0001
FORGET_SECONDS = 75


def empty(space: Path) -> None:
    """Delete what the rounds left, and note when."""
    if space.exists():
        shutil.rmtree(space, ignore_errors=True)
        os.sync()
        space.with_name("emptied").touch()


def wait_since_emptied(space: Path) -> None:
    """Wait until the file system has forgotten what the run before this one deleted."""
    stamp = space.with_name("emptied")
    left = stamp.stat().st_mtime + FORGET_SECONDS - time.time() if stamp.exists() else 0
    if left > 0:
        print(f"waiting {left:.0f} s since the last run deleted its files …", file=sys.stderr, flush=True)
        time.sleep(min(left, FORGET_SECONDS))


def settle(space: Path) -> float:
    """Wait until making a file is cheap, and return what it costs in seconds.

    For a minute after their deletion ext4 steps over inodes one by one rather than use them again, so in the
    place where thousands of files were deleted a new file costs a millisecond instead of 20 microseconds.
    """
    for attempt in range(4):
        folder = space / f"probe-{attempt}"
        folder.mkdir(parents=True)
        start = time.perf_counter()
        for n in range(PROBE_FILES):
            (folder / str(n)).touch()
        cost = (time.perf_counter() - start) / PROBE_FILES
        if cost < SLOW_PROBE:
            break
        if attempt == 0:
            print("waiting for the file system to forget deleted files …", file=sys.stderr, flush=True)
        os.sync()
        time.sleep(10)
    return cost


def flush_milliseconds(folder: Path) -> float:
    """Return what one write of 4 KiB with fdatasync costs right now: the median of a few."""
    times = []
    with (folder / "flush").open("wb", buffering=0) as file:
        for _ in range(9):
            start = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1000


def file_system(folder: Path) -> str:
    """Return the type of the file system a folder is on."""
    argv = ["stat", "--file-system", "--format", "%T", str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()


def say(text: str) -> None:
    """Show what runs now, on a terminal only."""
    if sys.stderr.isatty():
        print(f"\r{text:60}\r", end="", file=sys.stderr, flush=True)


def run_one(peer: Peer, work: Work, source: Path, number: int, results: Results, limit: float) -> None:
    """Move a work up and down once, with a fresh server on an empty folder."""
    space = peer.bench.work_dir / "space" / f"{number}-{work.name}-{peer.name}"
    data, target = space / "data", space / "target"
    data.mkdir(parents=True)
    target.mkdir()
    log = peer.dir / "client.log"
    peer.dir.mkdir(parents=True, exist_ok=True)
    direction = "up"
    server = None
    try:
        server = peer.start(data)
        with contextlib.ExitStack() as stack:
            if peer.bench.link:
                stack.enter_context(peer.bench.link.between(server, peer.dir / "link"))
            for direction in peer.directions:
                series = results[work.name, direction, peer.name]
                up = direction == "up"
                command = peer.up(server, work, source) if up else peer.down(server, work, target)
                os.sync()
                if work.size >= KEPT_BELOW:
                    warm_memory(3 * work.size)
                flush = flush_milliseconds(space)
                sample = timed(command, server, log, limit)
                sample.flush_ms = flush
                if direction == peer.directions[-1]:
                    # What came back is what went up, so both ways are verified at once.
                    fault = (
                        peer.arrived(work, source, data)
                        if up
                        else work.fault(source, target, bytes_too=number == 1)
                    )
                    if fault:
                        raise BenchError(fault)
                series.samples[number] = sample
    except (BenchError, OSError, ValueError, KeyError) as error:
        # A program that moves thousands of files says thousands of times what is wrong.
        message = f"round {number}: {textwrap.shorten(str(error), 200)}"
        results[work.name, direction, peer.name].faults.append(message)
        print(f"{peer.name} {work.name} {direction}: {message}", file=sys.stderr)
    finally:
        if server:
            server.stop()
        if work.size >= KEPT_BELOW:
            # They need the room, and they are few; see settle() for what deleting many would do.
            shutil.rmtree(space)


def in_turn(works: list[Work], pairs: list[tuple[Work, Peer]], number: int) -> Iterator[tuple[Work, Peer]]:
    """Return the pairs of a round; each round another peer is the first, as the first may have it harder."""
    for work in works:
        mine = [pair for pair in pairs if pair[0] is work]
        shift = (number - 1) % len(mine) if mine else 0
        yield from mine[shift:] + mine[:shift]


def main() -> int:
    """Parse, prepare, run, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--works", default=",".join(DEFAULT_WORKS), help=f"of {', '.join(WORKS)}; default: %(default)s"
    )
    parser.add_argument("--peers", default=",".join(PEERS), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="a factor on the works' size or number")
    parser.add_argument(
        "--quick", action="store_true", help="--scale 0.05 --rounds 2, to try the bench itself"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every sample there too")
    parser.add_argument(
        "--work-dir", type=Path, default=BENCH / ".work", help="on a real disk; default: bench/.work"
    )
    parser.add_argument(
        "--longshore", type=Path, metavar="PATH", help="a built program, instead of building one"
    )
    parser.add_argument("--hyper-pair", type=Path, metavar="PATH", help="likewise")
    parser.add_argument(
        "--link", choices=LINKS, default="direct", help="the network between client and server"
    )
    parser.add_argument("--baseline", default="longshore", help="whose times the ratios are over")
    parser.add_argument("--limit", type=float, default=300, help="seconds that one transfer may take")
    asked = parser.parse_args()
    if asked.quick:
        asked.scale, asked.rounds = 0.05, 2

    unknown = [n for n in asked.works.split(",") if n not in WORKS] + [
        n for n in asked.peers.split(",") if n not in PEERS
    ]
    if unknown:
        parser.error(f"unknown: {', '.join(unknown)}")
    work_dir: Path = asked.work_dir.resolve()
    work_dir.mkdir(parents=True, exist_ok=True)
    kind = file_system(work_dir)
    if kind in ("tmpfs", "ramfs"):
        print(f"{work_dir} is {kind}: nothing there is durable, give a disk with --work-dir", file=sys.stderr)
        return 2

    link = None if asked.link == "direct" else Link(asked.link, cargo_build("longshore-link", "link"))
    bench = Bench(work_dir, asked.longshore, asked.hyper_pair, link)
    peers: list[Peer] = []
    for name in asked.peers.split(","):
        peer = PEERS[name](bench)
        if why := peer.missing():
            print(f"without {name}: {why}", file=sys.stderr)
        else:
            peers.append(peer)
    works = [WORKS[name].scaled(asked.scale) for name in asked.works.split(",")]
    print("making the works …", file=sys.stderr, flush=True)
    sources = {work.name: work.make(work_dir / "works") for work in works}

    pairs = [(w, p) for w in works for p in peers if p.only_works is None or w.name in p.only_works]
    results: Results = {
        (w.name, d, p.name): Series(p.name, w.name, d, p.durable) for w, p in pairs for d in p.directions
    }
    space = work_dir / "space"
    empty(space)
    if asked.scale > 0.1:
        wait_since_emptied(space)
    probe = settle(space)
    started, load = time.time(), os.getloadavg()
    try:
        for number in range(1, asked.rounds + 1):
            for work, peer in in_turn(works, pairs, number):
                say(f"round {number}/{asked.rounds}: {work.name} {peer.name}")
                run_one(peer, work, sources[work.name], number, results, asked.limit)
    except (KeyboardInterrupt, SystemExit):
        print("ended early: what follows is of the rounds that were run", file=sys.stderr, flush=True)
    finally:
        empty(space)
    say("")

    samples = [s for series in results.values() for s in series.samples.values()]
    flushes = [s.flush_ms for s in samples] or [0.0]
    machine = {
        "link": asked.link,
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "file_system": kind,
        "microseconds_to_make_a_file": round(probe * 1e6),
        "flush_ms_median": round(statistics.median(flushes), 2),
        "flush_ms_min": round(min(flushes), 2),
        "flush_ms_max": round(max(flushes), 2),
        "load_at_start": round(load[0], 2),
        "load_max": round(max((s.load for s in samples), default=0.0), 2),
        "rounds": asked.rounds,
        "scale": asked.scale,
        "seconds": round(time.time() - started),
    }
    print(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items()))
    print(
        "seconds of wall time; RSS c and s: peak MiB of client and server; CPU c and s: their CPU seconds\n"
    )
    print(table(results, works, asked.baseline))
    print()
    for peer in peers:
        print(f"{peer.name}: {peer.what}; durable: {peer.durable}")
    held = goals(results, asked.link) if any(p.name == "longshore" for p in peers) else []
    if held:
        print("\ngoals" + (" (at another scale, so they say little)" if asked.scale != 1 else ""))
        print("\n".join(map(str, held)))
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        found = {
            "machine": machine,
            "baseline": asked.baseline,
            "results": as_json(results, asked.baseline),
            "goals": [{"goal": g.text, "value": g.value, "limit": g.limit, "met": g.met} for g in held],
        }
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if any(series.faults for series in results.values()) else 0


if __name__ == "__main__":
    # Asked to end, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
