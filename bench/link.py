"""A network between client and server: `longshore-link`, a TCP proxy that delays and cuts."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from measure import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINKS: dict[str, list[str]] = {
    "direct": [],
    "20ms": ["--delay-ms", "10"],
    "200ms": ["--delay-ms", "100"],
    # A connection breaks after some 20 MiB, at any byte.
    "cuts": ["--delay-ms", "10", "--cut", "10000000..30000000", "--seed", "1"],
}
"""By name: what the proxy is told. The delay is that of one way."""


@dataclass(frozen=True)
class Link:
    """A network of one kind."""

    name: str
    program: Path

    @contextlib.contextmanager
    def between(self, server: Server | None, log: Path) -> Iterator[None]:
        """Put it before a server, whose address is the proxy's meanwhile."""
        options = LINKS[self.name]
        if not server or not options:
            yield
            return
        target, own = urlsplit(server.url), server.url
        port = free_port()
        proxy = Server.start([str(self.program), f"127.0.0.1:{port}", target.netloc, *options], log, log)
        try:
            proxy.wait_until(lambda: proxy.listening(port))
            server.url = own.replace(target.netloc, f"127.0.0.1:{port}", 1)
            yield
        finally:
            server.url = own
            proxy.stop()
