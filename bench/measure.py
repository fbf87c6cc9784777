"""Processes: started, measured and ended, each by its own pid."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_SECONDS = 0.01


class BenchError(Exception):
    """A run that cannot be used: a program failed, hung or lied."""


def high_water(pid: int) -> int:
    """Return the peak resident bytes of a process so far; 0 when it is gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def family(pid: int) -> list[int]:
    """Return a process and everything below it."""
    found = [pid]
    for known in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{known}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def is_alive(pid: int) -> bool:
    """Tell whether a process still has its files open: not gone, and not a zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds of a process and of the children it has waited for."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15]) / TICKS
    return 0.0


def free_port() -> int:
    """Return a port that nobody listens on now, for servers that cannot pick one and say which."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Server:
    """A running server, its log, and what its peer wants to remember about it."""

    process: subprocess.Popen[bytes]
    log: Path
    data: Path
    url: str = ""
    notes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def start(cls, argv: list[str], work: Path, data: Path, env: Mapping[str, str] | None = None) -> Server:
        """Start a server with its output in files below `work`."""
        work.mkdir(parents=True, exist_ok=True)
        log = work / "server.log"
        with log.open("ab") as errors, (work / "server.out").open("wb") as out:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=errors, env=env, cwd=work
            )
        return cls(process, log, data)

    def wait_until(self, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Wait for a sign that the server serves; fail when it ends first or takes too long."""
        end = time.monotonic() + seconds
        while not ready():
            if self.process.poll() is not None:
                tail = self.log.read_text(errors="replace")[-2000:]
                msg = f"{self.process.args!r} ended at once with {self.process.returncode}:\n{tail}"
                raise BenchError(msg)
            if time.monotonic() > end:
                self.stop()
                msg = f"{self.process.args!r} is not ready after {seconds} s; see {self.log}"
                raise BenchError(msg)
            time.sleep(0.01)

    def listening(self, port: int) -> bool:
        """Say whether a connection to the port is taken."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return True
        return False

    def first_line(self) -> str:
        """Return the first line the server printed; empty when there is none yet."""
        head, newline, _ = (self.log.parent / "server.out").read_text().partition("\n")
        return head if newline else ""

    def cpu(self) -> float:
        """Return the CPU seconds of the server and everything below it."""
        return sum(cpu_seconds(pid) for pid in family(self.process.pid))

    def reset_peak(self) -> None:
        """Forget the peak memory so far."""
        for pid in family(self.process.pid):
            with contextlib.suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """Return the peak resident bytes, summed over the server's processes."""
        return sum(high_water(pid) for pid in family(self.process.pid))

    def stop(self) -> None:
        """End the server: politely, then not."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def warm_memory(size: int) -> None:
    """Have the machine hold so much free memory that it has used before.

    A virtual machine's host takes idle memory away, and gives it back page by page at first touch; that
    costs more than the copy into it, and whoever runs first would pay for all. This touches as much in a
    process of its own, whose end leaves it free.
    """
    touch = (
        "import mmap, sys; size = int(sys.argv[1]); memory = mmap.mmap(-1, size)\n"
        "for place in range(0, size, 4096): memory[place] = 1"
    )
    subprocess.run([sys.executable, "-c", touch, str(size)], check=False)


@dataclass(frozen=True)
class Command:
    """A client's command line."""

    argv: list[str]
    env: Mapping[str, str] | None = None


@dataclass
class Sample:
    """One timed run."""

    seconds: float
    client_cpu: float
    client_rss: int
    server_cpu: float | None
    server_rss: int | None
    load: float
    """The load average of the minute before."""
    flush_ms: float = 0.0
    """What one small flush cost right before."""


def timed(command: Command, server: Server | None, log: Path, limit: float) -> Sample:
    """Run a client to its end and say what it and the server cost.

    A client's ru_maxrss is at least the peak of the process that started it, which is this one (Linux keeps
    it across exec). So below this program's own peak the number is taken from samples of VmHWM instead.
    """
    load = os.getloadavg()[0]
    if server:
        server.reset_peak()
    cpu_before = server.cpu() if server else 0.0
    with log.open("ab") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command.argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=command.env
        )
    sampled, ended = [0], threading.Event()

    def watch() -> None:
        end = time.monotonic() + limit
        while not ended.wait(SAMPLE_SECONDS):
            sampled[0] = max(sampled[0], high_water(process.pid))
            if time.monotonic() > end:
                process.kill()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    ended.set()
    watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        tail = log.read_text(errors="replace")[-2000:]
        msg = f"{command.argv[:6]} ended with {process.returncode} after {seconds:.1f} s:\n{tail}"
        raise BenchError(msg)
    own = high_water(os.getpid())
    exact = usage.ru_maxrss * 1024
    return Sample(
        seconds=seconds,
        client_cpu=usage.ru_utime + usage.ru_stime,
        client_rss=exact if exact > own else sampled[0],
        server_cpu=server.cpu() - cpu_before if server else None,
        server_rss=server.peak() if server else None,
        load=load,
    )
