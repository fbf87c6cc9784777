#!/usr/bin/env python3
"""Compare single operations in a workspace of 1,000 nodes with those in one of 1,000,000.

Two servers run on this machine, each with a data folder of its own: a small workspace and a large one of the
same shape, made through the API alone. Then each operation is done in both by turns, so that a slow minute of
the machine meets both, and the medians are compared. It fails when an operation takes more than twice as long
in the large workspace, or a page of 100 of a folder of 100,000 files more than 20 ms.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import shutil
import statistics
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measure import BenchError, Server
from peers.base import BENCH
from peers.longshore import environment, find_program
from promises import Api

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_OF_A_COPY = 10_000
WRITERS = 8
PAGE_MS = 20.0
RATIO = 2.0
TAGGED = 20
"""How many files of either workspace have the label and the metadata that are looked for."""


class Site(Api):
    """One connection to a server, whose refusals end the run."""

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Any:  # noqa: ANN401, what the server says
        """Send a request and return what its answer holds."""
        kind = {"Content-Type": "application/json"} if body and body[:1] == b"{" else {}
        self.http.request(method, path, body, {**self.headers, **kind, **headers})
        answer = self.http.getresponse()
        text = answer.read()
        if answer.status >= 300:
            msg = f"{method} {path}: {answer.status} {text[:300]!r}"
            raise BenchError(msg)
        return json.loads(text) if text else None

    def order(self, method: str, path: str, **fields: Any) -> Any:  # noqa: ANN401, the same
        """Send an object."""
        return self.ask(method, path, json.dumps(fields).encode())


@dataclass
class World:
    """A server with its workspace."""

    name: str
    nodes: int
    flat: int
    """How many files its one large folder has."""
    server: Server
    site: Site
    workspace: str = ""
    folder: str = ""
    """The id of a folder of a few files, to move and copy into."""
    file: str = ""
    """The id of a file in it."""
    times: dict[str, list[float]] = field(default_factory=dict)
    numbers: random.Random = field(default_factory=lambda: random.Random(7))
    made: itertools.count[int] = field(default_factory=itertools.count)

    def at(self, path: str) -> str:
        """Return the URL of a path."""
        return f"/v1/workspaces/{self.workspace}/files/{path}"


def connect(server: Server) -> Site:
    """Open a connection to a server."""
    return Site(server.url, server.notes["key"], timeout=600)


def start(program: Path, work: Path, name: str) -> Server:
    """Start a server on an empty folder."""
    folder = work / name
    shutil.rmtree(folder, ignore_errors=True)
    argv = [str(program), "serve", "--data", str(folder / "data"), "--listen", "127.0.0.1:0", "--ready-json"]
    server = Server.start(argv, folder / "run", folder / "data", environment(folder / "home"))
    server.wait_until(lambda: bool(server.first_line()))
    ready = json.loads(server.first_line())
    server.url, server.notes["key"] = ready["url"], ready["key"]
    return server


def upload(world: World, paths: list[str]) -> None:
    """Write small files, some at a time."""
    left, faults = iter(paths), list[BaseException]()
    lock = threading.Lock()

    def work() -> None:
        site = connect(world.server)
        try:
            while not faults:
                with lock:
                    path = next(left, None)
                if path is None:
                    return
                site.ask("PUT", world.at(path), path.encode())
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if faults:
        raise faults[0]


def fill(world: World) -> None:
    """Make the workspace: one flat folder, and beside it copies of a tree of folders with 99 files each."""
    site = world.site
    world.workspace = site.ask("GET", "/v1/workspaces/current")["id"]
    upload(world, [f"flat/file-{n:07}.txt" for n in range(world.flat)])
    rest = world.nodes - world.flat - 3
    folders = max(1, min(rest, MOST_OF_A_COPY - 1) // 100)
    upload(world, [f"trees/0/{d}/file-{n}.txt" for d in range(folders) for n in range(99)])
    tree = site.ask("GET", world.at("trees/0"))["id"]
    for copy in range(1, rest // (folders * 100 + 1)):
        site.order("POST", f"/v1/files/{tree}/copy", name=str(copy))
    upload(world, [f"small/file-{n}.txt" for n in range(9)])
    world.folder = site.ask("GET", world.at("small"))["id"]
    world.file = site.ask("GET", world.at("small/file-0.txt"))["id"]
    for number in range(TAGGED):
        step = number * (world.flat // TAGGED)
        node = site.ask("GET", world.at(f"flat/file-{step:07}.txt"))["id"]
        fields = {"metadata_patch": {"stage": "final"}, "add_labels": ["urgent"]}
        site.order("PATCH", f"/v1/files/{node}", **fields)


def list_page(world: World, limit: int) -> None:
    """List the first page of the large folder."""
    site = world.site
    page = site.ask("GET", f"/v1/workspaces/{world.workspace}/tree/flat?limit={limit}")
    if len(page["items"]) != min(limit, world.flat):
        msg = f"a page of {limit} has {len(page['items'])}"
        raise BenchError(msg)


def list_middle(world: World) -> Callable[[], object]:
    """Return a page from the middle of the large folder."""
    cursor, seen = None, 0
    while seen < world.flat // 2:
        mark = f"&cursor={cursor}" if cursor else ""
        page = world.site.ask("GET", f"/v1/workspaces/{world.workspace}/tree/flat?limit=1000{mark}")
        cursor, seen = page["next_cursor"], seen + len(page["items"])
        if not cursor:
            break
    mark = f"&cursor={cursor}" if cursor else ""
    path = f"/v1/workspaces/{world.workspace}/tree/flat?limit=100{mark}"
    return lambda: world.site.ask("GET", path)


def operations(world: World) -> dict[str, Callable[[], object]]:
    """Return the single operations, by name. Each leaves the workspace about as large as it was."""
    site, ws = world.site, f"/v1/workspaces/{world.workspace}"
    file, folder = f"/v1/files/{world.file}", world.folder
    root = site.ask("GET", "/v1/files/root")["id"]

    def some() -> str:
        return world.at(f"flat/file-{world.numbers.randrange(world.flat):07}.txt")

    def rename() -> None:
        site.order("PATCH", file, name=f"renamed-{next(world.made)}.txt")

    def move() -> None:
        site.order("PATCH", file, parent_id=root)
        site.order("PATCH", file, parent_id=folder)

    def rename_folder() -> None:
        site.order("PATCH", f"/v1/files/{folder}", name=f"small-{next(world.made)}")

    def trash() -> None:
        site.ask("DELETE", file)
        site.order("POST", f"{file}/restore")

    def copy() -> None:
        site.order("POST", f"{file}/copy", name=f"copy-{next(world.made)}.txt")

    def lock() -> None:
        taken = site.order("POST", f"{file}/lock")
        site.ask("DELETE", f"/v1/locks/{taken['id']}", **{"Lock-Token": taken["token"]})

    def describe() -> None:
        site.order("PATCH", file, metadata_patch={"n": str(next(world.made))})

    def undo() -> None:
        describe()
        site.order("POST", f"{ws}/undo", act=site.ask("GET", ws)["seq"])

    def found(query: str) -> None:
        page = site.ask("GET", f"{ws}/nodes?{query}")
        if len(page["items"]) != TAGGED:
            msg = f"{query} finds {len(page['items'])}"
            raise BenchError(msg)

    return {
        "list a page of 100": lambda: list_page(world, 100),
        "list a page of 100 from the middle": list_middle(world),
        "stat by path": lambda: site.ask("GET", some()),
        "stat by id": lambda: site.ask("GET", file),
        "read a small file": lambda: site.get(f"{file}/content"),
        "write a new file": lambda: site.ask("PUT", world.at(f"flat/new-{next(world.made)}.txt"), b"new"),
        "write a new version": lambda: site.ask("PUT", some(), b"another"),
        "rename": rename,
        "move and back": move,
        "rename a folder of 9": rename_folder,
        "trash and restore": trash,
        "copy a file": copy,
        "lock and release": lock,
        "set metadata": describe,
        "set metadata and undo it": undo,
        "find by metadata": lambda: found("metadata.stage=final"),
        "find by label": lambda: found("label=urgent"),
        "list the trash": lambda: site.ask("GET", f"{ws}/trash"),
        "list versions": lambda: site.ask("GET", f"{file}/versions"),
        "list events": lambda: site.ask("GET", f"{ws}/events?after=100&limit=10"),
    }


def compare(worlds: list[World], rounds: int) -> None:
    """Do each operation in both workspaces, by turns."""
    for world in worlds:
        # The server hangs up on who was silent while the other workspace was made.
        world.site = connect(world.server)
    tables = [operations(world) for world in worlds]
    # Round by round and not operation by operation: a slow second of the machine is then spread over all.
    for number in range(rounds + 3):
        for name in tables[0]:
            for world, table in zip(worlds, tables, strict=True):
                before = time.perf_counter()
                table[name]()
                took = (time.perf_counter() - before) * 1000
                if number >= 3:
                    world.times.setdefault(name, []).append(took)


def report(small: World, large: World) -> bool:
    """Print the medians and tell whether all is as it should be."""
    good = True
    print(f"\nmilliseconds: median (95th percentile); {small.nodes:,} and {large.nodes:,} nodes\n")
    print(f"{'operation':<36} {'small':>16} {'large':>16} {'ratio':>7}")
    for name, times in small.times.items():
        both = [sorted(times), sorted(large.times[name])]
        middles = [statistics.median(of) for of in both]
        ratio = middles[1] / middles[0]
        shown = [f"{m:.2f} ({of[int(len(of) * 0.95)]:.2f})" for m, of in zip(middles, both, strict=True)]
        bad = ratio > RATIO or (name.startswith("list a page") and middles[1] > PAGE_MS)
        good = good and not bad
        print(f"{name:<36} {shown[0]:>16} {shown[1]:>16} {ratio:>7.2f}{'  <-- too slow' if bad else ''}")
    return good


def main() -> int:
    """Make both workspaces, compare, say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nodes", type=int, default=1_000_000, help="of the large workspace")
    parser.add_argument("--flat", type=int, default=100_000, help="files of its large folder")
    parser.add_argument("--rounds", type=int, default=100, help="of each operation")
    parser.add_argument("--longshore", type=Path, help="the program; else a release build is made")
    parser.add_argument("--work-dir", type=Path, default=BENCH / ".work" / "scale")
    options = parser.parse_args()
    program = find_program(options.longshore)
    worlds = list[World]()
    try:
        for name, nodes, flat in (("small", 1_000, 500), ("large", options.nodes, options.flat)):
            server = start(program, options.work_dir, name)
            world = World(name, nodes, flat, server, connect(server))
            worlds.append(world)
            before = time.monotonic()
            fill(world)
            print(f"{name}: {nodes:,} nodes made in {time.monotonic() - before:.0f} s", flush=True)
        compare(worlds, options.rounds)
        return 0 if report(*worlds) else 1
    finally:
        for world in worlds:
            world.server.stop()


if __name__ == "__main__":
    sys.exit(main())
