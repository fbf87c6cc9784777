"""The verbs of a store over a backend written in Python: what Rust does elsewhere, by the same rules."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Generator
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

from longshore import exceptions
from longshore._longshore import Store as Core
from longshore._own_backends import AtOnce, Drive, InOwnLoop, InThreads, closing, done_at_once, pieces_of
from longshore._sources import CHUNK, as_bytes
from longshore.store_models import Capability, FileInfo, FolderEntry, _micros

if TYPE_CHECKING:
    from longshore.aio.backend import AsyncBackend
    from longshore.backend import BlockingBackend

__all__ = ["OverPython", "opened"]

# Of the errors that Python people raise, what a store's callers wait for.
_KINDS: tuple[tuple[type[OSError], type[exceptions.StoreError]], ...] = (
    (FileNotFoundError, exceptions.NotFound),
    (FileExistsError, exceptions.AlreadyExists),
    (PermissionError, exceptions.PermissionDenied),
    (IsADirectoryError, exceptions.InvalidPath),
    (NotADirectoryError, exceptions.InvalidPath),
    (ConnectionError, exceptions.BackendUnavailable),
)


class _Work:
    """What a verb does, once it is waited for."""

    def __init__(self, work: Callable[[], Coroutine[Any, Any, Any]], drive: Drive) -> None:
        self._work, self._drive = work, drive

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._work().__await__()

    def wait(self) -> Any:
        return self._drive(self._work())


class _Stream:
    """Batches of one item, or bytes."""

    def __init__(self, items: AsyncIterator[Any], wrap: Callable[[Any], Any], drive: Drive) -> None:
        self._items, self._wrap, self._drive = items, wrap, drive

    def next(self) -> _Work:
        async def step() -> Any:
            async for item in self._items:
                return self._wrap(item)
            return None

        return _Work(step, self._drive)

    def close(self) -> _Work:
        async def end() -> None:
            if hasattr(self._items, "aclose"):
                await self._items.aclose()

        return _Work(end, self._drive)


def _in_list(item: Any) -> Any:
    return [item]


def _tuple(info: FileInfo, path: str) -> tuple[Any, ...]:
    digest = info.digest and (info.digest.algorithm, info.digest.value)
    told = (info.etag, info.version_id, digest)
    return (path, info.size, _micros(info.modified_at), *told, info.content_type, info.metadata)


def _matches(segments: list[str], wanted: list[str]) -> bool:
    if not wanted:
        return not segments
    if wanted[0] == "**":
        return any(_matches(segments[place:], wanted[1:]) for place in range(len(segments) + 1))
    return bool(segments) and fnmatchcase(segments[0], wanted[0]) and _matches(segments[1:], wanted[1:])


class OverPython:
    """What a store asks, over a backend written in Python: the same verbs as Rust's, by the same rules."""

    def __init__(self, backend: AsyncBackend | AtOnce, root: str, drive: Drive, *, in_loop: bool) -> None:
        self._backend, self.root, self._drive, self._in_loop = backend, root, drive, in_loop
        self.name = backend.name
        # What metadata and patterns may be is said once, in Rust.
        self._rules = Core("memory:", {}, {})

    @property
    def capabilities(self) -> list[str]:
        return [capability.value for capability in self._backend.capabilities]

    def child(self, path: str) -> OverPython:
        return OverPython(self._backend, self._at(path), self._drive, in_loop=self._in_loop)

    def native_path(self, path: str) -> str:
        return self._at(path)

    def path_of_native(self, native: str) -> str | None:
        return self._relative(self._normal(native))

    def _normal(self, path: str) -> str:
        return Core.normal_path(path, self.name)

    def _at(self, path: str) -> str:
        return "/".join(part for part in (self.root, self._normal(path)) if part)

    def _relative(self, path: str) -> str | None:
        if not self.root:
            return path
        if path == self.root:
            return ""
        return path[len(self.root) + 1 :] if path.startswith(f"{self.root}/") else None

    def _fault(self, kind: type[exceptions.StoreError], why: str, path: str) -> exceptions.StoreError:
        error = kind(why)
        exceptions._locate(error, path, self.name)
        return error

    def _demand(self, path: str, capability: Capability) -> None:
        if capability not in self._backend.capabilities:
            why = f"the backend lacks the capability {capability.value}"
            error = self._fault(exceptions.CapabilityNotSupported, why, path)
            cast(exceptions.CapabilityNotSupported, error).capability = capability.value
            raise error

    def _file(self, path: str, capability: Capability) -> str:
        self._demand(path, capability)
        full = self._at(path)
        if not self._normal(path):
            raise self._fault(exceptions.InvalidPath, "the path must not be empty", path)
        return full

    def _seen(self, error: BaseException, path: str) -> BaseException:
        if isinstance(error, exceptions.StoreError):
            exceptions._locate(error, path, self.name)
        elif isinstance(error, OSError) and not isinstance(error, exceptions.LongshoreError):
            for known, kind in _KINDS:
                if isinstance(error, known):
                    return self._fault(kind, error.strerror or str(error) or known.__name__, path)
        return error

    def _work(self, path: str, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async def guarded() -> Any:
            try:
                return await work()
            except Exception as error:
                seen = self._seen(error, path)
                if seen is error:
                    raise
                raise seen from error

        return _Work(guarded, self._drive)

    async def _guarded(self, path: str, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async with closing(items) as found:
                async for item in found:
                    yield item
        except Exception as error:
            seen = self._seen(error, path)
            if seen is error:
                raise
            raise seen from error

    async def _chunks(
        self, path: str, start: int | None, end: int | None, if_match: str | None
    ) -> AsyncIterator[bytes]:
        full = self._file(path, Capability.READ)
        if if_match is not None:
            self._demand(path, Capability.CONDITIONAL_READ)
            if cast(FileInfo, await self._backend.stat(full)).etag != if_match:
                raise self._fault(exceptions.PreconditionFailed, "the file has changed", path)
        if start is not None and start < 0:
            start = max(0, (await self._stat(path)).size + start)
        async with closing(self._backend.read(full, start or 0, end)) as chunks:
            async for chunk in chunks:
                if chunk:
                    yield chunk

    async def _stat(self, path: str) -> FileInfo:
        entry = await self._backend.stat(self._file(path, Capability.READ))
        if isinstance(entry, FolderEntry):
            raise self._fault(exceptions.InvalidPath, "this is a folder", path)
        return entry

    def read(self, path: str, start: int | None, end: int | None, if_match: str | None) -> _Stream:
        self._file(path, Capability.READ)
        return _Stream(
            self._guarded(path, self._chunks(path, start, end, if_match)), lambda chunk: chunk, self._drive
        )

    def read_bytes(self, path: str, start: int | None, end: int | None, if_match: str | None) -> Any:
        async def work() -> bytes:
            return b"".join([chunk async for chunk in self._chunks(path, start, end, if_match)])

        return self._work(path, work)

    def write(
        self,
        path: str,
        source: tuple[Any, ...],
        *,
        overwrite: bool,
        metadata: dict[str, str] | None,
        media_type: str | None,
        algorithm: str | None,
        atomic: bool,
    ) -> Any:
        if algorithm is not None and algorithm not in hashlib.algorithms_available:
            message = f"{algorithm!r} is no algorithm here"
            raise exceptions.InvalidError(message)
        if not self._in_loop and isinstance(source[1], AsyncIterable):
            message = "an asynchronous iterator needs AsyncStore of longshore.aio"
            raise TypeError(message)
        hasher = hashlib.new(algorithm) if algorithm is not None else None

        async def chunks() -> AsyncIterator[bytes]:
            async with closing(_content(source)) as pieces:
                async for chunk in pieces:
                    if hasher is not None:
                        hasher.update(chunk)
                    yield chunk

        async def work() -> tuple[Any, ...]:
            full = self._file(path, Capability.ATOMIC_WRITE if atomic else Capability.WRITE)
            if metadata:
                self._demand(path, Capability.METADATA)
            if media_type is not None:
                self._demand(path, Capability.MEDIA_TYPE)
            await self._check(path, metadata, media_type)
            async with closing(chunks()) as given:
                info = await self._backend.write(
                    full, given, overwrite=overwrite, metadata=metadata or {}, media_type=media_type
                )
            digest = (algorithm, hasher.hexdigest()) if hasher is not None else None
            return self._written(path, info, "native", digest)

        async def closed() -> tuple[Any, ...]:
            async with closing(source[1]):
                return await work()

        return self._work(path, closed)

    async def _check(self, path: str, metadata: dict[str, str] | None, media_type: str | None) -> None:
        if metadata or media_type is not None:
            try:
                await self._rules.write(
                    "f",
                    ("bytes", b""),
                    overwrite=True,
                    metadata=metadata,
                    media_type=media_type,
                    algorithm=None,
                    atomic=False,
                )
            except exceptions.InvalidInput as error:
                raise self._fault(exceptions.InvalidInput, error.message, path) from None

    def _written(self, path: str, info: FileInfo, source: str, digest: Any = None) -> tuple[Any, ...]:
        _, size, modified, etag, version_id, known, _, metadata = _tuple(info, path)
        return (self._normal(path), size, source, modified, etag, version_id, digest or known, metadata)

    def head(self, path: str) -> Any:
        async def work() -> tuple[Any, ...]:
            return self._written(path, await self._stat(path), "sidecar")

        return self._work(path, work)

    def file_info(self, path: str) -> Any:
        async def work() -> tuple[Any, ...]:
            return _tuple(await self._stat(path), self._normal(path))

        return self._work(path, work)

    def _look(self, path: str, kinds: tuple[type, ...]) -> Any:
        async def work() -> bool:
            self._demand(path, Capability.READ)
            full = self._at(path)
            if not full or not self._normal(path):
                return FolderEntry in kinds
            try:
                return isinstance(await self._backend.stat(full), kinds)
            except FileNotFoundError:
                return False

        return self._work(path, work)

    def exists(self, path: str) -> Any:
        return self._look(path, (FileInfo, FolderEntry))

    def is_file(self, path: str) -> Any:
        return self._look(path, (FileInfo,))

    def is_folder(self, path: str) -> Any:
        return self._look(path, (FolderEntry,))

    def delete(self, path: str, missing_ok: bool) -> Any:
        async def work() -> None:
            full = self._file(path, Capability.DELETE)
            try:
                await self._backend.delete(full)
            except FileNotFoundError:
                if not missing_ok:
                    raise

        return self._work(path, work)

    def delete_folder(self, path: str, recursive: bool, missing_ok: bool) -> Any:
        async def work() -> None:
            full = self._file(path, Capability.DELETE)
            try:
                await self._backend.delete_folder(full, recursive=recursive)
            except FileNotFoundError:
                if not missing_ok:
                    raise

        return self._work(path, work)

    def _two(self, src: str, dst: str, capability: Capability, verb: Any, overwrite: bool) -> Any:
        async def work() -> None:
            source, target = self._file(src, capability), self._file(dst, capability)
            try:
                await self._stat(src)
            except FileNotFoundError as error:
                raise self._seen(error, src) from None
            if source != target:
                await verb(source, target, overwrite=overwrite)

        return self._work(dst, work)

    def move(self, src: str, dst: str, overwrite: bool) -> Any:
        return self._two(src, dst, Capability.MOVE, self._backend.move, overwrite)

    def copy(self, src: str, dst: str, overwrite: bool) -> Any:
        return self._two(src, dst, Capability.COPY, self._backend.copy, overwrite)

    def _entries(
        self, path: str, max_depth: int | None, pattern: str | None, kinds: tuple[type, ...]
    ) -> AsyncIterator[Any]:
        self._demand(path, Capability.LIST)
        full = self._at(path)
        try:
            self._rules.list_files("", 0, pattern)
        except exceptions.InvalidInput as error:
            raise self._fault(exceptions.InvalidInput, error.message, path) from None

        async def entries() -> AsyncIterator[Any]:
            async with closing(self._backend.list(full, max_depth)) as found:
                async for entry in found:
                    relative = self._relative(entry.path)
                    if not relative or not isinstance(entry, kinds):
                        continue
                    if pattern is None or fnmatchcase(relative.rpartition("/")[2], pattern):
                        yield _tuple(entry, relative) if isinstance(entry, FileInfo) else relative

        return self._guarded(path, entries())

    def list_files(self, path: str, max_depth: int | None, pattern: str | None) -> _Stream:
        return _Stream(self._entries(path, max_depth, pattern, (FileInfo,)), _in_list, self._drive)

    def list_folders(self, path: str, max_depth: int | None, pattern: str | None) -> _Stream:
        return _Stream(self._entries(path, max_depth, pattern, (FolderEntry,)), _in_list, self._drive)

    def iter_children(self, path: str) -> _Stream:
        return _Stream(self._entries(path, 0, None, (FileInfo, FolderEntry)), _in_list, self._drive)

    def glob(self, pattern: str) -> _Stream:
        wanted = self._normal(pattern).split("/")
        plain = 0
        while plain < len(wanted) - 1 and not set(wanted[plain]) & set("*?["):
            plain += 1
        depth = None if "**" in wanted else len(wanted) - plain - 1
        files = self._entries("/".join(wanted[:plain]), depth, None, (FileInfo,))

        async def found() -> AsyncIterator[Any]:
            async with closing(files) as entries:
                async for said in entries:
                    if _matches(said[0].split("/"), wanted):
                        yield said

        return _Stream(found(), _in_list, self._drive)

    def folder_info(self, path: str, max_depth: int | None) -> Any:
        async def work() -> tuple[Any, ...]:
            count, size, modified = 0, 0, None
            async for said in self._entries(path, max_depth, None, (FileInfo,)):
                count, size = count + 1, size + said[1]
                modified = max(filter(None, (modified, said[2])), default=None)
            if not count and not await self.is_folder(path):
                if await self.is_file(path):
                    raise self._fault(exceptions.InvalidPath, "this is a file", path)
                raise self._fault(exceptions.NotFound, "not found", path)
            return (self._normal(path), count, size, modified)

        return self._work(path, work)

    def ping(self) -> Any:
        return self._work("", self._backend.ping)

    def close(self) -> Any:
        return self._work("", self._backend.aclose)


def opened(backend: AsyncBackend | BlockingBackend, *, is_blocking: bool, in_loop: bool) -> OverPython:
    """Return what a store of loops, or one of threads, asks of a backend of one's own."""
    if not is_blocking:
        return OverPython(cast("AsyncBackend", backend), "", InOwnLoop.drive, in_loop=in_loop)
    own = cast("BlockingBackend", backend)
    asked = InThreads(own) if in_loop else AtOnce(own)
    return OverPython(asked, "", done_at_once, in_loop=in_loop)


async def _content(source: tuple[Any, ...]) -> AsyncIterator[bytes]:
    kind, value, *rest = source
    if kind == "bytes":
        yield value
    elif kind == "file":
        with io.FileIO(f"/proc/self/fd/{value}") as file:
            file.seek(rest[0])
            while chunk := file.read(CHUNK):
                yield chunk
    elif isinstance(value, AsyncIterable):
        async for chunk in value:
            yield as_bytes(chunk)
    else:
        async with closing(pieces_of(value)) as pieces:
            async for chunk in pieces:
                yield as_bytes(chunk)
