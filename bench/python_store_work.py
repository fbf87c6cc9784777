"""One work, done by a storage library of Python in a loop or in a thread: what python_store.py measures."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from python_stores.in_loop import LOOP
from python_stores.in_thread import THREAD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from python_stores.opened import Task


def small(number: int) -> str:
    """Return the path of a small file, as the bench has made it."""
    return f"small/{number % 20:02}/{number:05}"


def content_of(task: Task) -> Iterator[tuple[str, bytes]]:
    """Give what has to be written first."""
    if task["work"] == "list":
        yield from ((f"many/{number:05}", b"x") for number in range(task["files"]))
    else:
        yield from ((small(number), bytes(task["size"])) for number in range(task["files"]))


def paths_of(task: Task) -> list[str]:
    """Return what is read, in an order that no cache of folders likes."""
    return [small(number * 2_654_435_761 % task["files"]) for number in range(task["operations"])]


def resident(name: str) -> int:
    """Return what the kernel says of this process's memory, in bytes: `VmRSS` or `VmHWM`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


class Meter:
    """What the work between its making and `cost` takes."""

    def __init__(self) -> None:
        """Begin: also with the peak of memory."""
        Path("/proc/self/clear_refs").write_text("5")
        self.resident = resident("VmRSS")
        self.begun, self.before = time.perf_counter(), time.process_time()

    def cost(self, done: int) -> dict[str, float]:
        """End; `done` is in bytes or in entries."""
        cpu, seconds = time.process_time() - self.before, time.perf_counter() - self.begun
        peak = resident("VmHWM")
        return {
            "cpu": cpu,
            "seconds": seconds,
            "done": done,
            "peak": peak,
            "growth": max(0, peak - self.resident),
        }


async def in_a_loop(task: Task) -> dict[str, float]:
    """Do the task with a peer's face of asyncio."""
    peer = LOOP[task["peer"]](task)
    await peer.open()
    if task["kind"] == "memory" or task["work"] == "fill":
        for path, content in content_of(task):
            await peer.write(path, content)
    elif task["work"] == "read":
        await peer.read([small(0)])  # the first use connects
    meter = Meter()
    if task["work"] == "read":
        paths = iter(paths_of(task))
        done = sum(await asyncio.gather(*(peer.read(paths) for _ in range(task["at_once"]))))
    else:
        done = 0
        for _ in range(task["operations"]):
            done += await (peer.stream(task["path"]) if task["work"] == "stream" else peer.list("many"))
    cost = meter.cost(done)
    await peer.close()
    return cost


def in_threads(task: Task) -> dict[str, float]:
    """Do the task with a peer's blocking face, in this thread or in some."""
    peer = THREAD[task["peer"]](task)
    if task["kind"] == "memory" or task["work"] == "fill":
        for path, content in content_of(task):
            peer.write(path, content)
        if task["work"] == "fill":
            return Meter().cost(task["files"])
    elif task["work"] == "read":
        peer.read([small(0)])
    paths, at_once = paths_of(task), task["at_once"]
    with ThreadPoolExecutor(at_once) as threads:
        meter = Meter()
        if task["work"] == "read" and at_once > 1:
            done = sum(threads.map(peer.read, (paths[first::at_once] for first in range(at_once))))
        elif task["work"] == "read":
            done = peer.read(paths)
        elif task["work"] == "stream":
            done = sum(peer.stream(task["path"]) for _ in range(task["operations"]))
        else:
            done = sum(peer.list("many") for _ in range(task["operations"]))
        return meter.cost(done)


def main() -> None:
    """Do the task that is the one argument."""
    task: Task = json.loads(sys.argv[1])
    cost = asyncio.run(in_a_loop(task)) if task["face"] == "loop" else in_threads(task)
    wanted = task["operations"] * (task["files"] if task["work"] == "list" else task["size"])
    if task["work"] != "fill":
        assert cost["done"] == wanted, f"{cost['done']} where {wanted} was to come"
    print(json.dumps(cost), flush=True)
    # Threads of some libraries (obstore's) may end the process with an abort if they outlive the interpreter.
    os._exit(0)


if __name__ == "__main__":
    main()
