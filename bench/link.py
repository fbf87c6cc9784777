"""A network between client and server: `longshore-link`, a TCP proxy that delays and cuts."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from measure import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINKS: dict[str, list[str]] = {
    "direct": [],
    "20ms": ["--delay-ms", "10"],
    "200ms": ["--delay-ms", "100"],
    # A connection breaks after some 20 MiB, at any byte.
    "cuts": ["--delay-ms", "10", "--cut-mean", "20971520", "--seed", "1"],
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
        argv = [str(self.program), "--to", target.netloc, "--listen", "127.0.0.1:0", *options]
        proxy = Server.start(argv, log, log)
        try:
            proxy.wait_until(lambda: bool(proxy.first_line()))
            server.url = own.replace(target.netloc, json.loads(proxy.first_line())["listen"], 1)
            yield
        finally:
            server.url = own
            proxy.stop()
