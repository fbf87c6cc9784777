#!/usr/bin/env python3
"""Requests that a server takes 200 ms to answer: 50 of them at once should take hardly longer than one.

    python3 bench/latency_bound.py                    # 50 requests, 7 rounds
    python3 bench/latency_bound.py --longshore PATH   # a program that is built already

`longshore fetch` and `longshore enrich` beside curl --parallel, aiohttp and httpx, each with as many at once
as there are requests. Programs take turns, so that a slow minute of the machine meets each; medians are
printed. Two ratios, since programs take their time to start: "whole" compares the program's run with 50
requests to its run with one, and "server" compares what the server saw, from the first request's arrival to
the last answer's end, to the time of one answer. The goal of 1.1 is for both, and for Longshore's programs.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

from measure import BenchError
from peers.base import PROGRAMS
from peers.longshore import environment, find_program
from peers.packages import installed

BENCH = Path(__file__).resolve().parent
GOAL = 1.1
BODY = b'{"answer": 42}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)


class SlowServer:
    """Answers every request after a while, and remembers when the first came and the last was answered."""

    def __init__(self, delay: float) -> None:
        """Start it on a free port, in a thread of its own."""
        self.delay = delay
        self.first = self.last = 0.0
        self.count = 0
        self.port = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                if not self.count:
                    self.first = time.perf_counter()
                self.count += 1
                await asyncio.sleep(self.delay)
                writer.write(HEAD + BODY)
                await writer.drain()
                self.last = time.perf_counter()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @property
    def url(self) -> str:
        """Return where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def reset(self) -> None:
        """Forget what was."""
        self.first = self.last = 0.0
        self.count = 0


class Client:
    """A program that asks for so many things at once."""

    def __init__(self, name: str, argv: list[str], work: Path) -> None:
        """Take its command line, in which `{url}` is the server, and the folder it works in."""
        self.name, self.argv, self.work = name, argv, work
        self.whole: dict[int, list[float]] = {}
        self.seen: dict[int, list[float]] = {}

    def run(self, server: SlowServer, count: int) -> None:
        """Run it once and note how long it took; fail unless every request was sent."""
        folder = self.work / "now"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        rows = "".join(f"{number}\n" for number in range(count))
        (folder / "rows.csv").write_text(f"id\n{rows}")
        urls = [f"{server.url}/{number}" for number in range(count)]
        (folder / "urls").write_text("\n".join(urls) + "\n")
        config = "".join(f'url = "{url}"\noutput = "{number}"\n' for number, url in enumerate(urls))
        (folder / "curl").write_text(config)
        argv = [word.replace("{url}", server.url).replace("{count}", str(count)) for word in self.argv]
        server.reset()
        env = environment(self.work / "home")
        begun = time.perf_counter()
        done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, check=False, timeout=120)
        took = time.perf_counter() - begun
        if done.returncode != 0 or server.count != count:
            tail = done.stderr.decode(errors="replace").strip()[-300:]
            msg = f"{self.name}: ended with {done.returncode} after {server.count} requests: {tail}"
            raise BenchError(msg)
        self.whole.setdefault(count, []).append(took)
        self.seen.setdefault(count, []).append(server.last - server.first)


def clients(program: Path, work: Path) -> list[Client]:
    """Return the programs that are there; say which are not."""
    found = [
        Client("longshore fetch", [str(program), "-q", "fetch", "--from", "urls", "-c", "{count}"], work),
        Client(
            "longshore enrich",
            [str(program), "-q", "enrich", "rows.csv", "--url", "{url}/{id}", "-o", "out", "-c", "{count}"],
            work,
        ),
    ]
    if curl := shutil.which("curl"):
        argv = [curl, "-sSf", "--parallel", "--parallel-immediate", "--parallel-max", "{count}", "-K", "curl"]
        found.append(Client("curl --parallel", argv, work))
    for name, venv, requirements in (
        ("aiohttp", "peers-venv", "requirements-peers.txt"),
        ("httpx", "venv", "requirements.txt"),
    ):
        try:
            # The environments of run.py.
            python = installed(work.parent / venv, BENCH / requirements) / "python"
        except BenchError as error:
            print(f"{name}: left out: {error}", file=sys.stderr)
            continue
        argv = [str(python), str(PROGRAMS / "latency_client.py"), name, "{url}", "{count}"]
        found.append(Client(name, argv, work))
    return found


def main() -> int:
    """Run all, print the table, and say whether the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--longshore", type=Path, help="the program (a release build made now)")
    parser.add_argument("--work-dir", type=Path, default=BENCH / ".work", help="where files are made")
    parser.add_argument("--requests", type=int, default=50, help="how many requests (50)")
    parser.add_argument("--delay", type=float, default=0.2, help="how long an answer takes, in seconds (0.2)")
    parser.add_argument("--rounds", type=int, default=7, help="how often each is run (7)")
    args = parser.parse_args()
    work: Path = args.work_dir.resolve() / "latency-bound"
    work.mkdir(parents=True, exist_ok=True)
    all_clients = clients(find_program(args.longshore), work)
    server = SlowServer(args.delay)
    for round_ in range(args.rounds + 1):
        for client in all_clients:
            for count in (1, args.requests):
                client.run(server, count)
                if not round_:
                    # The first only warms what the machine keeps in memory.
                    client.whole.clear()
                    client.seen.clear()
    many, missed = args.requests, False
    print(f"{many} requests of {1000 * args.delay:.0f} ms at once; medians of {args.rounds} runs, in ms")
    print(f"{'':18} {'one':>7} {'all':>7} {'ratio':>6}   {'server saw':>10} {'ratio':>6}")
    for client in all_clients:
        one, whole = (1000 * statistics.median(client.whole[count]) for count in (1, many))
        seen = 1000 * statistics.median(client.seen[many])
        ratios = (whole / one, seen / (1000 * args.delay))
        print(f"{client.name:18} {one:7.0f} {whole:7.0f} {ratios[0]:6.2f}   {seen:10.0f} {ratios[1]:6.2f}")
        missed |= client.name.startswith("longshore") and max(ratios) > GOAL
    print(f"goal: both of Longshore's ratios within {GOAL}: {'MISSED' if missed else 'met'}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
