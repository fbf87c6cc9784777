"""A server under load, with a ledger of all it has acknowledged, to be held against what it shows later.

What happens to the server between the load and the look is up to the program that uses this.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import random
import statistics
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from measure import BenchError, Server, family, is_alive
from peers.longshore import environment
from promises import FOLDER, KIB, MIB, Api, Change, Content, Known, Tally, some_size

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

WRITERS = 8
POOL = random.Random("pool").randbytes(16 * MIB)
LARGE_PER_ROUND = 6
GONE = (OSError, http.client.HTTPException)
CONTENT, TRASHED, FOLDER_MADE = "content", "node.trashed", "folder.created"
LOCKED, RELEASED = "lock.acquired", "lock.released"
UNREADABLE = Content(-2, b"")


class Workload:
    """The run: one data folder, and all that was ever promised about it."""

    def __init__(self, program: Path, home: Path, data: Path, seed: int) -> None:
        """Start nothing yet."""
        self.program = program
        self.home = home
        self.data = data
        self.seed = seed
        self.environment: dict[str, str] = {}
        """Is added to the server's."""
        self.key = ""
        self.workspace = ""
        self.known: dict[str, Known] = {}
        self.tally = Tally()
        self.seq = 0
        self.shown: Counter[str] = Counter()
        """How many changes became visible, by the events."""
        self.committed: Counter[str] = Counter()
        """How many changes became visible, by what was acknowledged or found."""
        self.lock = threading.Lock()
        self.is_closed = False
        """Nothing is entered in the ledger any more: what is answered from here on counts as in flight."""

    # Starting and ending

    def start(self, *wrapper: str, wait: bool = True) -> Server:
        """Start the server, and wait until it has said its address."""
        argv = [*wrapper, str(self.program), "serve", "--data", str(self.data)]
        before = time.monotonic()
        server = Server.start(
            [*argv, "--listen", "127.0.0.1:0", "--ready-json"],
            self.home,
            self.data,
            environment(self.home / "home", **self.environment),
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

    # Writing

    def load(
        self, server: Server, folder: str, ended: threading.Event, writers: int, most: int
    ) -> list[threading.Thread]:
        """Start the writers; each goes on until the server is gone or it has sent enough."""
        budget: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(LARGE_PER_ROUND):
            budget.put(None)
        threads = [
            threading.Thread(target=self._write, args=(server, f"{folder}/w{n}", ended, budget, most))
            for n in range(writers)
        ]
        for thread in threads:
            thread.start()
        return threads

    def _write(
        self, server: Server, folder: str, ended: threading.Event, budget: queue.SimpleQueue[None], most: int
    ) -> None:
        numbers = random.Random(f"{self.seed}:{folder}")
        api = Api(server.url, self.key)
        mine: list[str] = []
        for count in range(most):
            pick = numbers.random()
            if pick < 0.06:
                path = f"{folder}/made{'/deeper' * numbers.randrange(3)}/{count:05}"
                body = json.dumps({"path": path}).encode()
                request = ("POST", f"/v1/workspaces/{self.workspace}/folders", body)
                known = self.known.setdefault(path, Known())
                known.pending = Change(FOLDER_MADE, FOLDER)
                goes_on = self._send(api, ended, known, *request)
            elif mine and pick < 0.12:
                path = mine.pop(numbers.randrange(len(mine)))
                known = self.known[path]
                known.pending = Change(TRASHED, None)
                goes_on = self._send(api, ended, known, "DELETE", f"/v1/files/{known.node}")
            elif mine and pick < 0.22:
                goes_on = self._lock_or_release(api, ended, self.known[numbers.choice(mine)])
            else:
                goes_on = self._put(api, ended, numbers, budget, mine, f"{folder}", count)
            if not goes_on:
                break
        api.close()

    def _lock_or_release(self, api: Api, ended: threading.Event, known: Known) -> bool:
        """Take a file's lock for longer than the run, or give it back."""
        if known.lock:
            known.pending = Change(RELEASED, known.acknowledged)
            return self._send(api, ended, known, "DELETE", f"/v1/locks/{known.lock}")
        known.pending = Change(LOCKED, known.acknowledged)
        body = b'{"ttl_seconds": 3600}'
        return self._send(api, ended, known, "POST", f"/v1/files/{known.node}/lock", body)

    def _put(
        self,
        api: Api,
        ended: threading.Event,
        numbers: random.Random,
        budget: queue.SimpleQueue[None],
        mine: list[str],
        folder: str,
        count: int,
    ) -> bool:
        """Send a new file, or a new version of one of the writer's own."""
        size = some_size(numbers)
        if size > MIB:
            try:
                budget.get_nowait()
            except queue.Empty:
                size = 4 * KIB
        if mine and numbers.random() < 0.12:
            path = numbers.choice(mine)
            if size <= 1:
                # It might be the content that stands there, and nobody could say which of the two it is.
                size = 4 * KIB
        else:
            # Some files need folders that nobody has made.
            deep = "/deep/er" * numbers.randrange(3) if numbers.random() < 0.1 else ""
            path = f"{folder}{deep}/{count:05}-{size}"
            mine.append(path)
        start = numbers.randrange(len(POOL) - size)
        mark = f"{folder}#{count}#".encode()[:size]
        body = mark + POOL[start : start + size - len(mark)]
        slow = numbers if numbers.random() < 0.05 or size > MIB else None
        known = self.known.setdefault(path, Known())
        known.pending = Change(CONTENT, Content.of(body))
        return self._send(api, ended, known, "PUT", self._file(path), body, slow)

    def _send(
        self,
        api: Api,
        ended: threading.Event,
        known: Known,
        method: str,
        path: str,
        body: bytes = b"",
        slow: random.Random | None = None,
    ) -> bool:
        """Send a change and enter its answer in the ledger; False when there is no point in going on."""
        tally, change = self.tally, known.pending
        assert change
        try:
            status, answer = api.send(method, path, body, known.token, slow)
        except GONE as error:
            with self.lock:
                if not ended.is_set() and not self.is_closed:
                    tally.violate("refused", f"{method} {path} before the end: {error!r}")
            return False
        with self.lock:
            if self.is_closed:
                return False
            known.pending = None
            if status not in (200, 201, 204):
                tally.violate("refused", f"{method} {path} answered {status}")
                return True
            tally.acknowledged += 1
            tally.bytes += len(body) if change.kind == CONTENT else 0
            tally.replaced += change.kind == CONTENT and known.acknowledged is not None
            tally.trashed += change.kind == TRASHED
            tally.folders += change.kind == FOLDER_MADE
            self.committed[change.kind] += 1
            tally.locks += change.kind in (LOCKED, RELEASED)
            known.acknowledged = change.to
            if change.kind == LOCKED:
                granted = json.loads(answer)
                known.lock, known.token, known.fence = granted["id"], granted["token"], granted["fence"]
            elif change.kind == RELEASED:
                known.lock = known.token = ""
            else:
                known.node = json.loads(answer)["id"]
        return True

    def close_ledger(self) -> None:
        """Enter nothing any more, until the next look."""
        with self.lock:
            self.is_closed = True

    def _file(self, path: str) -> str:
        return f"/v1/workspaces/{self.workspace}/files{quote(path)}"

    # Verifying

    def _listed(self, api: Api, folder: str) -> dict[str, Any]:
        """Return all nodes that the server shows at and below a folder."""
        found: dict[str, Any] = {}
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
            found |= {node["path"]: node for node in page["items"]}
            cursor = page["next_cursor"] or ""
            if not cursor:
                return found | ({folder: {"kind": "folder"}} if folder else {})

    def _read(self, server: Server, paths: Iterable[str]) -> dict[str, Content]:
        """Read files, 8 at once; `UNREADABLE` for one that does not come whole."""
        todo: queue.SimpleQueue[str] = queue.SimpleQueue()
        for path in paths:
            todo.put(path)
        found: dict[str, Content] = {}

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
                    found[path] = Content.of(body) if status == 200 else UNREADABLE
            api.close()

        threads = [threading.Thread(target=reader) for _ in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return found

    def verify(self, server: Server, folder: str) -> None:
        """Hold what the server shows below a folder against what was promised, and open the ledger again."""
        tally = self.tally
        api = Api(server.url, self.key)
        status, body = api.get("/readyz")
        if status != 200:
            tally.violate("not_ready", f"/readyz answered {status}: {body[:200]!r}")
        promised = {p: k for p, k in self.known.items() if not folder or p.startswith(folder + "/")}
        listed = self._listed(api, folder)
        files = sorted(path for path, node in listed.items() if node["kind"] == "file")
        folders = listed.keys() - set(files)
        for path in files:
            if path not in promised:
                tally.violate("strangers", f"{path} is visible and was never sent, or is there no more")
        found = self._read(server, [path for path in files if path in promised])
        files_found = found.keys() & listed.keys()
        found |= dict.fromkeys(folders, FOLDER)
        for path, known in promised.items():
            tally.in_flight += known.pending is not None
            self._judge(path, known, found.get(path))
            if path in files_found:
                self._judge_lock(path, known, listed[path])
            known.pending = None
        for path in [p for p, k in promised.items() if k.acknowledged is None]:
            # It did not become visible or was trashed, so it must never be there again.
            del self.known[path]
        before = self.shown[FOLDER_MADE]
        self._events(api)
        made = self.shown[FOLDER_MADE] - before
        if folder and made != len(folders):
            tally.violate("gaps", f"{made} folders by the events, {len(folders)} by the list of {folder}")
        api.close()
        self.is_closed = False

    def _judge(self, path: str, known: Known, found: Content | None) -> None:
        tally = self.tally
        is_of_lock = known.pending and known.pending.kind in (LOCKED, RELEASED)
        if known.pending and not is_of_lock and found == known.pending.to:
            tally.in_flight_visible += 1
            self.committed[known.pending.kind] += 1
            known.acknowledged = found
        elif found == known.acknowledged:
            pass
        elif found is None:
            tally.violate("lost", f"{path} was acknowledged and is not there")
        elif known.acknowledged is None and not known.pending:
            tally.violate("strangers", f"{path} was put into the trash and is there")
        else:
            size = "cannot be read" if found == UNREADABLE else f"has {found.size} bytes"
            sent = [c.size for c in (known.acknowledged, known.pending and known.pending.to) if c]
            tally.violate("torn", f"{path} {size}, not what was acknowledged or in flight, of {sent} bytes")

    def _judge_lock(self, path: str, known: Known, node: Any) -> None:  # noqa: ANN401, as the server says it
        """Look whether the lock is as it was acknowledged, or as what was in flight leaves it."""
        pending = known.pending.kind if known.pending else ""
        lock = (node["lock"] or {}).get("id", "")
        if lock != known.lock and pending == (LOCKED if lock else RELEASED):
            self.tally.in_flight_visible += 1
            self.committed[pending] += 1
            known.lock, known.fence = lock, max(known.fence, node["fence"])
        if lock != known.lock:
            self.tally.violate("lost", f"{path} has the lock {lock!r}, and {known.lock!r} was acknowledged")
        if node["fence"] < known.fence or (lock and node["lock"]["fence"] != node["fence"]):
            self.tally.violate("lost", f"{path} has the fence {node['fence']} after {known.fence}")

    def _events(self, api: Api) -> None:
        """Read the events since the last time: each follows the one before it, one for each change."""
        while True:
            page = api.json(f"/v1/workspaces/{self.workspace}/events?after={self.seq}&limit=1000")
            for event in page["items"]:
                if event["seq"] != self.seq + 1:
                    self.tally.violate("gaps", f"event {event['seq']} follows event {self.seq}")
                self.seq = event["seq"]
                is_content = event["type"] in ("file.created", "version.created")
                self.shown[CONTENT if is_content else event["type"]] += 1
            if not page["items"]:
                break
        newest = api.json("/v1/workspaces/current")["seq"]
        if newest != self.seq:
            self.tally.violate("gaps", f"the workspace is at event {newest}, its last is {self.seq}")
        for kind in (CONTENT, TRASHED, LOCKED, RELEASED):
            if self.shown[kind] != self.committed[kind]:
                text = f"{self.shown[kind]} × {kind} by the events, {self.committed[kind]} by what was sent"
                self.tally.violate("gaps", text)
                self.committed[kind] = self.shown[kind]

    def leaked(self) -> int:
        """Count temporary files, giving the server a while to sweep them."""
        for _ in range(50):
            found = [path for path in self.data.rglob(".longshore-tmp/*") if path.is_file()]
            if not found:
                break
            time.sleep(0.1)
        self.tally.notes += [f"leaked: {path.relative_to(self.data)}" for path in found[:5]]
        self.tally.leaked += len(found)
        return len(found)

    def look_at_all(self) -> None:
        """Start once more, verify all files of all rounds, and look for what the server should have swept."""
        server = self.start()
        try:
            self.verify(server, "")
            self.leaked()
        finally:
            server.stop()


def report(tally: Tally, events: int) -> int:
    """Print what was found and return the exit code."""
    starts = tally.starts or [0.0]
    print(
        f"acknowledged {tally.acknowledged} ({tally.bytes / MIB:.0f} MiB; {tally.replaced} replaced a file, "
        f"{tally.trashed} trashed one, {tally.folders} made a folder, {tally.locks} took or gave a lock), "
        f"in flight at the end {tally.in_flight}, of them visible and whole {tally.in_flight_visible}"
    )
    print(f"lost {tally.lost}, torn {tally.torn}, never sent but visible {tally.strangers}")
    print(
        f"event faults {tally.gaps} in {events} events, not ready {tally.not_ready}, "
        f"refused {tally.refused}, leaked temporary files {tally.leaked}"
    )
    print(f"restart: median {statistics.median(starts):.2f} s, longest {max(starts):.2f} s")
    for note in tally.notes:
        print(f"  {note}")
    broken = tally.violations() + tally.leaked
    print("PASS" if broken == 0 else f"FAIL: {broken} violations")
    return 0 if broken == 0 else 1
