"""How a backend of one's own is asked, whoever asks it.

| the backend | under `AsyncStore` | under `Store` |
|---|---|---|
| asynchronous | in the loop that asks | in a loop of its own thread (`InOwnLoop`) |
| blocking | in threads (`InThreads`) | in the thread that asks (`AtOnce`) |

The rules of a store are one piece of code, which is asynchronous; a blocking backend is given to it as one that never
waits for a loop, and then each verb is done once it is begun.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import os
import queue
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import asynccontextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from longshore.backend import BlockingBackend, Entry
    from longshore.store_models import CapabilitySet, FileInfo

__all__ = ["AtOnce", "Drive", "InOwnLoop", "InThreads", "closing", "done_at_once", "pieces_of"]

Drive = Callable[[Coroutine[Any, Any, Any]], Any]
"""Waits in a thread for what a coroutine returns."""

ENTRIES = 256
"""How many entries of a listing come from a thread at once."""

WRITES = 32
"""How many writes of a store are in threads at once; each pulls its content from the loop."""

LOOK = 1.0
"""How often, in seconds, a thread that waits for a loop looks whether it is still there."""

Asked = queue.SimpleQueue[Callable[[], None] | None]

_asked: ContextVar[Asked | None] = ContextVar("_asked", default=None)
_is_content: ContextVar[bool] = ContextVar("_is_content", default=False)


@asynccontextmanager
async def closing(chunks: AsyncIterator[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    """Use an iterator for a while; one that can be closed is."""
    try:
        yield chunks
    finally:
        if hasattr(chunks, "aclose"):
            await chunks.aclose()


def _forked() -> RuntimeError:
    return RuntimeError(
        "longshore was used before this process was forked, and does not work in the child: use the `spawn` or "
        "`forkserver` start method of multiprocessing, or make stores after the fork alone"
    )


def done_at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns that waits for no loop."""
    try:
        work.send(None)
    except StopIteration as end:
        return end.value
    work.close()
    message = "a blocking backend waited for an event loop"
    raise RuntimeError(message)


class AtOnce:
    """A blocking backend as an asynchronous one that waits for nothing."""

    def __init__(self, own: BlockingBackend) -> None:
        """Take the backend."""
        self._own = own
        self.name = own.name

    @property
    def capabilities(self) -> CapabilitySet:
        """What it can do."""
        return self._own.capabilities

    async def _ask(self, call: Callable[[], Any]) -> Any:
        return self._plain(call())

    def _plain(self, found: Any) -> Any:
        if inspect.isawaitable(found):
            if inspect.iscoroutine(found):
                found.close()
            message = (
                f"{type(self._own).__name__} has asynchronous methods: make it a longshore.aio.AsyncBackend"
            )
            raise TypeError(message)
        return found

    async def _items(self, begin: Callable[[], Iterable[Any]], at_once: int) -> AsyncIterator[Any]:
        begun: list[Iterator[Any]] = []

        def some() -> list[Any]:
            if not begun:
                begun.append(iter(self._plain(begin())))
            return list(islice(begun[0], at_once))

        is_over = False
        try:
            while not is_over:
                found = await self._ask(some)
                is_over = len(found) < at_once
                for item in found:
                    yield item
        finally:
            if begun and not is_over and hasattr(begun[0], "close"):
                await self._ask(begun[0].close)

    def read(self, path: str, start: int, end: int | None) -> AsyncIterator[bytes]:
        """Give a file's bytes."""
        return self._items(lambda: self._own.read(path, start, end), 1)

    def list(self, path: str, max_depth: int | None) -> AsyncIterator[Entry]:
        """Give what lies in a folder."""
        return self._items(lambda: self._own.list(path, max_depth), ENTRIES)

    async def write(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        overwrite: bool,
        metadata: Mapping[str, str],
        media_type: str | None,
    ) -> FileInfo:
        """Write a file, in this thread."""

        def pieces() -> Iterator[bytes]:
            while (piece := done_at_once(_next(chunks))) is not None:
                yield piece

        said: Any = {"overwrite": overwrite, "metadata": metadata, "media_type": media_type}
        written: FileInfo = await self._ask(lambda: self._own.write(path, pieces(), **said))
        return written

    async def stat(self, path: str) -> Entry:
        """Return what stands there."""
        found: Entry = await self._ask(lambda: self._own.stat(path))
        return found

    async def delete(self, path: str) -> None:
        """Delete a file."""
        await self._ask(lambda: self._own.delete(path))

    async def delete_folder(self, path: str, *, recursive: bool) -> None:
        """Delete a folder."""
        await self._ask(lambda: self._own.delete_folder(path, recursive=recursive))

    async def copy(self, src: str, dst: str, *, overwrite: bool) -> None:
        """Copy a file."""
        await self._ask(lambda: self._own.copy(src, dst, overwrite=overwrite))

    async def move(self, src: str, dst: str, *, overwrite: bool) -> None:
        """Move a file."""
        await self._ask(lambda: self._own.move(src, dst, overwrite=overwrite))

    async def ping(self) -> None:
        """Try whether the storage answers."""
        await self._ask(self._own.ping)

    async def aclose(self) -> None:
        """Let go of what was used."""
        await self._ask(self._own.close)


async def _next(chunks: AsyncIterator[bytes]) -> bytes | None:
    return await anext(chunks, None)


class InThreads(AtOnce):
    """A blocking backend as an asynchronous one: its methods run in threads, and the loop goes on.

    A thread cannot be cancelled: who is goes on once the method has returned. A write's next piece of content raises
    `CancelledError` in it, so that it leaves what stood there before.
    """

    def __init__(self, own: BlockingBackend) -> None:
        """Take the backend."""
        super().__init__(own)
        self._process = os.getpid()
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()

    async def _ask(self, call: Callable[[], Any]) -> Any:
        self._check()
        loop, ask = asyncio.get_running_loop(), super()._ask
        return await _ended(loop.run_in_executor(None, copy_context().run, lambda: done_at_once(ask(call))))

    def _check(self) -> None:
        if os.getpid() != self._process:
            raise _forked()

    async def write(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        overwrite: bool,
        metadata: Mapping[str, str],
        media_type: str | None,
    ) -> FileInfo:
        """Write a file, in a thread of its own: one of the loop's might be what its content waits for."""
        self._check()
        pulled, done = _Pulled(chunks), Future[Any]()
        said: Any = {"overwrite": overwrite, "metadata": metadata, "media_type": media_type}
        ask = super()._ask

        def work() -> None:
            try:
                done.set_result(done_at_once(ask(lambda: self._own.write(path, pulled, **said))))
            except BaseException as error:
                done.set_exception(error)

        async with self._turn():
            thread = threading.Thread(
                target=copy_context().run, args=(work,), name="longshore-write", daemon=True
            )
            thread.start()
            try:
                written: FileInfo = await _ended(asyncio.wrap_future(done), pulled.stop)
            finally:
                await pulled.stopped()
                if done.done():
                    thread.join()
        return written

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if _is_content.get():
            # The write whose content this is a part of waits for it, and may have the last turn.
            yield
            return
        async with self._turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(WRITES)):
            yield


async def _ended(work: asyncio.Future[Any], stop: Callable[[], None] | None = None) -> Any:
    """Wait for a thread's work, also when cancelled meanwhile: what it uses may be closed then."""
    was_cancelled = False
    while not work.done():
        try:
            await asyncio.wait({work})
        except asyncio.CancelledError:
            was_cancelled = True
            if stop is not None:
                stop()
    if was_cancelled:
        if not work.cancelled():
            work.exception()  # seen, so that the loop does not report it as lost
        raise asyncio.CancelledError
    return work.result()


class _Pulled:
    """The pieces of an asynchronous iterator, for a thread: each is asked for in the loop."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks, self._loop, self._context = chunks, asyncio.get_running_loop(), copy_context()
        self._context.run(_is_content.set, True)
        self._step: asyncio.Task[bytes | None] | None = None
        self._is_over = False

    def __iter__(self) -> _Pulled:
        return self

    def __next__(self) -> bytes:
        piece: Future[bytes | None] = Future()
        self._loop.call_soon_threadsafe(self._begin, piece)
        while not wait([piece], LOOK).done:
            if self._loop.is_closed():
                message = "the event loop is gone"
                raise RuntimeError(message)
        found = piece.result()
        if found is None:
            raise StopIteration
        return found

    def _begin(self, piece: Future[bytes | None]) -> None:
        if self._is_over:
            piece.set_exception(asyncio.CancelledError())
        else:
            self._step = self._context.run(self._loop.create_task, _next(self._chunks))
            self._step.add_done_callback(partial(_settle, piece))

    def stop(self) -> None:
        """Give no more."""
        self._is_over = True
        if self._step is not None:
            self._step.cancel()

    async def stopped(self) -> None:
        """Wait until nothing is asked of the iterator any more."""
        self.stop()
        if self._step is not None:
            await _ended(asyncio.gather(self._step, return_exceptions=True))


def _settle(piece: Future[bytes | None], step: asyncio.Task[bytes | None]) -> None:
    error = asyncio.CancelledError() if step.cancelled() else step.exception()
    if error is None:
        piece.set_result(step.result())
    else:
        piece.set_exception(error)


class InOwnLoop:
    """A loop in a thread, where asynchronous backends run for callers in others. There is one in a process."""

    _lock = threading.Lock()
    _one: InOwnLoop | None = None

    def __init__(self) -> None:
        """Begin."""
        self._process, self._loop = os.getpid(), asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="longshore-loop", daemon=True)
        self._thread.start()
        atexit.register(self._end)

    def _end(self) -> None:
        if os.getpid() == self._process:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    @classmethod
    def drive(cls, work: Coroutine[Any, Any, Any]) -> Any:
        """Wait in this thread for what a coroutine returns there. A user who interrupts it ends the work."""
        with cls._lock:
            cls._one = one = cls._one or InOwnLoop()
        if os.getpid() != one._process or threading.current_thread() is one._thread:
            work.close()
            if os.getpid() != one._process:
                raise _forked()
            message = "an asynchronous backend cannot wait for a blocking store of another one"
            raise RuntimeError(message)
        return one._drive(work)

    def _drive(self, work: Coroutine[Any, Any, Any]) -> Any:
        asked: Asked = queue.SimpleQueue()
        tasks: list[asyncio.Task[Any]] = []

        def begin() -> None:
            tasks.append(self._loop.create_task(work))
            tasks[0].add_done_callback(lambda _: asked.put(None))

        context = copy_context()
        context.run(_asked.set, asked)
        self._loop.call_soon_threadsafe(begin, context=context)
        try:
            # Content is the caller's, and comes from this thread.
            while (ask := asked.get()) is not None:
                ask()
        except BaseException:
            self._loop.call_soon_threadsafe(lambda: tasks[0].cancel())
            while asked.get() is not None:
                pass
            if not tasks[0].cancelled():
                tasks[0].exception()  # seen, so that the loop does not report it as lost
            raise
        return tasks[0].result()


async def pieces_of(content: Iterable[Any]) -> AsyncIterator[Any]:
    """Give what an iterable has, from the thread that waits for it where that is another one."""
    asked, items = _asked.get(), iter(content)
    if asked is None:
        for item in items:
            yield item
        return
    end = object()
    while True:
        answer: Future[Any] = Future()
        asked.put(partial(_answer, answer, items, end))
        if (item := await asyncio.wrap_future(answer)) is end:
            return
        yield item


def _answer(answer: Future[Any], items: Iterator[Any], end: object) -> None:
    if answer.set_running_or_notify_cancel():
        try:
            answer.set_result(next(items, end))
        except Exception as error:
            answer.set_exception(error)
