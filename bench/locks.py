#!/usr/bin/env python3
"""How fast locks are: acquire and release through the HTTP API, and writes under locks beside writes without.

    python3 bench/locks.py                     # 32 clients, 5 rounds of 4 s of each work
    python3 bench/locks.py --rounds 9 --seconds 8

One server with nothing configured, on SQLite. Each client has a file and a connection of its own, so
that nobody waits for anybody's lock; the clients are one program that sends plain requests and looks at
little of the answers. Works take turns, so that a slow minute of the machine meets each. What is printed
are medians of the rounds. Where others use the machine the rates say little; the CPU time that the server
needs for each act says more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import BenchError, Server
from peers.longshore import environment, find_program
from promises import Api

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BENCH = Path(__file__).resolve().parent
CONTENT = bytes(range(256)) * 16
PAIRS_GOAL = 1000
LOCKED_GOAL = 0.9


@dataclass
class Client:
    """One connection, its file, and the lock it may have."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    key: str
    file: str = ""
    token: str = ""

    @classmethod
    async def connect(cls, url: str, key: str) -> Client:
        """Connect to a server."""
        host, _, port = url.removeprefix("http://").rstrip("/").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        return cls(reader, writer, key)

    async def ask(
        self, method: str, path: str, body: bytes = b"", token: str = "", kind: str = "json"
    ) -> bytes:
        """Send a request and return the answer's body; fail unless it is a 2xx."""
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self.key}\r\n"
        head += f"Content-Type: application/{kind}\r\nContent-Length: {len(body)}\r\n"
        if token:
            head += f"Lock-Token: {token}\r\n"
        self.writer.write(head.encode() + b"\r\n" + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in answer.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        content = await self.reader.readexactly(length)
        if not answer.startswith(b"HTTP/1.1 2"):
            msg = f"{method} {path} was answered {answer[:40]!r}: {content[:300]!r}"
            raise BenchError(msg)
        return content

    async def lock(self, ttl: int) -> dict[str, Any]:
        """Take the lock of the client's file."""
        body = json.dumps({"ttl_seconds": ttl}).encode()
        granted: dict[str, Any] = json.loads(await self.ask("POST", f"/v1/files/{self.file}/lock", body))
        return granted

    async def pair(self) -> None:
        """Take the lock and give it back."""
        granted = await self.lock(60)
        await self.ask("DELETE", f"/v1/locks/{granted['id']}", token=granted["token"])

    async def write(self) -> None:
        """Write a new version, under the lock if there is one."""
        path = f"/v1/files/{self.file}/content"
        await self.ask("PUT", path, CONTENT, self.token, "octet-stream")


async def rate(clients: list[Client], seconds: float, act: Callable[[Client], Awaitable[None]]) -> float:
    """Return how often a second all clients together do something."""
    done = 0
    start = time.monotonic()
    end = start + seconds

    async def run(client: Client) -> None:
        nonlocal done
        while time.monotonic() < end:
            await act(client)
            done += 1

    await asyncio.gather(*(run(client) for client in clients))
    return done / (time.monotonic() - start)


async def locked_writes(clients: list[Client], seconds: float) -> float:
    """Return the writes a second of clients that hold their files' locks all the time."""
    granted = await asyncio.gather(*(client.lock(3600) for client in clients))
    for client, lock in zip(clients, granted, strict=True):
        client.token = lock["token"]
    written = await rate(clients, seconds, Client.write)
    for client, lock in zip(clients, granted, strict=True):
        await client.ask("DELETE", f"/v1/locks/{lock['id']}", token=client.token)
        client.token = ""
    return written


async def measure(server: Server, rounds: int, seconds: float, count: int) -> dict[str, list[float]]:
    """Run all works in each round, each in turn the first."""
    key = server.notes["key"]
    workspace = Api(server.url, key).json("/v1/workspaces/current")["id"]
    clients = [await Client.connect(server.url, key) for _ in range(count)]
    for number, client in enumerate(clients):
        path = f"/v1/workspaces/{workspace}/files/folder/file-{number}"
        client.file = json.loads(await client.ask("PUT", path, CONTENT, kind="octet-stream"))["id"]
    works: dict[str, Callable[[], Awaitable[float]]] = {
        "pairs": lambda: rate(clients, seconds, Client.pair),
        "writes": lambda: rate(clients, seconds, Client.write),
        "locked writes": lambda: locked_writes(clients, seconds),
    }
    found: dict[str, list[float]] = {name: [] for name in works}
    names = list(works)
    cost: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        for place in range(len(names)):
            name = names[(number + place) % len(names)]
            before, start = server.cpu(), time.monotonic()
            found[name].append(await works[name]())
            done = found[name][-1] * (time.monotonic() - start)
            cost[name].append((server.cpu() - before) / done * 1e6)
        print(f"round {number + 1}: " + ", ".join(f"{n} {found[n][-1]:.0f}/s" for n in names), flush=True)
    for client in clients:
        client.writer.close()
    costs = ", ".join(f"{name} {statistics.median(cost[name]):.0f} µs" for name in names)
    print(f"the server's CPU time for each: {costs}")
    return found


def main() -> int:
    """Parse, run, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--longshore", type=Path, metavar="PATH", help="a built program, else one is built")
    parser.add_argument("--work-dir", type=Path, default=BENCH / ".work", help="on a real disk")
    asked = parser.parse_args()
    home = asked.work_dir.resolve() / "locks"
    shutil.rmtree(home, ignore_errors=True)
    try:
        program = find_program(asked.longshore)
        argv = [
            str(program),
            "serve",
            "--data",
            str(home / "data"),
            "--listen",
            "127.0.0.1:0",
            "--ready-json",
        ]
        server = Server.start(argv, home, home / "data", environment(home / "home"))
        server.wait_until(lambda: bool(server.first_line()))
        ready = json.loads(server.first_line())
        server.url, server.notes["key"] = ready["url"], ready["key"]
        try:
            found = asyncio.run(measure(server, asked.rounds, asked.seconds, asked.clients))
        finally:
            server.stop()
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    shutil.rmtree(home, ignore_errors=True)
    pairs = statistics.median(found["pairs"])
    ratios = [locked / free for locked, free in zip(found["locked writes"], found["writes"], strict=True)]
    ratio = statistics.median(ratios)
    print(f"acquire and release: {pairs:,.0f} pairs a second (goal {PAIRS_GOAL:,})")
    print(f"writes under locks: {ratio:.2f} of those without (goal {LOCKED_GOAL:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
