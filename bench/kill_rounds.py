#!/usr/bin/env python3
"""Kill the server at random moments, or at chosen system calls, and look for what it promised.

Each round starts `longshore serve` on the same data folder, uploads files of mixed sizes, 8 at once, kills
the server with SIGKILL, starts it again and verifies that
- every acknowledged file reads back as it was sent;
- every visible file was acknowledged, or was in flight and then is whole;
- the events have no gap, and there is one for every content that is visible or was replaced;
- the server says that it is ready.
At the end it verifies all files of all rounds once more, and counts temporary files that nobody removed.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import queue
import random
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from measure import BenchError, Server, family, is_alive
from peers.base import BENCH
from peers.longshore import environment, find_program
from promises import KIB, MIB, Api, Content, Known, Tally, some_size

if TYPE_CHECKING:
    from collections.abc import Iterable

WRITERS = 8
POOL = random.Random("pool").randbytes(16 * MIB)
LARGE_PER_ROUND = 6
SYSCALLS = (
    *("fdatasync", "fsync", "rename,renameat,renameat2", "pwrite64", "write", "writev", "ftruncate"),
    *("mkdir,mkdirat", "openat", "fcntl", "recvfrom"),
)
GONE = (OSError, http.client.HTTPException)


class Rounds:
    """The run: one data folder, and all that was ever promised about it."""

    def __init__(self, program: Path, home: Path, data: Path, seed: int) -> None:
        """Start nothing yet."""
        self.program = program
        self.home = home
        self.data = data
        self.seed = seed
        self.key = ""
        self.workspace = ""
        self.known: dict[str, Known] = {}
        self.tally = Tally()
        self.seq = 0
        self.contents = 0
        """How many contents became visible, by the events."""
        self.committed = 0
        """How many contents became visible, by what was acknowledged or found."""
        self.lock = threading.Lock()

    # Starting and ending

    def start(self, *wrapper: str, wait: bool = True) -> Server:
        """Start the server, and wait until it has said its address."""
        argv = [*wrapper, str(self.program), "serve", "--data", str(self.data)]
        before = time.monotonic()
        server = Server.start(
            [*argv, "--listen", "127.0.0.1:0", "--ready-json"],
            self.home,
            self.data,
            environment(self.home / "home"),
        )
        if not wait:
            return server
        server.wait_until(lambda: bool(server.first_line()), 60)
        if not wrapper:
            self.tally.starts.append(time.monotonic() - before)
        ready = json.loads(server.first_line())
        server.url = ready["url"]
        # Only the first start on a data folder shows the key.
        self.key = ready.get("key") or self.key
        return server

    @staticmethod
    def kill(server: Server) -> None:
        """End the server, and a tracer above it, at once: the server first, as a tracer's end frees it."""
        pids = family(server.process.pid)
        for pid in reversed(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        server.process.wait()
        # Below a tracer the server is not ours to wait for, and holds its folder until it has truly ended.
        while any(is_alive(pid) for pid in pids):
            time.sleep(0.002)

    # Uploading

    def load(
        self, server: Server, folder: str, killed: threading.Event, writers: int, most: int
    ) -> list[threading.Thread]:
        """Start the writers; each goes on until the server is gone or it has sent enough."""
        budget: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(LARGE_PER_ROUND):
            budget.put(None)
        threads = [
            threading.Thread(target=self._write, args=(server, f"{folder}/w{n}", killed, budget, most))
            for n in range(writers)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _write(
        self, server: Server, folder: str, killed: threading.Event, budget: queue.SimpleQueue[None], most: int
    ) -> None:
        numbers = random.Random(f"{self.seed}:{folder}")
        api = Api(server.url, self.key)
        mine: list[str] = []
        for count in range(most):
            size = some_size(numbers)
            if size > MIB:
                try:
                    budget.get_nowait()
                except queue.Empty:
                    size = 4 * KIB
            start = numbers.randrange(len(POOL) - size)
            mark = f"{folder}#{count}#".encode()[:size]
            body = mark + POOL[start : start + size - len(mark)]
            if mine and numbers.random() < 0.12:
                path = numbers.choice(mine)
            else:
                # Some files need folders that nobody has made.
                deep = "/deep/er" * numbers.randrange(3) if numbers.random() < 0.1 else ""
                path = f"{folder}{deep}/{count:05}-{size}"
                mine.append(path)
            slow = numbers if numbers.random() < 0.05 or size > MIB else None
            known = self.known.setdefault(path, Known())
            known.pending = Content.of(body)
            try:
                status = api.put(self._file(path), body, slow)
            except GONE as error:
                if not killed.is_set():
                    with self.lock:
                        self.tally.violate("refused", f"PUT {path} before the kill: {error!r}")
                break
            with self.lock:
                if status in (200, 201):
                    self.tally.acknowledged += 1
                    self.tally.bytes += size
                    self.tally.replaced += known.acknowledged is not None
                    self.committed += 1
                    known.acknowledged = known.pending
                else:
                    self.tally.violate("refused", f"PUT {path} answered {status}")
            known.pending = None
        api.close()

    def _file(self, path: str) -> str:
        return f"/v1/workspaces/{self.workspace}/files{quote(path)}"

    # Verifying

    def _listed(self, api: Api, folder: str) -> set[str]:
        """Return the files below a folder that the server shows."""
        found: set[str] = set()
        cursor = ""
        while True:
            where = f"/v1/workspaces/{self.workspace}/tree{quote(folder)}?depth=all&limit=1000"
            status, body = api.get(where + (f"&cursor={quote(cursor, safe='')}" if cursor else ""))
            if status == 404 and not cursor:
                return found
            if status != 200:
                msg = f"GET {where} answered {status}: {body[:300]!r}"
                raise BenchError(msg)
            page = json.loads(body)
            found |= {node["path"] for node in page["items"] if node["kind"] == "file"}
            cursor = page["next_cursor"] or ""
            if not cursor:
                return found

    def _read(self, server: Server, paths: Iterable[str]) -> dict[str, Content | None]:
        """Read files, 8 at once; nothing for one that does not come whole."""
        todo: queue.SimpleQueue[str] = queue.SimpleQueue()
        for path in paths:
            todo.put(path)
        found: dict[str, Content | None] = {}

        def reader() -> None:
            api = Api(server.url, self.key)
            with contextlib.suppress(queue.Empty):
                while True:
                    path = todo.get_nowait()
                    try:
                        status, body = api.get(self._file(path) + "?content=1")
                    except GONE:
                        api.close()
                        status, body = 0, b""
                    found[path] = Content.of(body) if status == 200 else None
            api.close()

        threads = [threading.Thread(target=reader) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    def verify(self, server: Server, folder: str) -> None:
        """Hold what the server shows below a folder against what was promised."""
        tally = self.tally
        api = Api(server.url, self.key)
        status, body = api.get("/readyz")
        if status != 200:
            tally.violate("not_ready", f"/readyz answered {status}: {body[:200]!r}")
        promised = {p: k for p, k in self.known.items() if not folder or p.startswith(folder + "/")}
        listed = self._listed(api, folder)
        for path in sorted(listed - promised.keys()):
            tally.violate("strangers", f"{path} is visible and was never sent")
        read = self._read(server, sorted(listed & promised.keys()))
        for path, known in promised.items():
            tally.in_flight += known.pending is not None
            self._judge(path, known, path in listed, read.get(path))
            known.pending = None
        for path in [p for p, k in promised.items() if k.acknowledged is None]:
            # It did not become visible, so it must never do so.
            del self.known[path]
        self._events(api)
        api.close()

    def _judge(self, path: str, known: Known, is_listed: bool, found: Content | None) -> None:
        tally = self.tally
        if not is_listed:
            if known.acknowledged:
                tally.violate("lost", f"{path} was acknowledged and is not there")
        elif found is not None and found == known.pending:
            tally.in_flight_visible += 1
            self.committed += 1
            known.acknowledged = found
        elif found is None or found != known.acknowledged:
            size = "cannot be read" if found is None else f"has {found.size} bytes"
            sent = [c.size for c in (known.acknowledged, known.pending) if c]
            tally.violate("torn", f"{path} {size}, not what was acknowledged or in flight, of {sent} bytes")

    def _events(self, api: Api) -> None:
        """Read the events since the last time: each follows the one before it, one for each content."""
        while True:
            page = api.json(f"/v1/workspaces/{self.workspace}/events?after={self.seq}&limit=1000")
            for event in page["items"]:
                if event["seq"] != self.seq + 1:
                    self.tally.violate("gaps", f"event {event['seq']} follows event {self.seq}")
                self.seq = event["seq"]
                self.contents += event.get("version_id") is not None
            if not page["items"]:
                break
        newest = api.json("/v1/workspaces/current")["seq"]
        if newest != self.seq:
            self.tally.violate("gaps", f"the workspace is at event {newest}, its last is {self.seq}")
        if self.contents != self.committed:
            text = f"{self.contents} contents by the events, {self.committed} by what was sent"
            self.tally.violate("gaps", text)
            self.committed = self.contents

    def leaked(self) -> int:
        """Count temporary files, giving the server a while to sweep them."""
        for _ in range(50):
            found = [path for path in self.data.rglob(".longshore-tmp/*") if path.is_file()]
            if not found:
                break
            time.sleep(0.1)
        self.tally.notes += [f"leaked: {path.relative_to(self.data)}" for path in found[:5]]
        self.tally.leaked = len(found)
        return len(found)

    # The rounds

    def first(self) -> None:
        """Start once to get the key and the workspace."""
        server = self.start()
        try:
            if not self.key:
                msg = "the first start did not show a key"
                raise BenchError(msg)
            api = Api(server.url, self.key)
            self.workspace = api.json("/v1/workspaces/current")["id"]
            self._events(api)
            api.close()
        finally:
            self.kill(server)

    def again(self, folder: str) -> None:
        """Start and verify; this end is a kill too, of a server at rest."""
        server = self.start()
        try:
            self.verify(server, folder)
        finally:
            self.kill(server)

    def random_round(self, number: int, longest: float, writers: int) -> None:
        """Kill at a random moment after the load has started."""
        numbers = random.Random(f"{self.seed}:{number}")
        folder = f"/r{number:04}"
        server, killed = self.start(), threading.Event()
        threads = []
        try:
            threads = self.load(server, folder, killed, writers, 2000)
            time.sleep(numbers.random() * longest)
        finally:
            killed.set()
            self.kill(server)
            for thread in threads:
                thread.join()
        if numbers.random() < 0.1:
            # And once more while it is starting up again.
            early = self.start(wait=False)
            time.sleep(numbers.random() * 0.05)
            self.kill(early)
        self.again(folder)
        self.tally.rounds += 1

    def syscall_round(self, number: int, syscall: str, nth: int, *, at_start: bool) -> str:
        """Kill at the nth call of a thread: from the start of the program, or after it is ready."""
        inject = ("-f", "-qq", "-e", f"trace={syscall}", "-e", f"inject={syscall}:signal=KILL:when={nth}")
        folder = f"/s{number:04}"
        out = ("-o", "/dev/null")
        tracer = None
        try:
            server = self.start("strace", *out, *inject) if at_start else self.start()
        except BenchError:
            # It died before it was ready, which is what a kill at the start is for.
            self.again(folder)
            self.tally.rounds += 1
            return "before it was ready"
        killed, threads, fate = threading.Event(), [], "not reached"
        try:
            if not at_start:
                tracer = self._attach(server, inject)
            killed.set()  # by itself, at any moment from here on
            threads = self.load(server, folder, killed, 3, 20)
            end = time.monotonic() + 20
            while any(t.is_alive() for t in threads) and time.monotonic() < end:
                time.sleep(0.005)
            # The clients may see the end of it before this program does.
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(0.3)
                fate = "under load"
        finally:
            self.kill(server)
            for thread in threads:
                thread.join()
            if tracer:
                tracer.kill()
                tracer.wait()
        self.again(folder)
        self.tally.rounds += 1
        return fate

    def _attach(self, server: Server, inject: tuple[str, ...]) -> subprocess.Popen[bytes]:
        """Trace a running server, whose calls are counted from here on."""
        pid = server.process.pid
        argv = ["strace", "-o", "/dev/null", *inject, "-p", str(pid)]
        tracer = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(500):
            status = [Path(f"/proc/{pid}/task/{t.name}/status") for t in Path(f"/proc/{pid}/task").iterdir()]
            with contextlib.suppress(OSError):
                if all(f"TracerPid:\t{tracer.pid}\n" in s.read_text() for s in status):
                    return tracer
            if tracer.poll() is not None:
                break
            time.sleep(0.01)
        tracer.kill()
        tracer.wait()
        msg = "strace cannot attach to the server; run as root or with kernel.yama.ptrace_scope=0"
        raise BenchError(msg)


def at_random_moments(rounds: Rounds, count: int, longest: float, writers: int) -> None:
    """Run the rounds that kill at random moments."""
    tally = rounds.tally
    for number in range(1, count + 1):
        rounds.random_round(number, longest, writers)
        if number % 10 == 0:
            print(
                f"{number} rounds, {tally.acknowledged} acknowledged, {tally.violations()} violations",
                flush=True,
            )
    if count and tally.acknowledged == 0:
        tally.violate("refused", "nothing was ever acknowledged, so nothing was tested")


def at_system_calls(rounds: Rounds, syscalls: Iterable[str], calls: int) -> None:
    """Run the rounds that kill at a system call's first occurrence, its second, and so on."""
    number = 0
    for syscall in syscalls:
        for at_start in (False, True):
            fates: list[str] = []
            while len(fates) < calls and fates[-2:] != ["not reached"] * 2:
                number += 1
                fates.append(rounds.syscall_round(number, syscall, len(fates) + 1, at_start=at_start))
            when = "from the start" if at_start else "once ready"
            said = ", ".join(f"{n} {fate}" for n, fate in enumerate(fates, 1))
            print(f"{syscall} {when}: {said}", flush=True)


def at_the_end(rounds: Rounds) -> None:
    """Verify all files of all rounds, and look for what the server should have swept."""
    server = rounds.start()
    try:
        rounds.verify(server, "")
        rounds.leaked()
    finally:
        server.stop()


def report(rounds: Rounds, seed: int, seconds: float) -> int:
    """Print the one summary and return the exit code."""
    tally = rounds.tally
    starts = tally.starts or [0.0]
    print(f"rounds {tally.rounds}, seed {seed}, {seconds:.0f} s")
    print(
        f"acknowledged {tally.acknowledged} ({tally.bytes / MIB:.0f} MiB, "
        f"{tally.replaced} of them replaced a file), in flight when killed {tally.in_flight}, "
        f"of them visible and whole {tally.in_flight_visible}"
    )
    print(f"lost {tally.lost}, torn {tally.torn}, never sent but visible {tally.strangers}")
    print(
        f"event faults {tally.gaps} in {rounds.seq} events, not ready {tally.not_ready}, "
        f"refused {tally.refused}, leaked temporary files {tally.leaked}"
    )
    print(f"restart: median {statistics.median(starts):.2f} s, longest {max(starts):.2f} s")
    for note in tally.notes:
        print(f"  {note}")
    broken = tally.violations() + tally.leaked
    print("PASS" if broken == 0 else f"FAIL: {broken} violations")
    return 0 if broken == 0 else 1


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    parser.add_argument("--longest", type=float, default=600, metavar="MS", help="latest kill")
    parser.add_argument("--writers", type=int, default=WRITERS)
    parser.add_argument("--longshore", type=Path, metavar="PATH", help="a built program, else one is built")
    parser.add_argument("--work-dir", type=Path, default=BENCH / ".work", help="on a real disk")
    parser.add_argument(
        "--strace", action="store_true", help="kill at system calls instead of at random moments"
    )
    parser.add_argument("--calls", type=int, default=8, help="with --strace: kill at the 1st to this call")
    parser.add_argument("--syscalls", nargs="+", default=SYSCALLS, help="with --strace: these alone")
    parser.add_argument("--keep", action="store_true", help="leave the data folder there")
    asked = parser.parse_args()
    if asked.strace and not shutil.which("strace"):
        print("strace is not there; on Debian: apt-get install strace", file=sys.stderr)
        return 2
    try:
        program = find_program(asked.longshore)
    except BenchError as error:
        print(f"longshore does not build; give a program with --longshore PATH\n{error}", file=sys.stderr)
        return 2
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(2**32)
    home = asked.work_dir.resolve() / "kill"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    print(f"seed {seed}", flush=True)
    rounds = Rounds(program, home, home / "data", seed)
    started = time.monotonic()
    try:
        rounds.first()
        if asked.strace:
            at_system_calls(rounds, asked.syscalls, asked.calls)
        else:
            at_random_moments(rounds, asked.rounds, asked.longest / 1000, asked.writers)
        at_the_end(rounds)
    except (BenchError, *GONE) as error:
        rounds.tally.violate("not_ready", f"the server does not start again or does not answer: {error}")
    code = report(rounds, seed, time.monotonic() - started)
    if code == 0 and not asked.keep:
        shutil.rmtree(home, ignore_errors=True)
    else:
        print(f"the data folder is {rounds.data}, the server's log {rounds.home / 'server.log'}")
    return code


if __name__ == "__main__":
    # Asked to end, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
