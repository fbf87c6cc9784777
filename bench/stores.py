"""Storage libraries beside each other: the same reads, writes and listings, in turn, by their CPU seconds."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import BenchError, Server, free_port
from peers.packages import installed
from peers.seaweed import seaweed

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
KIB, MIB, GIB = 1024, 1024**2, 1024**3
SMALL_FILES, MANY_FILES, LARGE = 1000, 20_000, 256 * MIB
RUST = ("longshore", "object_store", "opendal")
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Work:
    """One thing that is done, with how much of it."""

    kind: str
    name: str
    operations: int
    at_once: int
    size: int
    peers: tuple[str, ...]
    slow: dict[str, int] = field(default_factory=dict)
    """Operations for peers that would take minutes."""

    @property
    def unit(self) -> tuple[str, float]:
        """Return what the cost is told in, and how many seconds of CPU for how much make one."""
        if self.name == "list":
            return "us/entry", 1e6
        return ("us/op", 1e6 * self.size) if self.size <= MIB else ("s/GiB", GIB)

    def __str__(self) -> str:
        """Say it in a line."""
        what = f"{self.size // KIB} KiB" if self.size <= MIB else f"{self.size // MIB} MiB"
        if self.name == "list":
            what = f"a folder of {MANY_FILES:,} files"
        return f"{self.kind} {self.name}: {what}, {self.operations:,} times, {self.at_once} at once"


EVERY = (*RUST, "obstore", "fsspec", "remote-store")
SFTP = ("longshore", "opendal", "asyncssh", "remote-store")
WORKS = [
    Work(
        "memory",
        "read",
        200_000,
        1,
        KIB,
        EVERY,
        {"obstore": 20_000, "fsspec": 20_000, "remote-store": 20_000},
    ),
    Work("local", "read", 20_000, 16, KIB, EVERY, {"obstore": 5000, "fsspec": 5000, "remote-store": 5000}),
    Work("local", "write", 5000, 16, KIB, EVERY, {"remote-store": 2000}),
    Work("local", "stream", 4, 1, LARGE, EVERY),
    Work("local", "list", 10, 1, 0, EVERY, {"remote-store": 3}),
    Work("s3", "read", 4000, 32, KIB, EVERY, {"fsspec": 1000, "remote-store": 1000}),
    Work("s3", "put", 2, 1, LARGE, EVERY),
    Work("s3", "stream", 2, 1, LARGE, EVERY),
    Work("sftp", "read", 6400, 64, KIB, SFTP, {"asyncssh": 1600, "opendal": 1600, "remote-store": 100}),
    Work("sftp", "put", 2, 1, LARGE, SFTP[:3]),
    Work("sftp", "stream", 2, 1, LARGE, SFTP[:3]),
]
"""In each peer's own fastest documented way. Left out: what a library has not, and what takes it minutes."""

HUGE = [
    Work(kind, name, 1, 1, 5 * GIB, ("longshore",))
    for kind in ("local", "s3", "sftp")
    for name in ("put", "stream")
]

GOALS = [
    ("local read", ("object_store",), 1.0),
    ("local stream", ("opendal",), 1.0),
    ("s3 read", ("object_store", "opendal"), 1.0),
    ("s3 put", ("object_store", "opendal"), 1.0),
    ("sftp read", ("opendal",), 0.1),
    ("sftp read", ("asyncssh",), 0.1),
]
"""The most that Longshore may cost, in terms of the best of these peers."""


class Bench:
    """The programs, the servers and what they hold."""

    def __init__(self, work_dir: Path, servers: dict[str, Any], programs: dict[str, list[str]]) -> None:
        """Remember them; the programs by the peers that they are."""
        self.work_dir, self.servers, self.programs = work_dir, servers, programs

    def task(self, peer: str, work: Work) -> dict[str, Any]:
        """Return the task of a peer."""
        task: dict[str, Any] = {
            "peer": peer,
            "kind": work.kind,
            "work": work.name,
            "operations": work.slow.get(peer, work.operations),
            "at_once": work.at_once,
            "size": work.size,
            "files": MANY_FILES if work.name == "list" else SMALL_FILES,
            "root": str(self.work_dir / "files"),
            "endpoint": "",
            "user": "",
        }
        task.update(self.servers.get(work.kind, {}))
        return task

    def run(self, peer: str, work: Work) -> dict[str, float]:
        """Do a work with a peer, in a process of its own; return what it cost."""
        program = self.programs[peer]
        # Helper programs (ssh) come to us when their parent ends, and are counted when they end.
        reap()
        before = children()
        argv = [*program, json.dumps(self.task(peer, work))]
        with (self.work_dir / "errors.log").open("ab") as errors:
            process = subprocess.Popen(
                argv, stdout=subprocess.PIPE, stderr=errors, env=os.environ | {"RUST_BACKTRACE": "0"}
            )
        assert process.stdout is not None
        said = process.stdout.read().decode()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said = (self.work_dir / "errors.log").read_text(errors="replace").strip()[-200:]
            msg = f"ended with {process.returncode}; the last thing said was: {said!r}"
            raise BenchError(msg)
        cost: dict[str, float] = json.loads(said)
        reap()
        helpers = children() - before - usage.ru_utime - usage.ru_stime
        cost["cpu"] += max(0.0, helpers)
        cost["unit"] = cost["cpu"] / cost["done"] * work.unit[1]
        return cost


def children() -> float:
    """Return the CPU seconds of all that ended below us."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def reap(seconds: float = 5) -> None:
    """Wait for adopted helpers of a peer that has ended; our own servers run on."""
    end = time.monotonic() + seconds
    with contextlib.suppress(ChildProcessError):
        while time.monotonic() < end:
            if os.waitpid(-1, os.WNOHANG)[0]:
                continue
            helpers = [pid for pid in own_children() if command_line(pid).startswith((b"ssh\0", b"ssh:"))]
            if not helpers:
                return
            for pid in helpers:
                # It would stay to serve a next connection, which does not come.
                os.kill(pid, signal.SIGTERM)
            time.sleep(0.01)


def own_children() -> list[int]:
    """Return our children's ids."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def command_line(pid: int) -> bytes:
    """Return a process's command line; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def fill(root: Path) -> None:
    """Make the files that are read from the local disk and over SFTP."""
    for n in range(SMALL_FILES):
        place = root / f"small/{n % 20:02}/{n:05}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(bytes([n % 251]) * KIB)
    (root / "many").mkdir()
    for n in range(MANY_FILES):
        (root / "many" / f"{n:05}").write_bytes(b"x")
    with (root / "large").open("wb") as large:
        for n in range(LARGE // MIB):
            large.write(bytes([n % 251]) * MIB)
    os.sync()


@contextlib.contextmanager
def sshd(work_dir: Path, program: str) -> Iterator[dict[str, Any]]:
    """Run an SSH server for whoever runs this."""
    folder = work_dir / "ssh"
    folder.mkdir()
    for name in ("host", "user"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(argv, check=True)
    port = free_port()
    lines = [
        f"Port {port}",
        "ListenAddress 127.0.0.1",
        f"HostKey {folder}/host",
        "UsePAM no",
        "StrictModes no",
    ]
    lines += [f"AuthorizedKeysFile {folder}/user.pub", "Subsystem sftp internal-sftp", "MaxStartups 200"]
    lines += ["MaxSessions 200", "PidFile none"]
    (folder / "config").write_text("\n".join(lines) + "\n")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = Server.start([program, "-D", "-e", "-f", str(folder / "config")], folder / "log", folder)
    host = (folder / "host.pub").read_text().split()[:2]
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {' '.join(host)}\n")
    try:
        server.wait_until(lambda: server.listening(port))
        yield {
            "root": str(work_dir / "files"),
            "endpoint": f"127.0.0.1:{port}",
            "user": os.environ.get("USER") or "root",
            "key": str(folder / "user"),
            "known_hosts": str(folder / "known_hosts"),
        }
    finally:
        server.stop()


def make_bucket(s3: dict[str, Any], python: Path) -> None:
    """Make the bucket: an unsigned program cannot, so a peer's library does."""
    code = (
        "import sys, json, s3fs; s = json.loads(sys.argv[1])\n"
        "s3fs.S3FileSystem(key=s['user'], secret=s['secret'], endpoint_url=s['endpoint']).mkdir(s['root'])"
    )
    for attempt in range(20):
        done = subprocess.run(
            [python, "-c", code, json.dumps(s3)], check=False, capture_output=True, text=True
        )
        if done.returncode == 0:
            return
        time.sleep(attempt / 4)
    msg = f"no bucket can be made: {done.stderr[-800:]}"
    raise BenchError(msg)


def build() -> Path:
    """Build the program of the peers in Rust; return it."""
    target = HERE / ".work" / "store-peers"
    argv = ["cargo", "build", "--release", "--quiet", "--target-dir", str(target)]
    subprocess.run(argv, cwd=HERE / "store-peers", check=True)
    return target / "release" / "store-peers"


Found = dict[str, list[dict[str, float]]]


def table(work: Work, found: Found, faults: dict[str, str]) -> str:
    """Return what a work cost each peer, the cheapest first."""
    lines = [f"\n{work}"]
    unit = work.unit[0]
    lines.append(
        f"  {'peer':<14}{'CPU ' + unit:>16}{'min – max':>22}{'× longshore':>13}{'wall s':>9}{'peak MiB':>10}"
    )
    base = found.get("longshore")
    for peer, rounds in sorted(found.items(), key=lambda item: statistics.median(r["unit"] for r in item[1])):
        costs = [r["unit"] for r in rounds]
        ratio = (
            statistics.median(a["unit"] / b["unit"] for a, b in zip(rounds, base, strict=True)) if base else 0
        )
        wall = statistics.median(r["seconds"] for r in rounds)
        spread = f"{min(costs):.3g} – {max(costs):.3g}"
        peak = max(r["peak"] for r in rounds) / MIB
        median = statistics.median(costs)
        lines.append(f"  {peer:<14}{median:>16.3g}{spread:>22}{ratio:>13.2f}{wall:>9.2f}{peak:>10.0f}")
    lines += [f"  FAULT {peer}: {fault}" for peer, fault in faults.items()]
    return "\n".join(lines)


def measured(bench: Bench, work: Work, peers: list[str], rounds: int) -> Found:
    """Do a work in turn with all, print the table, and return what each round cost."""
    found: Found = {}
    faults: dict[str, str] = {}
    for number in range(rounds if peers else 0):
        # Each is the first in turn, so that a slow minute of the machine meets every one.
        shift = number % len(peers)
        for peer in peers[shift:] + peers[:shift]:
            if peer in faults:
                continue
            try:
                found.setdefault(peer, []).append(bench.run(peer, work))
            except BenchError as error:
                faults[peer] = str(error)
                found.pop(peer, None)
    print(table(work, found, faults), flush=True)
    return found


def goals(results: dict[str, Found]) -> list[str]:
    """Hold Longshore against its goals."""
    lines = []
    for work, peers, limit in GOALS:
        found = results.get(work, {})
        own = found.get("longshore")
        ratios = [
            statistics.median(a["unit"] / b["unit"] for a, b in zip(own, found[peer], strict=True))
            for peer in peers
            if own and peer in found
        ]
        if ratios:
            word = "met" if max(ratios) <= limit else "MISSED"
            lines.append(
                f"{word:<8} {work}: {max(ratios):.2f} of the CPU of {' and '.join(peers)} (≤ {limit:g})"
            )
    listed = results.get("local list", {}).get("longshore")
    if listed:
        cost = statistics.median(r["unit"] for r in listed)
        lines.append(f"{'met' if cost <= 5 else 'MISSED':<8} local list: {cost:.2f} us an entry (≤ 5)")
    return lines


def parsed() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--works", help="such as s3,local-list: kinds, or a kind and a work")
    parser.add_argument("--peers", help="such as longshore,opendal")
    parser.add_argument(
        "--huge", action="store_true", help="a stream of 5 GiB each way instead, for its memory"
    )
    parser.add_argument("--json", type=Path, help="write every round's numbers here")
    parser.add_argument("--work-dir", type=Path, default=HERE / ".work" / "stores")
    return parser.parse_args()


def main() -> int:
    """Run it all."""
    args = parsed()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    names = args.works.split(",") if args.works else None
    wanted = args.peers.split(",") if args.peers else None
    works = [
        work
        for work in (HUGE if args.huge else WORKS)
        if not names or work.kind in names or f"{work.kind}-{work.name}" in names
    ]
    python, rust = installed(HERE / ".work" / "stores-venv", HERE / "requirements-stores.txt"), build()
    shutil.rmtree(args.work_dir, ignore_errors=True)
    (args.work_dir / "files").mkdir(parents=True)
    fill(args.work_dir / "files")
    in_python = [str(python / "python"), str(HERE / "peers" / "programs" / "store_peer.py")]
    programs = {peer: [str(rust)] if peer in RUST else in_python for peer in {*EVERY, *SFTP}}
    results: dict[str, Found] = {}
    program = shutil.which("sshd") or "/usr/sbin/sshd"
    with seaweed(args.work_dir, python / "weed") as s3, sshd(args.work_dir, program) as ssh:
        bench = Bench(args.work_dir, {"s3": s3, "sftp": ssh}, programs)
        if any(work.kind == "s3" for work in works):
            make_bucket(s3, python / "python")
            bench.run("object_store", Work("s3", "fill", SMALL_FILES, 16, KIB, ()))
            bench.run("object_store", Work("s3", "put", 1, 1, LARGE, ()))
        for work in works:
            peers = [peer for peer in work.peers if not wanted or peer in wanted]
            rounds = 1 if args.huge else args.rounds
            results[f"{work.kind} {work.name}"] = measured(bench, work, peers, rounds)
    print("\n" + "\n".join(goals(results)))
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps(results, indent=1))
    shutil.rmtree(args.work_dir, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
