"""Longshore: the file workspace that agents and people share.

`Client` is for threads, `longshore.aio.AsyncClient` has the same verbs for event loops.

    import longshore

    with longshore.Client() as client:  # LONGSHORE_URL, LONGSHORE_API_KEY
        report = client.files.upload(path="q1.csv")
        print(report.path, client.files.download(report.id)[:80])

`Store`, and `longshore.aio.AsyncStore`, are one API over every storage (`longshore.backends`), with no server.
"""

from __future__ import annotations

from longshore import backends, exceptions, models, store_models, webhooks
from longshore._client import Client
from longshore._files import Files
from longshore._locks import LockHandle, Locks
from longshore._longshore import Hand, __version__
from longshore._outcomes import Downloaded, Outcome
from longshore._store import Store
from longshore._streams import Content, Listing, Reading
from longshore._watch import Progress
from longshore.backend import BlockingBackend
from longshore.exceptions import LongshoreError
from longshore.store_models import (
    Capability,
    CapabilitySet,
    ContentDigest,
    FileInfo,
    FolderEntry,
    FolderInfo,
    WriteResult,
)

__all__ = [
    "BlockingBackend",
    "Capability",
    "CapabilitySet",
    "Client",
    "Content",
    "ContentDigest",
    "Downloaded",
    "FileInfo",
    "Files",
    "FolderEntry",
    "FolderInfo",
    "Hand",
    "Listing",
    "LockHandle",
    "Locks",
    "LongshoreError",
    "Outcome",
    "Progress",
    "Reading",
    "Store",
    "WriteResult",
    "__version__",
    "backends",
    "exceptions",
    "models",
    "store_models",
    "webhooks",
]
