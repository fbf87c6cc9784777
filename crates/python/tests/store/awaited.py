"""A blocking store with the verbs of one in a loop, so that one suite tests both."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from typing import Any

import longshore
from longshore.backends import Backend

AT_ONCE = {"child", "native_path", "root_path", "supports", "to_key", "capabilities"}
IN_PIECES = {"read", "list_files", "list_folders", "iter_children", "glob"}


class AwaitedStore:
    """A store for threads, as tests of a loop ask it."""

    def __init__(self, backend: Backend, root_path: str = "", *, here: longshore.Store | None = None) -> None:
        self.here = here or longshore.Store(backend, root_path)

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self.here, "close" if name == "aclose" else name)
        if name in AT_ONCE:
            return verb
        if name in IN_PIECES:
            return lambda *args, **said: AwaitedPieces(verb(*args, **said))

        async def awaited(*args: Any, **said: Any) -> Any:
            return verb(*[await gathered(arg) for arg in args], **said)

        return awaited

    def child(self, path: str) -> AwaitedStore:
        return AwaitedStore(self.here._backend, here=self.here.child(path))

    async def __aenter__(self) -> AwaitedStore:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.here.close()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AwaitedStore) and self.here == other.here

    def __hash__(self) -> int:
        return hash(self.here)

    def __repr__(self) -> str:
        return repr(self.here)


class AwaitedPieces:
    """What comes bit by bit, one bit a turn."""

    def __init__(self, here: Any) -> None:
        self.here = here

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        for piece in self.here:
            return piece
        raise StopAsyncIteration

    def __getattr__(self, name: str) -> Callable[[], Any]:
        verb = getattr(self.here, "close" if name == "aclose" else name)

        async def awaited() -> Any:
            return verb()

        return awaited

    async def __aenter__(self) -> AwaitedPieces:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.here.close()


async def gathered(content: Any) -> Any:
    """Return content as threads give it."""
    return iter([piece async for piece in content]) if isinstance(content, AsyncIterable) else content
