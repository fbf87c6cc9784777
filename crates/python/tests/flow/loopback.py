"""What the tests share: a server on the loopback, time that nobody waits for, a look at what is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

Run = Callable[[Coroutine[Any, Any, Any]], Any]
"""Runs a coroutine on a loop of its own: the fixture `run`."""
Answer = bytes | Awaitable[bytes]


@dataclass
class Server:
    """A server that answers each request with the bytes that its function returns, and closes."""

    answer: Callable[[str, dict[str, str]], Answer]
    port: int = 0
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    open: int = 0
    most: int = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:-2])
            }
            target = head[0].split(" ")[1]
            self.requests.append((target, headers))
            answer = self.answer(target, headers)
            writer.write(answer if isinstance(answer, bytes) else await answer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def serve(answer: Callable[[str, dict[str, str]], Answer]) -> AsyncIterator[Server]:
    """Run a server, and end it with all its connections."""
    server = Server(answer)
    handlers: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(server.handle(reader, writer))
        handlers.add(task)
        task.add_done_callback(handlers.discard)

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in handlers:
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)


def reply(body: bytes | str = b"", status: int = 200, **headers: str) -> bytes:
    """Return the bytes of an answer with a length, after which the connection ends."""
    data = body.encode() if isinstance(body, str) else body
    fields = {
        "content-length": str(len(data)),
        "connection": "close",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} x\r\n{head}\r\n".encode("latin-1") + data


class FakeTime:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class LazyTime(FakeTime):
    """A clock that sleeping moves when everything else has come to a stop."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        until = self.now + seconds
        for _ in range(100):
            await asyncio.sleep(0)
        self.now = max(self.now, until)


def left_running() -> int:
    """Return how many tasks there are besides the one that asks."""
    return len(asyncio.all_tasks()) - 1


async def settle() -> None:
    """Let everything run that can without time passing."""
    for _ in range(20):
        await asyncio.sleep(0)
