"""How the blocking verbs wait: in the thread that calls. Its twin in aio waits in a loop."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, Iterable
from typing import TYPE_CHECKING, Any

from longshore._sources import as_bytes

if TYPE_CHECKING:
    from longshore._longshore import Feed, Pending

__all__ = ["IN_LOOP", "feed", "run", "watching"]

IN_LOOP = False
"""Whether those who wait here do so in a loop."""


def run(pending: Pending) -> Any:
    """Wait for work of Rust."""
    return pending.wait()


def feed(feed: Feed, chunks: Iterable[Any] | AsyncIterable[Any], upload: Pending) -> Any:
    """Wait for an upload while its content comes; what the content raises is raised here."""
    if isinstance(chunks, AsyncIterable):
        message = "an asynchronous iterator needs AsyncClient or AsyncStore of longshore.aio"
        raise TypeError(message)
    upload = upload.start()
    try:
        for chunk in chunks:
            if not feed.put(as_bytes(chunk)).wait():
                break
        feed.end()
    except BaseException as error:
        feed.fail(f"{type(error).__name__}: {error}").wait()
        # It ends because of that; what it says of it is of no interest.
        with contextlib.suppress(Exception):
            upload.wait()
        raise
    return upload.wait()


def watching(tell: Any, failed: Any) -> Any:
    """Return what Rust's threads may call: it calls `tell`, and `failed` with what that raises."""

    def guarded(*told: Any) -> None:
        try:
            tell(*told)
        except BaseException as error:
            failed(error)

    return guarded
