#!/usr/bin/env python3
"""How soon does a reader hear of an event?

Starts `longshore serve` on a new data folder, writes small files at a steady rate over a few connections,
and reads the events by long-poll and then as a stream. For each event it takes the time from the event's own
`at`, which the server takes before it flushes the change to the disk, until the reader has it; so the flush
is in it. It fails when an event is missing or comes twice, and when more than one in a hundred of the times
of long-poll is over the goal.
"""

from __future__ import annotations

import argparse
import http.client
import json
import shutil
import sys
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from measure import BenchError, Server
from peers.base import BENCH
from peers.longshore import environment, find_program

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GOAL = 0.050
READERS = 2
WRITERS = 8
# A reader that is done ends within this time.
PATIENCE = 60.0


class Target:
    """A server, and the workspace whose events are read."""

    def __init__(self, server: Server) -> None:
        """Read what the server said when it was ready."""
        ready = json.loads(server.first_line())
        self.host = urlsplit(ready["url"]).netloc
        self.headers = {"authorization": f"Bearer {ready['key']}"}
        self.workspace = self.get("/v1/workspaces/current")["id"]

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection."""
        return http.client.HTTPConnection(self.host, timeout=PATIENCE)

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON answer of a request on a connection of its own."""
        connection = self.connect()
        try:
            connection.request("GET", path, headers=self.headers)
            return read(connection.getresponse())
        finally:
            connection.close()


def read(response: http.client.HTTPResponse) -> dict[str, Any]:
    """Return the JSON of a good answer."""
    body = response.read()
    if response.status >= 300:
        msg = f"{response.status}: {body[:200]!r}"
        raise BenchError(msg)
    answer: dict[str, Any] = json.loads(body)
    return answer


def write(target: Target, writer: int, begin: float, rate: float, count: int) -> None:
    """Write `count` files, each at its own time however long the one before it took."""
    connection = target.connect()
    for number in range(count):
        due = begin + (number * WRITERS + writer) / rate
        time.sleep(max(0.0, due - time.monotonic()))
        path = f"/v1/workspaces/{target.workspace}/files/w{writer}/{number % 50}.txt"
        connection.request("PUT", path, f"{writer} {number}".encode(), target.headers)
        read(connection.getresponse())
    connection.close()


def poll(target: Target, after: int) -> Iterator[dict[str, Any]]:
    """Give the events as long-poll answers bring them."""
    connection = target.connect()
    while True:
        path = f"/v1/workspaces/{target.workspace}/events?after={after}&wait=30"
        connection.request("GET", path, headers=target.headers)
        page = read(connection.getresponse())
        yield from page["items"]
        after = int(page["next_cursor"] or page["last_seq"])


def stream(target: Target, after: int) -> Iterator[dict[str, Any]]:
    """Give the events as a stream brings them."""
    connection = target.connect()
    path = f"/v1/workspaces/{target.workspace}/events?after={after}"
    connection.request("GET", path, headers=target.headers | {"accept": "text/event-stream"})
    response = connection.getresponse()
    while line := response.readline():
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


class Reader:
    """One who reads events, and how late each was."""

    def __init__(self, target: Target, how: Callable[[Target, int], Iterator[dict[str, Any]]]) -> None:
        """Begin to read, after the events there are."""
        self.late: list[float] = []
        self.fault = ""
        self.after = target.get(f"/v1/workspaces/{target.workspace}")["seq"]
        self.through = sys.maxsize
        self.thread = threading.Thread(target=self._run, args=(how(target, self.after),), daemon=True)
        self.thread.start()

    def _run(self, events: Iterator[dict[str, Any]]) -> None:
        seq = self.after
        try:
            for event in events:
                self.late.append(time.time() - datetime.fromisoformat(event["at"]).timestamp())
                if event["seq"] != seq + 1:
                    self.fault = f"event {event['seq']} came after event {seq}"
                    return
                seq = event["seq"]
                if seq >= self.through:
                    return
        except (OSError, http.client.HTTPException, BenchError) as error:
            self.fault = str(error) or type(error).__name__

    def end(self, through: int) -> None:
        """Wait until the reader has the event `through`."""
        self.through = through
        wanted = through - self.after
        deadline = time.monotonic() + PATIENCE
        while self.thread.is_alive() and len(self.late) < wanted and time.monotonic() < deadline:
            time.sleep(0.02)
        if len(self.late) < wanted and not self.fault:
            self.fault = f"only {len(self.late)} of {wanted} events came"


def share(values: list[float], part: float) -> float:
    """Return the value that `part` of all do not exceed, in milliseconds."""
    ordered = sorted(values)
    return 1000 * ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def measure(target: Target, name: str, rate: float, seconds: float) -> tuple[float, list[str]]:
    """Write and read for a while; return the 99th percentile in ms, and what went wrong."""
    readers = [Reader(target, poll if name == "long-poll" else stream) for _ in range(READERS)]
    time.sleep(0.3)
    begin, count = time.monotonic() + 0.1, int(rate * seconds / WRITERS)
    writers = [
        threading.Thread(target=write, args=(target, writer, begin, rate, count)) for writer in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    took = time.monotonic() - begin
    seq = target.get(f"/v1/workspaces/{target.workspace}")["seq"]
    for reader in readers:
        reader.end(seq)
    late = [value for reader in readers for value in reader.late]
    faults = [reader.fault for reader in readers if reader.fault]
    if not late:
        return 0.0, [*faults, "no event came"]
    p99 = share(late, 0.99)
    print(
        f"{name}: {WRITERS * count} writes at {WRITERS * count / took:.0f}/s, {READERS} readers; "
        f"ms from `at` to the reader: median {share(late, 0.5):.1f}, p90 {share(late, 0.9):.1f}, "
        f"p99 {p99:.1f}, longest {share(late, 1):.1f}",
        flush=True,
    )
    return p99, faults


def main() -> int:
    """Run both kinds of readers, and say whether the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--longshore", type=Path, help="the program (a release build made now)")
    parser.add_argument(
        "--work-dir", type=Path, default=BENCH / ".work", help="where the data folder is made"
    )
    parser.add_argument("--rate", type=float, default=200, help="writes per second (200)")
    parser.add_argument("--seconds", type=float, default=20, help="for how long each kind is measured (20)")
    args = parser.parse_args()
    program = find_program(args.longshore)
    work: Path = args.work_dir / "events-latency"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    argv = [str(program), "serve", "--data", str(work / "data"), "--listen", "127.0.0.1:0", "--ready-json"]
    server = Server.start(argv, work, work / "data", environment(work / "home"))
    try:
        server.wait_until(lambda: bool(server.first_line()), 60)
        target = Target(server)
        results = {name: measure(target, name, args.rate, args.seconds) for name in ("long-poll", "stream")}
    finally:
        server.stop()
    for name, (_, faults) in results.items():
        for fault in faults:
            print(f"{name}: {fault}")
    met = results["long-poll"][0] <= 1000 * GOAL
    verdict = "met" if met else "MISSED"
    print(f"goal: long-poll p99 within {1000 * GOAL:.0f} ms at {args.rate:.0f} writes/s: {verdict}")
    return 0 if met and not any(faults for _, faults in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
