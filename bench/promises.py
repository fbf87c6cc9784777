"""What a client of the server remembers and sends, for the programs that look for what was promised."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from measure import BenchError

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class Content:
    """A content as it is known after it was sent."""

    size: int
    digest: bytes

    @classmethod
    def of(cls, body: bytes) -> Content:
        """Take a content's measure."""
        return cls(len(body), hashlib.sha256(body).digest())


FOLDER = Content(-1, b"folder")
"""What stands at a folder's path, in place of a content."""


@dataclass(frozen=True)
class Change:
    """A request that was sent: what it does, by its event, and what its path has after it."""

    kind: str
    to: Content | None


@dataclass
class Known:
    """What the client knows of one path."""

    node: str = ""
    """The id of what stands there."""
    lock: str = ""
    """The id of its lock, while it is held."""
    token: str = ""
    fence: int = 0
    """The highest that was ever seen."""
    acknowledged: Content | None = None
    """What stands there; None: nothing does."""
    pending: Change | None = None
    """Sent, and never answered."""


@dataclass
class Tally:
    """What the whole run found."""

    rounds: int = 0
    acknowledged: int = 0
    replaced: int = 0
    trashed: int = 0
    folders: int = 0
    locks: int = 0
    bytes: int = 0
    in_flight: int = 0
    in_flight_visible: int = 0
    lost: int = 0
    torn: int = 0
    strangers: int = 0
    gaps: int = 0
    not_ready: int = 0
    refused: int = 0
    leaked: int = 0
    starts: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def violate(self, kind: str, text: str) -> None:
        """Count a broken promise and keep the first of them in words."""
        setattr(self, kind, getattr(self, kind) + 1)
        if len(self.notes) < 20:
            self.notes.append(f"{kind.replace('_', ' ')}: {text}")

    def violations(self) -> int:
        """Return how many promises were broken."""
        return sum((self.lost, self.torn, self.strangers, self.gaps, self.not_ready, self.refused))


class Api:
    """One connection to the server."""

    def __init__(self, url: str, key: str, timeout: float = 30) -> None:
        """Connect at the first request."""
        self.http = http.client.HTTPConnection(url.removeprefix("http://").rstrip("/"), timeout=timeout)
        self.headers = {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> tuple[int, bytes]:
        """Return a GET's status and body."""
        self.http.request("GET", path, headers=self.headers)
        answer = self.http.getresponse()
        return answer.status, answer.read()

    def json(self, path: str) -> Any:  # noqa: ANN401, it is what the server says
        """Return a GET's body as JSON; fail unless it is 200."""
        status, body = self.get(path)
        if status != 200:
            msg = f"GET {path} answered {status}: {body[:300]!r}"
            raise BenchError(msg)
        return json.loads(body)

    def send(
        self, method: str, path: str, body: bytes = b"", token: str = "", slow: random.Random | None = None
    ) -> tuple[int, bytes]:
        """Send a body and read the whole answer; a slow one goes out in pieces with pauses between."""
        pieces: Iterable[bytes] | bytes = body
        headers = {**self.headers, "Content-Length": str(len(body))}
        if method == "POST":
            headers["Content-Type"] = "application/json"
        if token:
            headers["Lock-Token"] = token
        if slow:
            pieces = self._pieces(body, slow)
        self.http.request(method, path, body=pieces, headers=headers)
        answer = self.http.getresponse()
        return answer.status, answer.read()

    @staticmethod
    def _pieces(body: bytes, numbers: random.Random) -> Iterator[bytes]:
        step = max(1, len(body) // 8)
        for start in range(0, len(body), step):
            yield body[start : start + step]
            time.sleep(numbers.random() * 0.008)

    def close(self) -> None:
        """Hang up."""
        self.http.close()


def some_size(numbers: random.Random) -> int:
    """Choose a size; the ones at the edges of the server's decisions come often."""
    pick = numbers.random()
    if pick < 0.05:
        return 0
    if pick < 0.10:
        return 1
    if pick < 0.45:
        return 4 * KIB
    if pick < 0.55:
        return 16 * KIB + numbers.randrange(-1, 2)
    if pick < 0.75:
        return 20 * KIB
    if pick < 0.985:
        return 64 * KIB
    return numbers.randrange(1 * MIB, 8 * MIB)
