#!/usr/bin/env python3
"""Kill the server at random moments, or at chosen system calls, and look for what it promised.

Each round starts `longshore serve` on the same data folder, writes to it, 8 at once (files of mixed sizes,
new versions, folders, locks, trips to the trash), kills the server with SIGKILL, starts it again and verifies
that
- every acknowledged file reads back as it was sent;
- every visible file was acknowledged, or was in flight and then is whole;
- the events have no gap, and there is one for every change that became visible;
- the server says that it is ready.
At the end it verifies all files of all rounds once more, and counts temporary files that nobody removed.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from measure import BenchError, Server
from peers.base import BENCH
from peers.longshore import find_program
from workload import GONE, WRITERS, Workload, report

if TYPE_CHECKING:
    from collections.abc import Iterable

SYSCALLS = (
    *("fdatasync", "fsync", "rename,renameat,renameat2", "pwrite64", "write", "writev", "ftruncate"),
    *("mkdir,mkdirat", "openat", "fcntl", "recvfrom"),
)


class Rounds(Workload):
    """The rounds over one data folder."""

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
        rounds.look_at_all()
    except (BenchError, *GONE) as error:
        rounds.tally.violate("not_ready", f"the server does not start again or does not answer: {error}")
    print(f"rounds {rounds.tally.rounds}, seed {seed}, {time.monotonic() - started:.0f} s")
    code = report(rounds.tally, rounds.seq)
    if code == 0 and not asked.keep:
        shutil.rmtree(home, ignore_errors=True)
    else:
        print(f"the data folder is {rounds.data}, the server's log {rounds.home / 'server.log'}")
    return code


if __name__ == "__main__":
    # Asked to end, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
