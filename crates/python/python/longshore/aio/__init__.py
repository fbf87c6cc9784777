"""Longshore in an event loop: `AsyncClient`, `AsyncStore`, and `longshore.aio.flow` for many things at once."""

from __future__ import annotations

from longshore._longshore import Hand
from longshore.aio._client import AsyncClient
from longshore.aio._files import AsyncFiles
from longshore.aio._locks import AsyncLockHandle, AsyncLocks
from longshore.aio._store import AsyncStore
from longshore.aio._streams import AsyncContent, AsyncListing, AsyncReading
from longshore.aio._watch import Progress
from longshore.aio.backend import AsyncBackend

__all__ = [
    "AsyncBackend",
    "AsyncClient",
    "AsyncContent",
    "AsyncFiles",
    "AsyncListing",
    "AsyncLockHandle",
    "AsyncLocks",
    "AsyncReading",
    "AsyncStore",
    "Hand",
    "Progress",
]
