"""Backends, and a look at what they leave in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from longshore.backends import Backend, LocalBackend, MemoryBackend

from store.attic import Attic


def empty(kind: str, folder: Path) -> Backend:
    """Return an empty backend of a kind."""
    if kind == "memory":
        return MemoryBackend()
    return Attic() if kind == "python" else LocalBackend(folder / "store", durability="none")


@pytest.fixture(params=["memory", "local", "python"])
def backend(request: pytest.FixtureRequest, folder: Path) -> Backend:
    """Return an empty backend of any kind."""
    return empty(request.param, folder)


@pytest.fixture(params=["memory", "local"])
def native(request: pytest.FixtureRequest, folder: Path) -> Backend:
    """Return an empty backend of Rust's."""
    return empty(request.param, folder)


def files_below(folder: Path) -> set[str]:
    """Return every file that lies below a folder, whoever put it there."""
    found = set()
    for root, _, names in os.walk(folder):
        found |= {os.path.relpath(os.path.join(root, name), folder) for name in names}
    return found
