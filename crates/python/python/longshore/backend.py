"""A backend of one's own, written in Python. Written by generate.py from its twin in aio: do not edit."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Union, cast

from longshore._longshore import Store as Core
from longshore._over_python import opened
from longshore._run import IN_LOOP
from longshore.backends import Backend
from longshore.store_models import Capability, CapabilitySet, FileInfo, FolderEntry

__all__ = ["BlockingBackend"]

Entry = Union[FileInfo, FolderEntry]

_USUAL = (
    Capability.READ,
    Capability.WRITE,
    Capability.DELETE,
    Capability.LIST,
    Capability.COPY,
    Capability.MOVE,
)


class BlockingBackend(Backend, ABC):
    """A storage of one's own. Its methods run in the thread that asks; their paths are normal, from the backend's root.

        class Attic(BlockingBackend):
            name = "attic"

            def stat(self, path): ...

            ...

        with Store(Attic(), root_path="boxes") as store:
            store.write("a/b.txt", b"hello")

    A store for the other kind of callers takes it too: see docs/python.md for where its methods run then.

    What they raise of `longshore.exceptions`, or of Python's own kinds such as `FileNotFoundError`, callers see as a
    store's errors, with path and backend.

    Attributes:
        name: what errors name it by.
        capabilities: what it can do; it promises nothing unless this says so.
    """

    name = "python"
    capabilities = CapabilitySet(_USUAL)

    def _open(self, *, in_loop: bool) -> Core:
        return cast(Core, opened(self, is_blocking=not IN_LOOP, in_loop=in_loop))

    def __repr__(self) -> str:
        """Return what it is."""
        return f"{type(self).__name__}()"

    @abstractmethod
    def read(self, path: str, start: int, end: int | None) -> Iterator[bytes]:
        """Give a file's bytes from `start` up to `end`, or to its end; NotFound where there is none."""

    @abstractmethod
    def write(
        self,
        path: str,
        chunks: Iterator[bytes],
        *,
        overwrite: bool,
        metadata: Mapping[str, str],
        media_type: str | None,
    ) -> FileInfo:
        """Write a file, and return what is known of it then. What the chunks raise leaves what stood there before."""

    @abstractmethod
    def stat(self, path: str) -> Entry:
        """Return what stands there; NotFound where nothing does."""

    @abstractmethod
    def list(self, path: str, max_depth: int | None) -> Iterator[Entry]:
        """Give what lies in a folder (`""`: the root), so many folders deep (0: in it) or all; or nothing."""

    @abstractmethod
    def delete(self, path: str) -> None:
        """Delete a file; NotFound where there is none."""

    @abstractmethod
    def delete_folder(self, path: str, *, recursive: bool) -> None:
        """Delete a folder; DirectoryNotEmpty where something is in it, unless `recursive`."""

    def copy(self, src: str, dst: str, *, overwrite: bool) -> None:
        """Copy a file: here by reading and writing it."""
        info = self.stat(src)
        if isinstance(info, FolderEntry):
            raise IsADirectoryError(src)
        chunks = self.read(src, 0, None)
        try:
            self.write(
                dst, chunks, overwrite=overwrite, metadata=info.metadata, media_type=info.content_type
            )
        finally:
            if hasattr(chunks, "close"):
                chunks.close()

    def move(self, src: str, dst: str, *, overwrite: bool) -> None:
        """Move a file: here by copying and deleting it."""
        self.copy(src, dst, overwrite=overwrite)
        self.delete(src)

    def ping(self) -> None:
        """Try whether the storage answers."""

    def close(self) -> None:
        """Let go of what a store on it used; others may go on."""
