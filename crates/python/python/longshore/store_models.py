"""What a store tells: of files and folders, of a finished write, and of what its backend can do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from enum import Enum
from typing import Any, Literal

from longshore.exceptions import CapabilityNotSupported

__all__ = [
    "Capability",
    "CapabilitySet",
    "ContentDigest",
    "FileInfo",
    "FolderEntry",
    "FolderInfo",
    "WriteResult",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_HEX_LENGTHS = {"blake3": 64, "sha256": 64, "sha512": 128, "md5": 32}


def _time(micros: int | None) -> datetime | None:
    return None if micros is None else _EPOCH + _MICROSECOND * micros


def _micros(time: datetime | None) -> int | None:
    return None if time is None else (time - _EPOCH) // _MICROSECOND


class Capability(Enum):
    """One thing that a backend can do or promise."""

    #: Files can be read and looked at.
    READ = "read"
    #: Files can be written.
    WRITE = "write"
    #: Files and folders can be deleted.
    DELETE = "delete"
    #: Folders can be listed.
    LIST = "list"
    #: Where folders can be listed, they can be searched by a pattern.
    GLOB = "list"
    #: A file can be moved.
    MOVE = "move"
    #: A file can be copied.
    COPY = "copy"
    #: A written file becomes visible as a whole or not at all.
    ATOMIC_WRITE = "atomic_write"
    #: Of many writers without `overwrite` to one path, at most one wins.
    ATOMIC_CREATE = "atomic_create"
    #: A moved file is at all times at exactly one of its two places.
    ATOMIC_MOVE = "atomic_move"
    #: `if_match` is honoured when reading.
    CONDITIONAL_READ = "conditional_read"
    #: A reader goes on with the content it opened, though the file is replaced meanwhile.
    SNAPSHOT_READ = "snapshot_read"
    #: A path is a file or a folder, never both.
    HIERARCHY = "hierarchy"
    #: Metadata is kept with a file.
    METADATA = "metadata"
    #: The same by its other name.
    USER_METADATA = "metadata"
    #: A media type is kept with a file.
    MEDIA_TYPE = "media_type"
    #: What was acknowledged survives a loss of power.
    DURABLE = "durable"


class CapabilitySet(frozenset[Capability]):
    """What a backend can do."""

    @classmethod
    def _of(cls, names: Iterable[str]) -> CapabilitySet:
        return cls(Capability(name) for name in names if name in Capability._value2member_map_)

    def supports(self, capability: Capability) -> bool:
        """Tell whether it is among them."""
        return capability in self

    def require(self, capability: Capability) -> None:
        """Raise CapabilityNotSupported unless it is among them."""
        if capability not in self:
            error = CapabilityNotSupported(f"the backend lacks the capability {capability.value}")
            error.capability = capability.value
            raise error


@dataclass(frozen=True)
class ContentDigest:
    """A digest of content.

    Attributes:
        algorithm: `blake3`, `sha256`, `sha512` or `md5`; another name is taken as it is.
        value: the digest in hex, kept in lower case.
    """

    algorithm: str
    value: str

    def __post_init__(self) -> None:
        """Bring both into lower case, and refuse what is no digest."""
        algorithm, value = self.algorithm.lower(), self.value.lower()
        wanted = _HEX_LENGTHS.get(algorithm, len(value))
        if not algorithm or not value or len(value) != wanted or set(value) - set("0123456789abcdef"):
            message = f"{self.value!r} is no digest of {self.algorithm!r} in hex"
            raise ValueError(message)
        object.__setattr__(self, "algorithm", algorithm)
        object.__setattr__(self, "value", value)

    @classmethod
    def _of(cls, said: tuple[str, str] | None) -> ContentDigest | None:
        return None if said is None else cls(*said)

    def __str__(self) -> str:
        """Return `sha256:…`."""
        return f"{self.algorithm}:{self.value}"


@dataclass(frozen=True)
class FileInfo:
    """What is known of a file.

    Attributes:
        path: relative to the store that was asked.
        name: the last segment of the path.
        size: in bytes.
        modified_at: when the content was last written, in UTC; None where it is not known.
        etag: differs between any two contents that the path ever had; None where it is not known.
        version_id: which version this is, where the storage keeps versions.
        digest: what the storage itself keeps of the content.
        content_type: the media type it was written with. A listing may leave it out.
        metadata: what it was written with. A listing may leave it out.
    """

    path: str
    name: str
    size: int
    modified_at: datetime | None = None
    etag: str | None = None
    version_id: str | None = None
    digest: ContentDigest | None = None
    content_type: str | None = None
    metadata: dict[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def _of(cls, said: Any) -> FileInfo:
        path, size, modified, etag, version_id, digest, content_type, metadata = said
        found = object.__new__(cls)
        # What the generated `__init__` of a frozen one does, at a fifth of the cost: a listing makes many.
        fields = {
            "path": path,
            "name": path.rpartition("/")[2],
            "size": size,
            "modified_at": None if modified is None else _EPOCH + _MICROSECOND * modified,
            "etag": etag,
            "version_id": version_id,
            "digest": None if digest is None else ContentDigest(*digest),
            "content_type": content_type,
            "metadata": metadata or {},
        }
        object.__setattr__(found, "__dict__", fields)
        return found


@dataclass(frozen=True)
class FolderEntry:
    """A folder of a listing.

    Attributes:
        path: relative to the store that was asked.
        name: the last segment of the path.
    """

    path: str
    name: str

    @classmethod
    def _of(cls, path: str) -> FolderEntry:
        return cls(path, path.rpartition("/")[2])


def _entry(said: Any) -> FileInfo | FolderEntry:
    """Read an entry of a listing of both."""
    return FolderEntry._of(said) if isinstance(said, str) else FileInfo._of(said)


@dataclass(frozen=True)
class FolderInfo:
    """What lies in a folder, all together.

    Attributes:
        path: relative to the store that was asked.
        file_count: how many files.
        total_size: how many bytes they have.
        modified_at: when one of them was last written, in UTC; None where it is not known.
    """

    path: str
    file_count: int
    total_size: int
    modified_at: datetime | None = None

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self.path.rpartition("/")[2]

    @classmethod
    def _of(cls, said: Any) -> FolderInfo:
        path, files, size, modified = said
        return cls(path, files, size, _time(modified))


@dataclass(frozen=True)
class WriteResult:
    """What a finished write has made.

    Attributes:
        path: relative to the store that was asked.
        size: in bytes.
        source: `native` where the storage told this with the write, `basic` where it told nothing, `sidecar` where the
            file was looked at.
        digest: of the content: the one that was asked for, or one that the storage told.
        etag: what `if_match` takes, where the backend has tags.
        version_id: which version this is, where the storage keeps versions.
        last_modified: when the content was written, in UTC; None where it is not known.
        metadata: what it was written with.
    """

    path: str
    size: int
    source: Literal["native", "basic", "sidecar"] = "basic"
    digest: ContentDigest | None = None
    etag: str | None = None
    version_id: str | None = None
    last_modified: datetime | None = None
    metadata: dict[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def _of(cls, said: Any) -> WriteResult:
        path, size, source, modified, etag, version_id, digest, metadata = said
        return cls(
            path, size, source, ContentDigest._of(digest), etag, version_id, _time(modified), metadata or {}
        )
