#!/usr/bin/env python3
"""HTTP/1.1 and HTTP/2 between the same two ends in memory, in turn, near and over a link of 20 ms."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from link import LINKS, Link
from measure import BenchError, Server
from peers.base import cargo_build

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work" / "http-versions"


@dataclass(frozen=True)
class Way:
    """A version of HTTP, and how many requests at once go over how many connections."""

    http: int
    connections: int
    streams: int
    windows: str = "default"
    together: int = 1

    def __str__(self) -> str:
        """Name it as the table does."""
        if self.http == 1:
            files = f", {self.together} files a request" if self.together > 1 else ""
            return f"1.1: {self.streams} connections{files}"
        return f"2: {self.streams} streams on {self.connections}, {self.windows}"

    def options(self) -> list[str]:
        """Return what the client is told."""
        kind = ["--http", str(self.http), "--windows", self.windows, "--together", str(self.together)]
        return [*kind, "--connections", str(self.connections), "--streams", str(self.streams)]


def one(connections: int, together: int = 1) -> Way:
    """HTTP/1.1: a connection for each request that is on its way."""
    return Way(1, connections, connections, together=together)


def two(*shapes: tuple[int, int]) -> list[Way]:
    """HTTP/2: connections and streams in all, with raised windows; the first with the other windows too."""
    first = [Way(2, *shapes[0], windows) for windows in ("adaptive", "default")]
    return [*(Way(2, *shape, "raised") for shape in shapes), *first]


# The first is what the others' ratios are over. What the SDK does: 512 files a request and four requests at
# once; a large file comes down in parts, four at once.
SMALL = [one(32), one(8), one(20), one(128), *two((1, 32), (1, 128), (4, 32), (4, 128)), one(4, 512)]
BIG = [one(1), one(4), *two((1, 1), (1, 4), (4, 4))]
MIXED = [one(8), *two((1, 8), (4, 8))]
WORKS = {
    "small-get": ("5,000 × 4 KiB down", SMALL),
    "small-put": ("5,000 × 4 KiB up", SMALL),
    "big-get": ("1 GiB down", BIG),
    "big-put": ("1 GiB up", BIG),
    "alone": ("2,000 × 4 KiB down, 8 at once, nothing beside", MIXED),
    "mixed": ("2,000 × 4 KiB down, 7 at once, beside 1 GiB up", MIXED),
    "mixed-get": ("2,000 × 4 KiB down, 7 at once, beside 1 GiB down", MIXED),
}

Sample = dict[str, float]


def cpu_seconds(server: Server) -> float:
    """Return what the threads of a server have used, as exactly as the scheduler knows."""
    tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def build() -> Path:
    """Build the program; return it."""
    argv = ["cargo", "build", "--release", "--locked", "--quiet", "--target-dir", str(WORK / "target")]
    subprocess.run(argv, cwd=HERE / "http2", check=True)
    return WORK / "target" / "release" / "http-versions"


def start(program: Path, way: Way, place: Path) -> Server:
    """Start a server for ways like this one."""
    argv = [str(program), "serve", "--http", str(way.http), "--windows", way.windows]
    server = Server.start(argv, place, place)
    server.wait_until(lambda: bool(server.first_line()))
    server.url = json.loads(server.first_line())["url"]
    return server


def run(program: Path, work: str, way: Way, server: Server, limit: float) -> Sample:
    """Do a work once."""
    argv = [str(program), "run", "--work", work, "--url", server.url, *way.options()]
    before = cpu_seconds(server)
    done = subprocess.run(argv, capture_output=True, check=False, timeout=limit)
    if done.returncode != 0:
        msg = f"{work} by {way}: {done.stderr.decode(errors='replace').strip()[-300:]}"
        raise BenchError(msg)
    sample: Sample = json.loads(done.stdout)
    sample["server_cpu"] = cpu_seconds(server) - before
    sample["both_cpu"] = sample["cpu"] + sample["server_cpu"]
    return sample


def table(title: str, found: dict[Way, list[Sample]]) -> str:
    """Return what a work took in each way; the ratios are medians of those within a round."""
    beside = any(sample["beside_mib_s"] for samples in found.values() for sample in samples)
    head = ("HTTP", "median s", "min – max", "×", "CPU c", "CPU s", "× CPU", "median ms", "p99 ms")
    rows: list[tuple[str, ...]] = [(*head, "beside MiB/s") if beside else head]
    base = next(iter(found.values()))
    for way, samples in found.items():

        def median(name: str, samples: list[Sample] = samples) -> float:
            return statistics.median(sample[name] for sample in samples)

        def ratio(name: str, samples: list[Sample] = samples) -> float:
            return statistics.median(a[name] / b[name] for a, b in zip(samples, base, strict=True))

        times = [sample["seconds"] for sample in samples]
        row = (
            *(str(way), f"{median('seconds'):.3f}", f"{min(times):.3f} – {max(times):.3f}"),
            *(f"{ratio('seconds'):.2f}", f"{median('cpu'):.3f}", f"{median('server_cpu'):.3f}"),
            *(f"{ratio('both_cpu'):.2f}", f"{median('median_ms'):.2f}", f"{median('p99_ms'):.2f}"),
        )
        rows.append((*row, f"{median('beside_mib_s'):.0f}") if beside else row)
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [f"\n{title}"]
    for first, *rest in rows:
        lines.append("  ".join((first.ljust(widths[0]), *map(str.rjust, rest, widths[1:]))))
    return "\n".join(lines)


def main() -> int:
    """Parse, start the servers, run by turns, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--links", nargs="+", choices=LINKS, default=["direct", "20ms"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=120, help="seconds that one run may take")
    parser.add_argument("--program", type=Path, metavar="PATH", help="a built http-versions")
    parser.add_argument("--link-program", type=Path, metavar="PATH", help="a built link")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every sample there too")
    asked = parser.parse_args()
    program = (asked.program or build()).resolve()
    proxy = (asked.link_program or cargo_build("longshore-link", "link")).resolve()
    written: dict[str, dict[str, list[Sample]]] = {}
    for name in asked.links:
        link = Link(name, proxy)
        with contextlib.ExitStack() as stack:
            servers: dict[tuple[int, str], Server] = {}
            for way in (way for work in asked.works for way in WORKS[work][1]):
                kind = (way.http, way.windows)
                if kind not in servers:
                    place = WORK / f"{name}-{way.http}-{way.windows}"
                    servers[kind] = start(program, way, place)
                    stack.callback(servers[kind].stop)
                    stack.enter_context(link.between(servers[kind], place / "link"))
            for work in asked.works:
                title, ways = WORKS[work]
                found: dict[Way, list[Sample]] = {way: [] for way in ways}
                for number in range(asked.rounds):
                    # Each is the first in turn, so that a slow minute of the machine meets every one.
                    shift = number % len(ways)
                    for way in ways[shift:] + ways[:shift]:
                        server = servers[way.http, way.windows]
                        found[way].append(run(program, work, way, server, asked.limit))
                print(table(f"{name}: {title}", found), flush=True)
                written[f"{name} {work}"] = {str(way): samples for way, samples in found.items()}
    print(
        f"\n{asked.rounds} rounds, {os.cpu_count()} cores, load average at the end {os.getloadavg()[0]:.1f}"
    )
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(json.dumps(written, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    # Asked to end, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
