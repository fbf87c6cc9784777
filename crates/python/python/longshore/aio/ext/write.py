"""Writing with a digest of what is written, in an event loop."""

from __future__ import annotations

from collections.abc import Mapping

from longshore._sources import FileStream
from longshore.aio._store import AsyncStore
from longshore.store_models import WriteResult

__all__ = ["write_with_hash"]


async def write_with_hash(
    store: AsyncStore,
    path: str,
    content: FileStream,
    *,
    algorithm: str = "sha256",
    overwrite: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> WriteResult:
    """Write a file as `AsyncStore.write` does; the result's `digest` is of what was written, computed on the way.

    Args:
        store: where to.
        path: where to, there.
        content: as `write` takes it.
        algorithm: `blake3`, `sha256`, `sha512` or `md5`; ValueError for another.
        overwrite: whether a file that stands there may be replaced.
        metadata: as `write` takes it.
    """
    return await store._write(path, content, overwrite, metadata, None, algorithm, False)
