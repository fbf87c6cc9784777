"""How the asynchronous verbs wait. Its twin waits in a thread."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, Awaitable, Iterable
from typing import TYPE_CHECKING, Any

from longshore._sources import as_bytes

if TYPE_CHECKING:
    from longshore._longshore import Feed, Pending

__all__ = ["IN_LOOP", "feed", "run", "watching"]

IN_LOOP = True
"""Whether those who wait here do so in a loop."""


def run(pending: Pending) -> Awaitable[Any]:
    """Wait for work of Rust, with no coroutine around it: many waits are shorter than one takes to make."""
    return pending


async def _pump(feed: Feed, chunks: Iterable[Any] | AsyncIterable[Any], failed: list[BaseException]) -> None:
    try:
        if isinstance(chunks, AsyncIterable):
            async for chunk in chunks:
                if not await feed.put(as_bytes(chunk)):
                    return
        else:
            for chunk in chunks:
                if not await feed.put(as_bytes(chunk)):
                    return
    except BaseException as error:
        # Before the upload hears of it, and ends.
        failed.append(error)
        await feed.fail(f"{type(error).__name__}: {error}")
        raise
    feed.end()


async def feed(feed: Feed, chunks: Iterable[Any] | AsyncIterable[Any], upload: Pending) -> Any:
    """Wait for an upload while its content comes; what the content raises is raised here."""
    failed: list[BaseException] = []
    pump = asyncio.ensure_future(_pump(feed, chunks, failed))
    try:
        done = await upload
    except Exception:
        if failed:
            raise failed[0] from None
        raise
    finally:
        if not pump.done():
            pump.cancel()
        with contextlib.suppress(BaseException):
            await pump
        if hasattr(chunks, "aclose"):
            await chunks.aclose()
    return done


def watching(tell: Any, failed: Any) -> Any:
    """Return what Rust's threads may call: it calls `tell` in the loop, and `failed` with what that raises."""
    loop = asyncio.get_running_loop()

    def guarded(*told: Any) -> None:
        try:
            tell(*told)
        except BaseException as error:
            failed(error)

    def from_anywhere(*told: Any) -> None:
        # A loop that is closed has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(guarded, *told)

    return from_anywhere
