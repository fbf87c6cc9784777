"""Backends, and a look at what they leave in a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from longshore.aio import AsyncStore
from longshore.backends import Backend, LocalBackend, MemoryBackend

from store.attic import Attic, BlockingAttic
from store.awaited import AwaitedStore

Opened = Callable[..., Any]
"""Opens a store of loops, or one of threads with the same verbs."""


def empty(kind: str, folder: Path) -> Backend:
    """Return an empty backend of a kind."""
    if kind == "memory":
        return MemoryBackend()
    if kind == "python":
        return Attic()
    return BlockingAttic() if kind == "blocking" else LocalBackend(folder / "store", durability="none")


@pytest.fixture(params=[AsyncStore, AwaitedStore], ids=["loop", "thread"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """Return what opens a store of either kind."""
    found: Opened = request.param
    return found


@pytest.fixture(params=["memory", "local", "python", "blocking"])
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
