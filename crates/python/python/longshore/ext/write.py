"""Writing with a digest of what is written. Written by generate.py from its twin in aio: do not edit."""

from __future__ import annotations

from collections.abc import Mapping

from longshore._sources import FileStream
from longshore._store import Store
from longshore.store_models import WriteResult

__all__ = ["write_with_hash"]


def write_with_hash(
    store: Store,
    path: str,
    content: FileStream,
    *,
    algorithm: str = "sha256",
    overwrite: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> WriteResult:
    """Write a file as `Store.write` does; the result's `digest` is of what was written, computed on the way.

    Args:
        store: where to.
        path: where to, there.
        content: as `write` takes it.
        algorithm: `blake3`, `sha256`, `sha512` or `md5`; ValueError for another.
        overwrite: whether a file that stands there may be replaced.
        metadata: as `write` takes it.
    """
    return store._write(path, content, overwrite, metadata, None, algorithm, False)
