"""Many URLs at once, into memory or into files; failures as values."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ParamSpec, TypeVar

from . import _http
from .fan_out import gather_bounded
from .filename import name_of_answer, numbered
from .retry import Backoff, retry_async
from .tasks import open_blocking, run_blocking
from .web import WebError, check_status, may_retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping

    from .tasks import Sleep

P = ParamSpec("P")
T = TypeVar("T")

WRITE = 256 * 1024
"""How many bytes go to the disk at once."""


@dataclass(frozen=True)
class FetchResult:
    """What came of a URL.

    Attributes:
        url: The URL as it was given.
        status: The answer's status, whatever it is; `None` where none came.
        headers: The answer's fields, names in lower case.
        body: The answer's body.
        error: Why there is no answer: a `WebError`, `TimeoutError` or other `OSError`. A status of 4xx or 5xx
            is an answer.

    """

    url: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """Whether there is an answer with a status of 2xx."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class DownloadResult:
    """What came of a URL that was to become a file: where it is and its length in bytes, or the error."""

    url: str
    path: Path | None = None
    size: int = 0
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """Whether the file is there."""
        return self.error is None


@dataclass(frozen=True)
class _Patience:
    """How both verbs try again."""

    max_attempts: int
    backoff: Backoff
    sleep: Sleep

    async def retry(self, attempt: Callable[[], Awaitable[T]]) -> T:
        return await retry_async(
            attempt, self.max_attempts, self.backoff, retry_on=may_retry, sleep=self.sleep
        )


async def fetch_bulk(
    urls: Iterable[str] | AsyncIterable[str],
    max_concurrent: int = 10,
    *,
    headers: Mapping[str, str] | None = None,
    max_attempts: int = 5,
    backoff: Backoff | None = None,
    engine: _http.Engine = _http.DEFAULT,
    sleep: Sleep = asyncio.sleep,
) -> list[FetchResult]:
    """GET all URLs, `max_concurrent` at once, and return what came of each, in their order. Nothing of one
    stops the others.

    All bodies are in memory together, 8 MiB each at most; for more there is `download_files`. 429, 408, 425,
    5xx and faults of the network are tried again, `max_attempts` times in all, with `Retry-After` kept up to
    a minute; then the last answer is the result. The headers go to the hosts of the URLs, and not to those
    that they redirect to.

    Raises:
        ValueError: `max_concurrent` or `max_attempts` is below 1.

    """
    patience = _Patience(_attempts(max_attempts), backoff or Backoff(), sleep)

    async def one(url: str) -> FetchResult:
        async def attempt() -> FetchResult:
            status, answered, body = await engine.fetch(url, headers)
            result = FetchResult(url, status, answered, body)
            try:
                check_status(status, answered)
            except WebError as error:
                raise _BadAnswerError(error, result) from None
            return result

        try:
            return await patience.retry(attempt)
        except _BadAnswerError as bad:
            return bad.result
        except Exception as error:
            return FetchResult(url, error=error)

    return await gather_bounded(one, urls, max_concurrent)


class _BadAnswerError(Exception):
    """Carries an answer through the retries."""

    def __init__(self, error: WebError, result: FetchResult) -> None:
        super().__init__(str(error))
        self.result = result
        self.is_retryable, self.retry_after = error.is_retryable, error.retry_after


async def download_files(
    urls: Iterable[str] | AsyncIterable[str],
    output_dir: str | os.PathLike[str],
    max_concurrent: int = 5,
    *,
    headers: Mapping[str, str] | None = None,
    overwrite: bool = False,
    max_attempts: int = 5,
    backoff: Backoff | None = None,
    engine: _http.Engine = _http.DEFAULT,
    sleep: Sleep = asyncio.sleep,
) -> list[DownloadResult]:
    """Download all URLs into a folder, `max_concurrent` at once, and return what came of each, in their
    order.

    A file is called as the server says (`Content-Disposition`), else as the last part of its URL, made safe
    as `longshore fetch` does: always one name in the folder, which is made where there is none. It grows
    under another name and gets its own when all of it is there. Two of one name in one call become `name.txt`
    and `name (2).txt`. A file that was there before is not replaced without `overwrite`: that is a
    `FileExistsError` of its URL. Memory is a few MiB at most for each at once.

    What may pass is tried again from the beginning, as in `fetch_bulk`; an answer that is not 2xx is a
    `WebError`.

    Raises:
        ValueError: `max_concurrent` or `max_attempts` is below 1.
        OSError: The folder cannot be made.

    """
    patience = _Patience(_attempts(max_attempts), backoff or Backoff(), sleep)
    folder = _Folder(Path(output_dir), overwrite)
    await run_blocking(folder.path.mkdir, parents=True, exist_ok=True)

    async def one(url: str) -> DownloadResult:
        async def attempt() -> DownloadResult:
            async with engine.stream(url, headers) as answer:
                check_status(answer.status, answer.headers)
                name = name_of_answer(answer.headers.get("content-disposition"), answer.url)
                return DownloadResult(url, *await folder.save(name, answer))

        try:
            return await patience.retry(attempt)
        except _LocalError as local:
            return DownloadResult(url, error=local.error)
        except Exception as error:
            return DownloadResult(url, error=error)

    return await gather_bounded(one, urls, max_concurrent)


def _attempts(count: int) -> int:
    if count < 1:
        raise ValueError(f"max_attempts must be 1 or more, not {count}")
    return count


class _LocalError(Exception):
    """Carries a fault of the disk through the retries: no other answer helps against it."""

    is_retryable = False

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


async def _on_disk(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return await run_blocking(call, *args, **kwargs)
    except OSError as error:
        raise _LocalError(error) from error


class _Folder:
    """Where files are put, each under a name of its own."""

    def __init__(self, path: Path, overwrite: bool) -> None:
        self.path, self.overwrite = path, overwrite
        # Names of this call, without their case: two that differ in nothing else are one file on some
        # systems.
        self.names: set[str] = set()

    async def save(self, name: str, chunks: AsyncIterable[bytes]) -> tuple[Path, int]:
        """Write a file, and give it the first name like `name` that no other of this call has."""
        part = self.path / f".longshore-{secrets.token_hex(8)}.part"
        try:
            try:
                file = await open_blocking(_create, part)
            except OSError as error:
                raise _LocalError(error) from error
            try:
                size = await _write(file, chunks)
            finally:
                await _on_disk(file.close)
            path = self.path / self.claim(name)
            try:
                await _on_disk(part.replace if self.overwrite else functools.partial(_move_anew, part), path)
            except _LocalError:
                self.names.discard(path.name.casefold())
                raise
            return path, size
        finally:
            with contextlib.suppress(OSError):
                part.unlink()

    def claim(self, name: str) -> str:
        number, claimed = 1, name
        while claimed.casefold() in self.names:
            number += 1
            claimed = numbered(name, number)
        self.names.add(claimed.casefold())
        return claimed


def _create(path: Path) -> BinaryIO:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(path, flags, 0o666), "wb", buffering=0)


async def _write(file: BinaryIO, chunks: AsyncIterable[bytes]) -> int:
    """Write chunks, some at once, for a thread costs more than a chunk; return how many bytes there were."""
    size = 0
    held = bytearray()
    async for chunk in chunks:
        size += len(chunk)
        held += chunk
        if len(held) >= WRITE:
            await _on_disk(_write_all, file, bytes(held))
            held.clear()
    await _on_disk(_write_all, file, bytes(held))
    return size


def _write_all(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _move_anew(part: Path, path: Path) -> None:
    """Give a file its name, unless there is one of that name."""
    try:
        # Other than a rename, a link replaces nothing.
        os.link(part, path)
    except FileExistsError:
        raise FileExistsError(f"{path} is there already") from None
    except OSError:
        # There are no links here, so this can only look first.
        if os.path.lexists(path):
            raise FileExistsError(f"{path} is there already") from None
        part.rename(path)
