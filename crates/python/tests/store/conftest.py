"""Backends, and a look at what they leave in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from longshore.backends import Backend, LocalBackend, MemoryBackend


@pytest.fixture(params=["memory", "local"])
def backend(request: pytest.FixtureRequest, folder: Path) -> Backend:
    """Return an empty backend of either kind."""
    if request.param == "memory":
        return MemoryBackend()
    return LocalBackend(folder / "store", durability="none")


def files_below(folder: Path) -> set[str]:
    """Return every file that lies below a folder, whoever put it there."""
    found = set()
    for root, _, names in os.walk(folder):
        found |= {os.path.relpath(os.path.join(root, name), folder) for name in names}
    return found
