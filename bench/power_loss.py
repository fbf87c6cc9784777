#!/usr/bin/env python3
"""Cut the power under the server, again and again, and look for what it promised.

The server's data folder is on a disk of its own, a file that is mounted through a loop device. Each round
starts `longshore serve`, writes to it, 8 at once (files of mixed sizes, new versions, folders, locks,
trips to the trash), and cuts the power at a random moment, in one of two ways by turns:
- stopped: SIGSTOP for the server; when all its threads stand still, the disk is copied as it is;
- pulled: the file system stops writing at once, in the middle of all it does; then the disk is copied.
The copy has what was written to the disk, and nothing of what the kernel had still to write. It takes the
disk's place, the file system recovers, a server starts on it, and everything whose answer had come before the
cut is read back, byte for byte, as kill_rounds.py does; later rounds go on with that disk.

Two controls prove that a cut loses what was not flushed. Both must find losses, or the program fails:
- the server with `store.durability = "none"`;
- the server with all its flushes swallowed, by strace.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from disks import MAKE, Disk, in_a_namespace_of_its_own, why_not
from measure import BenchError
from peers.base import BENCH
from peers.longshore import find_program
from promises import Tally
from workload import GONE, WRITERS, Workload, report

if TYPE_CHECKING:
    from measure import Server

INSIDE = "--in-own-namespace"
CANNOT = 77
"""The exit code where there can be no such disk."""
CUTS_PER_DISK = 10
SWALLOW = (
    *("strace", "-f", "-qq", "-o", "/dev/null"),
    *("-e", "trace=fsync,fdatasync,sync_file_range", "-e", "inject=fsync,fdatasync,sync_file_range:retval=0"),
)


def stop(server: Server) -> None:
    """Stop the server's threads, each of them, wherever it is."""
    pid = server.process.pid
    os.kill(pid, signal.SIGSTOP)
    while True:
        tasks = [task / "stat" for task in Path(f"/proc/{pid}/task").iterdir()]
        if all(task.read_text().rpartition(")")[2].split()[0] in "Tt" for task in tasks):
            return
        time.sleep(0.001)


class Cuts(Workload):
    """The rounds over one disk."""

    def __init__(self, program: Path, home: Path, kind: str, seed: int, tally: Tally) -> None:
        """Make the disk, and start a server on it once."""
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        self.disk = Disk(kind, home)
        super().__init__(program, home, self.disk.mounted_at / "data", seed)
        self.tally = tally
        self.thrown_away = 0
        self.first()

    def cut(self, folder: str, after: float, *wrapper: str, pull: bool) -> None:
        """Cut the power some seconds after the load has started; the copy is the disk from then on."""
        server, ended, threads = self.start(*wrapper), threading.Event(), []
        try:
            threads = self.load(server, folder, ended, WRITERS, 5000)
            time.sleep(after)
            if pull:
                # What is answered while the plug comes out proves nothing.
                self.close_ledger()
                self.disk.pull()
            else:
                stop(server)
                # What the server had answered is still on its way to the clients.
                time.sleep(0.02)
                self.close_ledger()
            self.thrown_away += self.disk.copy()
        finally:
            ended.set()
            self.kill(server)
            for thread in threads:
                thread.join()
        self.disk.become_the_copy()
        self.tally.rounds += 1

    def done(self) -> None:
        """Take the disk away."""
        self.disk.remove()
        shutil.rmtree(self.home)


class Run:
    """All disks, one after the other."""

    def __init__(self, program: Path, home: Path, seed: int) -> None:
        """Start nothing yet."""
        self.program, self.home, self.seed = program, home, seed
        self.tally = Tally()
        self.events = 0
        self.thrown_away = 0

    def cuts(self, kind: str, first: int, count: int, longest: float) -> None:
        """Cut so many times on one new disk, and look at everything at the end."""
        tally = self.tally
        cuts = Cuts(self.program, self.home / f"{kind}-{first}", kind, self.seed, tally)
        for number in range(first, first + count):
            folder = f"/r{number:04}"
            cuts.cut(folder, random.Random(f"{self.seed}:{number}").random() * longest, pull=number % 2 == 0)
            cuts.again(folder)
        cuts.look_at_all()
        self.events += cuts.seq
        self.thrown_away += cuts.thrown_away
        print(
            f"{tally.rounds} cuts, the last {count} on {kind}; {tally.acknowledged} acknowledged, "
            f"{tally.violations()} violations",
            flush=True,
        )
        if tally.violations() == 0:
            cuts.done()

    def control(self, kind: str, what: str, *wrapper: str, pull: bool, **environment: str) -> bool:
        """Cut once where losses are certain, and say whether they were seen."""
        seen = Tally()
        home = self.home / f"control-{kind}"
        cuts = Cuts(self.program, home, kind, self.seed, seen)
        cuts.environment = environment
        cuts.cut("/r", 1.0, *wrapper, pull=pull)
        sent = seen.acknowledged
        try:
            cuts.again("/r")
            found = f"lost {seen.lost}, torn {seen.torn} of {sent} acknowledged"
        except (BenchError, *GONE):
            seen.violate("not_ready", "the server does not start again")
            found = f"the server does not start again, {sent} acknowledged"
        is_good = sent > 0 and seen.lost + seen.torn + seen.not_ready > 0
        print(f"control on {kind}, {what}: {found}, {'as it must be' if is_good else 'NOTHING WAS LOST'}")
        sys.stdout.flush()
        if is_good:
            cuts.done()
        return is_good


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=None, help="default: a new one, which is printed")
    parser.add_argument("--longest", type=float, default=1000, metavar="MS", help="latest cut")
    parser.add_argument("--disks", nargs="+", choices=MAKE, help="default: all that can be made here")
    parser.add_argument("--longshore", type=Path, metavar="PATH", help="a built program, else one is built")
    parser.add_argument("--work-dir", type=Path, default=BENCH / ".work")
    parser.add_argument("--can-run", action="store_true", help="only say whether it can run here")
    parser.add_argument("--keep", action="store_true", help="leave everything there")
    parser.add_argument(INSIDE, action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    reasons = {kind: why_not(kind) for kind in asked.disks or MAKE}
    kinds = [kind for kind, reason in reasons.items() if not reason]
    for kind, reason in reasons.items():
        if reason:
            print(f"power loss on {kind}: skipped, {reason}", flush=True)
    if not kinds or asked.can_run:
        return 0 if kinds else CANNOT
    in_a_namespace_of_its_own(INSIDE)
    try:
        program = find_program(asked.longshore)
    except BenchError as error:
        print(f"longshore does not build; give a program with --longshore PATH\n{error}", file=sys.stderr)
        return 2
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(2**32)
    home = asked.work_dir.resolve() / "power"
    shutil.rmtree(home, ignore_errors=True)
    print(f"seed {seed}", flush=True)
    run, started = Run(program, home, seed), time.monotonic()
    controls = []
    try:
        for kind in kinds:
            for pull, way in ((False, "stopped"), (True, "pulled")):
                what, none = f'{way}, durability = "none"', {"LONGSHORE_STORE_DURABILITY": "none"}
                controls.append(run.control(kind, what, pull=pull, **none))
            if shutil.which("strace"):
                controls.append(run.control(kind, "pulled, flushes swallowed", *SWALLOW, pull=True))
        at_once = min(CUTS_PER_DISK, max(1, asked.cuts // len(kinds)))
        for number in range(0, asked.cuts, at_once):
            kind = kinds[number // at_once % len(kinds)]
            run.cuts(kind, number, min(at_once, asked.cuts - number), asked.longest / 1000)
    except (BenchError, *GONE) as error:
        run.tally.violate("not_ready", f"the server does not start again or does not answer: {error}")
    print(
        f"cuts {run.tally.rounds}, seed {seed}, {time.monotonic() - started:.0f} s; "
        f"copies thrown away because something was written meanwhile: {run.thrown_away}"
    )
    if run.tally.acknowledged == 0 and asked.cuts:
        run.tally.violate("refused", "nothing was ever acknowledged, so nothing was tested")
    code = report(run.tally, run.events) or int(not all(controls))
    if code or asked.keep:
        print(f"the disks and the servers' logs are below {home}")
    else:
        shutil.rmtree(home, ignore_errors=True)
    return code


if __name__ == "__main__":
    # Asked to end, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
