"""What can go wrong. Every exception of Longshore is a `LongshoreError`, and says what the caller must do about it.

try:
    await client.files.upload_version(file_id, data=report)
except LockedError as error:
    print("held by", error.facts["lock"]["owner_label"])
except RateLimitError as error:
    await asyncio.sleep(error.retry_after or 1)
"""

from __future__ import annotations

import errno
from typing import Any

__all__ = [
    "AlreadyExists",
    "AlreadyExistsError",
    "AuthenticationError",
    "BackendUnavailable",
    "CancelledTransferError",
    "CapabilityNotSupported",
    "ClosedError",
    "ConflictError",
    "ContentMismatch",
    "DirectoryNotEmpty",
    "IntegrityError",
    "InternalError",
    "InvalidError",
    "InvalidInput",
    "InvalidPath",
    "LocalFileError",
    "LockLostError",
    "LockedError",
    "LongshoreError",
    "NetworkError",
    "NotFound",
    "NotFoundError",
    "PermissionDenied",
    "PermissionDeniedError",
    "PreconditionFailed",
    "PreconditionFailedError",
    "QuotaExceededError",
    "RateLimitError",
    "StorageFull",
    "StoreError",
    "TooLargeError",
    "UnavailableError",
]


class LongshoreError(Exception):
    """Anything that Longshore says went wrong.

    Attributes:
        code: the stable code of the public table, such as `locked`; None where there is none.
        status: the HTTP status of the answer; None where none came.
        request_id: what the server's log knows the request by.
        retry_after: for how many seconds the server asked to be left alone; None where it did not.
        facts: what the code is about, such as `current_version` or `lock`, as the API names it.
    """

    code: str | None = None
    status: int | None = None
    request_id: str | None = None
    retry_after: float | None = None

    def __init__(self, message: str = "") -> None:
        """Make one with the text that people see."""
        super().__init__(message)
        self.message = message
        self.facts: dict[str, Any] = {}

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may succeed later: nothing happened, or it is safe to repeat."""
        return isinstance(self, (RateLimitError, UnavailableError))

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer that callers act on: `Retry-After`, in whole seconds, and `X-Request-Id`."""
        found: dict[str, str] = {}
        if self.retry_after is not None:
            found["Retry-After"] = str(-(-self.retry_after // 1)).removesuffix(".0")
        if self.request_id is not None:
            found["X-Request-Id"] = self.request_id
        return found

    @property
    def current_version(self) -> str | None:
        """The version that stands there, where the error is about another one."""
        return self.facts.get("current_version")


class InvalidError(LongshoreError, ValueError):
    """An argument, a setting or a request that cannot be used."""


class AuthenticationError(LongshoreError):
    """No key, or one that is not good."""


class PermissionDeniedError(LongshoreError, PermissionError):
    """The key may not do this."""


class NotFoundError(LongshoreError, FileNotFoundError):
    """What was asked for is not there."""


class ConflictError(LongshoreError):
    """Something else stands in the way."""


class AlreadyExistsError(ConflictError, FileExistsError):
    """The name is taken."""


class PreconditionFailedError(LongshoreError):
    """What was to be so is not: another version stands there (`current_version`)."""


class LockedError(LongshoreError):
    """Somebody else holds the lock; `facts["lock"]` says who, and `facts["queue"]` the place in the queue."""


class LockLostError(PreconditionFailedError):
    """A lock that was held is held no longer; `facts["reason"]` says why."""


class TooLargeError(LongshoreError):
    """More than there is room for."""


class QuotaExceededError(TooLargeError):
    """More than was granted."""


class RateLimitError(LongshoreError):
    """Too many requests: nothing happened. `retry_after` and `headers["Retry-After"]` say when to come back."""


class UnavailableError(LongshoreError):
    """The server cannot answer now."""


class NetworkError(UnavailableError, ConnectionError):
    """The server could not be reached, or the connection broke."""


class IntegrityError(LongshoreError):
    """Bytes are not what they should be: a digest or a length is wrong."""


class LocalFileError(LongshoreError, OSError):
    """A file of this machine could not be read or written; `errno` says why."""


class CancelledTransferError(LongshoreError):
    """The caller's hand ended the transfer."""


class InternalError(LongshoreError):
    """Something broke that should not: a fault of Longshore or of the server."""


class ClosedError(LongshoreError, RuntimeError):
    """The client or the store is closed."""


class StoreError(LongshoreError):
    """Anything that a store says went wrong; of this very class where it is a fault of the storage or of Longshore.

    Attributes:
        path: the path that the caller named; None where it is about none.
        backend: the name of the backend, such as `local` or `s3`.
    """

    path: str | None = None
    backend: str | None = None

    def __str__(self) -> str:
        """Return what went wrong, and where."""
        text = self.message
        if self.path is not None:
            text += f" | path={self.path!r}"
        if self.backend is not None:
            text += f" | backend={self.backend!r}"
        return text


class NotFound(StoreError, NotFoundError):
    """There is no such file or folder."""


class AlreadyExists(StoreError, AlreadyExistsError):
    """The file stands already, and overwriting was not asked for."""


class PermissionDenied(StoreError, PermissionDeniedError):
    """The owner of the storage does not allow this."""


class InvalidPath(StoreError, InvalidError):
    """The path breaks a rule, or names a thing of another type."""


class InvalidInput(StoreError, InvalidError):
    """Metadata, a pattern, a URL or an option breaks a rule; nothing was tried."""


class ContentMismatch(StoreError, IntegrityError):
    """The content is not what it should be, or could not be read where it comes from."""


class CapabilityNotSupported(StoreError):
    """The backend cannot do this at all; nothing was tried.

    Attributes:
        capability: what it lacks, as `Capability` names it; None where it is no capability but a detail.
    """

    capability: str | None = None


class DirectoryNotEmpty(StoreError, ConflictError, OSError):
    """The folder has content, and deleting that was not asked for."""


class PreconditionFailed(StoreError, PreconditionFailedError):
    """The file is no longer the one that was named (`if_match`)."""


class StorageFull(StoreError, TooLargeError, OSError):
    """The disk or the quota is full, or the file is too large for it; nothing was stored."""


class BackendUnavailable(StoreError, UnavailableError):
    """The storage cannot answer now; `retry_after` says when to come back, where it told."""


_BY_CODE: dict[str, type[LongshoreError]] = {
    "locked": LockedError,
    "lock_lost": LockLostError,
    "digest_mismatch": IntegrityError,
    "length_mismatch": IntegrityError,
    "name_taken": AlreadyExistsError,
    "quota_exceeded": QuotaExceededError,
}

_BY_KIND: dict[str, type[LongshoreError]] = {
    "Invalid": InvalidError,
    "Unauthenticated": AuthenticationError,
    "Denied": PermissionDeniedError,
    "NotFound": NotFoundError,
    "Conflict": ConflictError,
    "Precondition": PreconditionFailedError,
    "TooLarge": TooLargeError,
    "RateLimited": RateLimitError,
    "Unavailable": UnavailableError,
    "Internal": InternalError,
}


def _of_client(
    message: str,
    *,
    kind: str,
    code: str | None,
    status: int | None,
    request_id: str | None,
    retry_after: float | None,
    is_network: bool,
    is_local: bool,
    is_cancelled: bool,
    os_error: int | None,
    facts: dict[str, Any],
) -> LongshoreError:
    """Make the exception of an error of the Rust client."""
    found = _BY_CODE.get(code or "") or _BY_KIND.get(kind, LongshoreError)
    if is_cancelled:
        found = CancelledTransferError
    elif is_network:
        found = NetworkError
    elif is_local and code is None and os_error is not None and not issubclass(found, OSError):
        found = LocalFileError
    error = found(message)
    error.code, error.status, error.request_id, error.retry_after = code, status, request_id, retry_after
    error.facts = {name: value for name, value in facts.items() if value not in (None, [], {})}
    if isinstance(error, OSError):
        error.errno = os_error
    return error


_OF_STORE: dict[str, type[StoreError]] = {
    "NotFound": NotFound,
    "AlreadyExists": AlreadyExists,
    "PermissionDenied": PermissionDenied,
    "InvalidPath": InvalidPath,
    "InvalidInput": InvalidInput,
    "InvalidContent": ContentMismatch,
    "Unsupported": CapabilityNotSupported,
    "DirectoryNotEmpty": DirectoryNotEmpty,
    "PreconditionFailed": PreconditionFailed,
    "StorageFull": StorageFull,
    "Unavailable": BackendUnavailable,
}

_ERRNO: dict[type[StoreError], int] = {
    NotFound: errno.ENOENT,
    AlreadyExists: errno.EEXIST,
    PermissionDenied: errno.EACCES,
    DirectoryNotEmpty: errno.ENOTEMPTY,
    StorageFull: errno.ENOSPC,
}


def _locate(error: StoreError, path: str | None, backend: str | None) -> None:
    """Add the path and the backend, unless they are known already."""
    error.path = path if error.path is None else error.path
    error.backend = backend if error.backend is None else error.backend
    if isinstance(error, OSError):
        error.filename = error.path
        if error.errno is None:
            error.errno = _ERRNO.get(type(error))


def _of_store(
    message: str,
    *,
    kind: str,
    path: str | None,
    backend: str | None,
    capability: str | None = None,
    retry_after: float | None = None,
    os_error: int | None = None,
) -> StoreError:
    """Make the exception of an error of a store."""
    error = _OF_STORE.get(kind, StoreError)(message)
    error.retry_after = retry_after
    if isinstance(error, OSError):
        error.errno = os_error
    _locate(error, path, backend)
    if isinstance(error, CapabilityNotSupported):
        error.capability = capability
    return error
