"""A place of either kind to work in, and one of the kind that is asked for."""

from __future__ import annotations

import gc
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pytest
from conftest import Server, descriptors, serving
from longshore.backends import LocalBackend
from longshore.fsspec import StoreFileSystem, WorkspaceFileSystem

# What is installed names them; sources that were not built into a wheel have nobody to do it.
for known in (StoreFileSystem, WorkspaceFileSystem):
    if known.protocol not in fsspec.available_protocols():
        fsspec.register_implementation(known.protocol, known)


@dataclass(frozen=True)
class Place:
    """A file system, a folder of it that nobody else has, and what others make such a file system of."""

    fs: Any
    root: str
    options: dict[str, Any]

    def path(self, name: str) -> str:
        """Return the path of something in the folder."""
        return f"{self.root}/{name}"

    def url(self, name: str) -> str:
        """Return the URL of something in the folder."""
        return f"{self.fs.protocol}://{self.root}/{name}"


@pytest.fixture(scope="package")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a server of its own, on which more workspaces are made; leave no connection of file systems to it."""
    with serving(tmp_path_factory.mktemp("workspaces")) as started:
        yield started
        for known in (StoreFileSystem, WorkspaceFileSystem):
            known.clear_instance_cache()
        gc.collect()
    deadline = time.monotonic() + 20
    while left := connections(started):
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def connections(server: Server) -> set[str]:
    """Return the descriptors of this process that are connections to a server."""
    port = f":{int(server.url.rpartition(':')[2]):04X}"
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in rows if row[2].endswith(port)}
    return {told for told in descriptors() if told.partition(" ")[2] in sockets}


@pytest.fixture
def workspace(server: Server) -> Place:
    """Return a folder of a workspace."""
    options: dict[str, Any] = {"api_key": server.key, "base_url": server.url}
    return Place(WorkspaceFileSystem(**options), f"default/{uuid.uuid4()}", options)


@pytest.fixture(params=["longshore", "longshore-store"])
def place(request: pytest.FixtureRequest, server: Server, folder: Path) -> Iterator[Place]:
    """Return a folder of a workspace, and one of a store."""
    if request.param == "longshore":
        options: dict[str, Any] = {"api_key": server.key, "base_url": server.url}
        yield Place(WorkspaceFileSystem(**options), f"default/{uuid.uuid4()}", options)
    else:
        backend = LocalBackend(folder / "store", durability="none")
        options = {"store": f"file://{folder}/store", "options": {"durability": "none"}}
        yield Place(StoreFileSystem(backend=backend), "root", options)
