#!/usr/bin/env python3
"""Upload new versions of files, and say what part of their bytes moved.

For each pair of files the old one is uploaded, then the new one to the same path, through a proxy that
counts: what crossed it, both ways, is divided by the new file's size. Beside it stand the fraction of rsync,
where that is installed, and the times of the new version and of a file of its size that the server has never
seen. What the server then has is read back and compared. Exit code 1 where the goal is missed: of a file of
which 1 % changed, no more than 3 % moves.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from measure import BenchError, Server, free_port, timed
from peers.base import Bench, cargo_build
from peers.longshore import LongshorePeer, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from measure import Command

MIB = 1024 * 1024
GOAL = 0.03
LIMIT = 1800.0
"""Seconds that one upload may take."""


def write_noise(path: Path, size: int, seed: int) -> None:
    """Write bytes that no compressor makes smaller."""
    numbers = random.Random(seed)
    with path.open("wb") as file:
        for at in range(0, size, MIB):
            file.write(numbers.randbytes(min(MIB, size - at)))


def overwrite(path: Path, places: int, each: int, seed: int) -> None:
    """Overwrite as many places, evenly over the file, with so many other bytes each."""
    numbers, size = random.Random(seed), path.stat().st_size
    with path.open("r+b") as file:
        for number in range(places):
            file.seek(size * number // places + numbers.randrange(max(size // places - each, 1)))
            file.write(numbers.randbytes(each))


def insert(path: Path, content: bytes) -> None:
    """Insert bytes in the middle."""
    whole = path.read_bytes()
    half = len(whole) // 2
    path.write_bytes(whole[:half] + content + whole[half:])


def binary_insert(old: Path, new: Path, size: int) -> None:
    """Some hundred bytes more in the middle."""
    write_noise(old, size, 1)
    shutil.copyfile(old, new)
    insert(new, b"inserted" * 100)


def binary_overwrite(old: Path, new: Path, size: int) -> None:
    """Ten places of 4 KiB."""
    write_noise(old, size, 2)
    shutil.copyfile(old, new)
    overwrite(new, 10, 4096, 3)


def rows(size: int) -> list[str]:
    """Return the lines of a table."""
    numbers = random.Random(4)
    line = "{},{},customer {:08},{:.2f},2026-{:02}-{:02}\n"
    count = size // 45
    return [
        line.format(
            number, numbers.randrange(10**9), numbers.randrange(10**8), numbers.random() * 1000,
            numbers.randrange(1, 13), numbers.randrange(1, 29),
        )
        for number in range(count)
    ]  # fmt: skip


def csv_rows(change: Callable[[list[str]], None]) -> Callable[[Path, Path, int], None]:
    """Make a pair of tables."""

    def make(old: Path, new: Path, size: int) -> None:
        lines = rows(size)
        old.write_text("".join(lines))
        change(lines)
        new.write_text("".join(lines))

    return make


def change_rows(lines: list[str]) -> None:
    """Change a hundred lines, each to another length."""
    for number in random.Random(5).sample(range(len(lines)), 100):
        lines[number] = lines[number].replace("customer", "former customer")


def append_rows(lines: list[str]) -> None:
    """Append a thousand lines."""
    lines.extend(rows(45_000))


def insert_rows(lines: list[str]) -> None:
    """Insert ten lines near the front."""
    lines[100:100] = rows(450)


def office(old: Path, new: Path, size: int) -> None:
    """A document of compressed members, one of which is written anew."""
    words = ["harbour", "quay", "vessel", "cargo", "tide", "pilot", "berth", "crane", "manifest", "customs"]
    members = max(size // (256 * 1024), 8)
    for path, changed in ((old, False), (new, True)):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(members):
                seed = f"{number}{changed and number == members // 2}"
                numbers = random.Random(seed)
                if number % 2:
                    content = numbers.randbytes(256 * 1024)
                else:
                    content = " ".join(numbers.choices(words, k=80_000)).encode()
                archive.writestr(zipfile.ZipInfo(f"part{number}.xml", (2026, 1, 1, 0, 0, 0)), content)


def database(old: Path, new: Path, size: int) -> None:
    """A database, a hundred rows of which change and to which a thousand come."""
    numbers = random.Random(6)
    with contextlib.closing(sqlite3.connect(old)) as table:
        table.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, name TEXT, note BLOB)")
        row = "INSERT INTO orders (name, note) VALUES (?, ?)"
        table.executemany(row, ((f"order {number}", numbers.randbytes(180)) for number in range(size // 220)))
        table.commit()
    shutil.copyfile(old, new)
    with contextlib.closing(sqlite3.connect(new)) as table:
        changed = "UPDATE orders SET name = 'changed' WHERE id = ?"
        count = size // 220
        table.executemany(changed, ((number,) for number in numbers.sample(range(1, count), 100)))
        table.executemany(row, ((f"new {number}", numbers.randbytes(180)) for number in range(1000)))
        table.commit()


def percent(places: int) -> Callable[[Path, Path, int], None]:
    """Change 1 % of a file in so many places."""

    def make(old: Path, new: Path, size: int) -> None:
        write_noise(old, size, 7)
        shutil.copyfile(old, new)
        overwrite(new, places, size // 100 // places, 8)

    return make


@dataclass(frozen=True)
class Pair:
    """A file and its new version."""

    name: str
    size: int
    make: Callable[[Path, Path, int], None]
    has_goal: bool = False


def pairs(large: int) -> list[Pair]:
    """Return all pairs."""
    return [
        Pair("binary, inserted", 64 * MIB, binary_insert),
        Pair("binary, 10 overwrites", 64 * MIB, binary_overwrite),
        Pair("CSV, 100 rows changed", 64 * MIB, csv_rows(change_rows)),
        Pair("CSV, rows appended", 64 * MIB, csv_rows(append_rows)),
        Pair("CSV, rows inserted", 64 * MIB, csv_rows(insert_rows)),
        Pair("office, one part", 32 * MIB, office),
        Pair("SQLite, 1,100 rows", 32 * MIB, database),
        Pair("1 % in one place", large, percent(1), has_goal=True),
        Pair("1 % in 100 places", large, percent(100), has_goal=True),
    ]


@contextlib.contextmanager
def counted(server: Server, program: Path, work: Path, counts: dict[str, int]) -> Iterator[None]:
    """Put the counting proxy before a server, and note what crossed it."""
    target, own, port = urlsplit(server.url).netloc, server.url, free_port()
    shutil.rmtree(work, ignore_errors=True)
    proxy = Server.start([str(program), f"127.0.0.1:{port}", target], work, work)
    try:
        proxy.wait_until(lambda: proxy.listening(port))
        server.url = own.replace(target, f"127.0.0.1:{port}", 1)
        yield
        proxy.process.send_signal(signal.SIGINT)
        proxy.process.wait(15)
        said = re.search(r"up: (\d+), down: (\d+)", proxy.log.read_text())
        if not said:
            msg = f"{program} does not say what crossed it"
            raise BenchError(msg)
        counts.update(up=int(said[1]), down=int(said[2]))
    finally:
        server.url = own
        proxy.stop()


def rsync_fraction(old: Path, new: Path, work: Path) -> float | None:
    """Return what part of the new file rsync moves; nothing where it is not installed."""
    program = shutil.which("rsync")
    if not program:
        return None
    there = work / "rsync"
    shutil.copyfile(old, there)
    argv = [program, "--no-whole-file", "--ignore-times", "--stats", str(new), str(there)]
    said = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    there.unlink()
    moved = re.findall(r"Total bytes (?:sent|received): ([\d,]+)", said)
    return sum(int(number.replace(",", "")) for number in moved) / new.stat().st_size


class Deltas(LongshorePeer):
    """The server and its command line."""

    def client(self, server: Server, *arguments: str) -> Command:
        """Return a command of the client."""
        return self._client(server, *arguments)

    def verify(self, server: Server, new: Path, path: str) -> None:
        """Compare what the server has with what was sent."""
        back = self.dir / "back"
        back.unlink(missing_ok=True)
        timed(self.client(server, "down", path, str(back)), server, self.dir / "client.log", LIMIT)
        if subprocess.run(["cmp", "-s", str(new), str(back)], check=False).returncode != 0:
            msg = f"{path} came back as other bytes"
            raise BenchError(msg)
        back.unlink()


def measure(pair: Pair, peer: Deltas, server: Server, link: Path, work: Path) -> bool:
    """Measure one pair; tell whether its goal is met."""
    old, new, other = work / "old", work / "new", work / "other"
    pair.make(old, new, pair.size)
    write_noise(other, new.stat().st_size, 9)
    remote = "/" + re.sub(r"\W+", "-", pair.name)
    log, counts = peer.dir / "client.log", dict[str, int]()
    timed(peer.client(server, "up", str(old), remote), server, log, LIMIT)
    with counted(server, link, work / "link", counts):
        sample = timed(peer.client(server, "up", "--delta", "always", str(new), remote), server, log, LIMIT)
    peer.verify(server, new, remote)
    whole = timed(peer.client(server, "up", str(other), f"{remote}-whole"), server, log, LIMIT)
    size = new.stat().st_size
    fraction = (counts["up"] + counts["down"]) / size
    rsync = rsync_fraction(old, new, work)
    told = "not installed" if rsync is None else f"{rsync:8.2%}"
    print(
        f"{pair.name:24} {size / MIB:8.1f} MiB {counts['up'] / MIB:8.2f} up {counts['down'] / MIB:6.2f} down"
        f" {fraction:8.2%}   rsync {told}   {sample.seconds:6.2f} s, whole {whole.seconds:6.2f} s"
        f"   {sample.client_rss / MIB:5.0f} MiB of memory",
        flush=True,
    )
    for path in (old, new, other):
        path.unlink()
    return not pair.has_goal or fraction <= GOAL


def main() -> int:
    """Measure all pairs that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--longshore", type=Path, help="the program; left out, it is built")
    parser.add_argument("--link", type=Path, help="the proxy's program; left out, it is built")
    parser.add_argument("--large", type=int, default=1024, help="MiB of the large files")
    parser.add_argument("--only", default="", help="pairs whose name has this")
    options = parser.parse_args()
    link = options.link.resolve() if options.link else cargo_build("longshore-link", "link")
    met = True
    with tempfile.TemporaryDirectory(prefix="longshore-delta-") as folder:
        work = Path(folder)
        peer = Deltas(Bench(work, longshore=options.longshore))
        if missing := peer.missing():
            print(missing, file=sys.stderr)
            return 2
        environment(peer.dir / "home")
        server = peer.start(work / "data")
        try:
            for pair in pairs(options.large * MIB):
                if options.only in pair.name:
                    met = measure(pair, peer, server, link, work) and met
        finally:
            server.stop()
    print("the goal is met" if met else f"more than {GOAL:.0%} moved where 1 % had changed")
    return 0 if met else 1


if __name__ == "__main__":
    started = time.monotonic()
    try:
        sys.exit(main())
    except BenchError as error:
        print(f"{error} (after {time.monotonic() - started:.0f} s)", file=sys.stderr)
        sys.exit(2)
