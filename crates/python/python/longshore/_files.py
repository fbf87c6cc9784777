"""Files and folders: what most callers come for. Written by generate.py from its twin in aio: do not edit."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from longshore import models
from longshore._longshore import Feed, Hand
from longshore._outcomes import Downloaded, Outcome
from longshore._said import LocalPath, Lock, NodeRef, content, given, local, name_of, ref, target, token, wire
from longshore._sources import FileStream, reading
from longshore._run import feed, run
from longshore._streams import Content, Listing
from longshore._watch import Progress, Watch

if TYPE_CHECKING:
    from longshore._client import Client
    from longshore._locks import LockHandle

__all__ = ["Files", "LocalPath"]

OnConflict = Literal["version", "error", "rename"]
Tell = Callable[[Progress], Any]


class Files:
    """Files and folders."""

    def __init__(self, client: Client) -> None:
        """Belong to a client."""
        self._client = client

    def upload(
        self,
        file_stream: FileStream | None = None,
        *,
        path: LocalPath | None = None,
        data: bytes | bytearray | memoryview | None = None,
        filename: str | None = None,
        parent_id: NodeRef = "root",
        destination: str | None = None,
        workspace_id: str | None = None,
        on_conflict: OnConflict = "version",
        if_match: str | None = None,
        if_none_match: bool = False,
        media_type: str | None = None,
        lock: Lock | None = None,
        digest: str | None = None,
        skip_same: bool = False,
        delta: Literal["auto", "always", "never"] = "auto",
        resume: LocalPath | None = None,
        progress: Tell | None = None,
        hand: Hand | None = None,
    ) -> models.Node:
        """Upload one file; return it as it stands then.

        The content is one of `file_stream` (an open binary file, read from where it stands; anything with `read`; an
        iterator of bytes), `path` and `data`. It goes into the folder `parent_id` under `filename`, or to the path
        `destination`, whose folders are made. Where a file stands there it gets a new version, unless `on_conflict` is
        `error` or `rename`.

        Raises:
            LockedError: somebody else holds the lock.
            PreconditionFailedError: another version than `if_match` stands there.
            NetworkError: the server was not reached, though it was tried again.
        """
        if destination is None:
            filename = name_of(filename, path, file_stream)
        options = given(
            on_conflict=on_conflict,
            if_match=if_match,
            if_none_match=if_none_match,
            media_type=media_type,
            lock=token(lock),
            digest=digest,
            skip_same=skip_same,
            delta=delta,
            resume=local(resume),
        )
        goes_to = target(destination, filename, parent_id, workspace_id)
        return self._send(file_stream, path, data, goes_to, options, Watch(progress, hand))

    def upload_version(
        self,
        file_id: NodeRef,
        file_stream: FileStream | None = None,
        *,
        path: LocalPath | None = None,
        data: bytes | bytearray | memoryview | None = None,
        if_match: str | None = None,
        media_type: str | None = None,
        lock: Lock | None = None,
        digest: str | None = None,
        delta: Literal["auto", "always", "never"] = "auto",
        progress: Tell | None = None,
        hand: Hand | None = None,
    ) -> models.Node:
        """Upload a new version of a file; the sources are those of `upload`. Locks of this client on it are named."""
        options = given(
            if_match=if_match, media_type=media_type, lock=token(lock), digest=digest, delta=delta
        )
        return self._send(
            file_stream, path, data, {"node": ref(file_id)}, options, Watch(progress, hand)
        )

    def _send(
        self,
        file_stream: FileStream | None,
        path: LocalPath | None,
        data: Any,
        goes_to: dict[str, Any],
        options: dict[str, Any],
        watch: Watch,
    ) -> models.Node:
        source = reading(file_stream, path, data)
        core = self._client._core
        try:
            if source.source is not None:
                said = run(core.upload(source.source, goes_to, options, watch.said()))
            else:
                fed = Feed()
                upload = core.upload(("feed", fed), goes_to, options, watch.said())
                said = feed(fed, source.chunks or (), upload)
        except Exception:
            watch.check()
            raise
        watch.check()
        if source.done is not None:
            source.done()
        return models.Node._read(said)

    def upload_stream(
        self,
        items: Iterable[Any],
        *,
        parent_id: NodeRef = "root",
        workspace_id: str | None = None,
        concurrency: int | None = None,
        on_conflict: OnConflict = "version",
        skip_same: bool = False,
        delta: Literal["auto", "always", "never"] = "auto",
        resume: LocalPath | None = None,
        progress: Tell | None = None,
        hand: Hand | None = None,
    ) -> Listing[Outcome[models.Node]]:
        """Upload many files, small ones many to a request; give how each ended, as they end.

        An item is a local path, or a pair of a source and where it goes: a path in the workspace (`/reports/a.csv`),
        or, of bytes, a name in `parent_id`.
        """
        items, watch = list(items), Watch(progress, hand)
        sources = [_item(item, parent_id, workspace_id) for item in items]
        options = given(
            on_conflict=on_conflict,
            skip_same=skip_same,
            delta=delta,
            resume=local(resume),
        )
        stream = self._client._core.upload_many(sources, options, concurrency, watch.said())

        def read(said: dict[str, Any]) -> Outcome[models.Node]:
            watch.check()
            value = models.Node._read(said["value"]) if "value" in said else None
            index = said["index"]
            return Outcome(index, items[index], value, said.get("error"), said["skipped"])

        return Listing(stream, read)

    def upload_many(self, items: Iterable[Any], **options: Any) -> builtins.list[Outcome[models.Node]]:
        """Upload many files as `upload_stream` does, and wait for all: outcomes in the order of the items."""
        outcomes = self.upload_stream(items, **options).all()
        return sorted(outcomes, key=lambda outcome: outcome.index)

    def download(
        self,
        file_id: NodeRef | None = None,
        *,
        version_id: str | None = None,
        path: str | None = None,
        workspace_id: str | None = None,
    ) -> bytes:
        """Return a file's content, verified."""
        wanted = content(file_id, version_id, path, workspace_id)
        found: bytes = run(self._client._core.download(wanted))
        return found

    download_async = download

    def stream(
        self,
        file_id: NodeRef | None = None,
        *,
        version_id: str | None = None,
        path: str | None = None,
        workspace_id: str | None = None,
        start: int | None = None,
        end: int | None = None,
    ) -> Content:
        """Return a file's content piece by piece, in constant memory; the bytes from `start` up to `end`, or all."""
        wanted = content(file_id, version_id, path, workspace_id)
        return Content(self._client._core.open(wanted, given(start=start, end=end)))

    def archive(self, items: Sequence[NodeRef], *, workspace_id: str | None = None) -> Content:
        """Return folders and files, each by its path or its id, as one zip, piece by piece."""
        return Content(self._client._core.archive(workspace_id, [ref(item) for item in items]))

    def download_to(
        self,
        file_id: NodeRef | None,
        local_path: LocalPath,
        *,
        version_id: str | None = None,
        path: str | None = None,
        workspace_id: str | None = None,
        replace: bool = True,
        resume: bool = True,
        skip_same: bool = False,
        progress: Tell | None = None,
        hand: Hand | None = None,
    ) -> Downloaded:
        """Download a file's content into a local file, which appears once all of it has come and was verified."""
        wanted, watch = content(file_id, version_id, path, workspace_id), Watch(progress, hand)
        options = given(replace=replace, resume=resume, skip_same=skip_same)
        try:
            done = run(
                self._client._core.download_to(wanted, os.fsdecode(local_path), options, watch.said())
            )
        except Exception:
            watch.check()
            raise
        watch.check()
        return Downloaded(**done)

    def download_stream(
        self,
        items: Iterable[tuple[NodeRef, LocalPath]],
        *,
        concurrency: int | None = None,
        replace: bool = True,
        skip_same: bool = False,
        progress: Tell | None = None,
        hand: Hand | None = None,
    ) -> Listing[Outcome[Downloaded]]:
        """Download many files, each into a local file; give how each ended, as they end.

        Of files that are given as they were listed, small ones come many in one request.
        """
        items, watch = list(items), Watch(progress, hand)
        wanted = [
            (wire(node) if isinstance(node, models.Node) else {"node": ref(node)}, os.fsdecode(path))
            for node, path in items
        ]
        options = given(replace=replace, skip_same=skip_same)
        stream = self._client._core.download_many(wanted, options, concurrency, watch.said())

        def read(said: dict[str, Any]) -> Outcome[Downloaded]:
            watch.check()
            value = Downloaded(**said["value"]) if "value" in said else None
            index = said["index"]
            return Outcome(index, items[index], value, said.get("error"), bool(value and value.skipped))

        return Listing(stream, read)

    def download_many(
        self, items: Iterable[tuple[NodeRef, LocalPath]], **options: Any
    ) -> builtins.list[Outcome[Downloaded]]:
        """Download many files as `download_stream` does, and wait for all: outcomes in the order of the items."""
        outcomes = self.download_stream(items, **options).all()
        return sorted(outcomes, key=lambda outcome: outcome.index)

    def list(
        self, path: str = "/", *, depth: int | None = 1, workspace_id: str | None = None
    ) -> Listing[models.Node]:
        """List what is in a folder: its own children, or `depth` levels, or with None all below."""
        stream = self._client._core.list("files.list", path, workspace_id, depth)
        return Listing(stream, models.Node._read)

    def stat(self, file_id: NodeRef) -> models.Node:
        """Return a file or folder as it stands."""
        return self._node("files.get", ref(file_id))

    get = stat

    def by_path(self, path: str, *, workspace_id: str | None = None) -> models.Node:
        """Return what stands at a path."""
        return self._node("files.by_path", path, workspace_id)

    def mkdir(self, path: str, *, workspace_id: str | None = None) -> models.Node:
        """Make a folder and those above it, where they are not there."""
        return self._node("files.mkdir", path, workspace_id)

    def create_folder(
        self, name: str, parent_id: NodeRef = "root", *, workspace_id: str | None = None
    ) -> models.Node:
        """Make a folder in a folder."""
        return self._node("files.create_folder", ref(parent_id), name, workspace_id)

    def update(
        self,
        file_id: NodeRef,
        *,
        name: str | None = None,
        parent_id: NodeRef | None = None,
        metadata: Mapping[str, str | None] | None = None,
        labels: Iterable[str] | None = None,
        if_match: str | None = None,
    ) -> models.Node:
        """Change a node: its name, its folder, its metadata (None takes a key away), its labels (all of them)."""
        change = given(
            name=name,
            parent_id=None if parent_id is None else ref(parent_id),
            metadata=None if metadata is None else dict(metadata),
            labels=None if labels is None else list(labels),
        )
        return self._node("files.update", ref(file_id), change, if_match)

    def move(
        self,
        file_id: NodeRef,
        parent_id: NodeRef | None = None,
        *,
        name: str | None = None,
        if_match: str | None = None,
    ) -> models.Node:
        """Move a node into another folder, or rename it, or both."""
        return self.update(file_id, name=name, parent_id=parent_id, if_match=if_match)

    def copy(
        self,
        file_id: NodeRef,
        parent_id: NodeRef | None = None,
        *,
        name: str | None = None,
        if_match: str | None = None,
    ) -> models.Node:
        """Copy a file or folder; its bytes are not moved. A name that is taken is `AlreadyExistsError`."""
        copy = given(parent_id=None if parent_id is None else ref(parent_id), name=name)
        return self._node("files.copy", ref(file_id), copy, if_match)

    def delete(self, file_id: NodeRef, *, if_match: str | None = None) -> models.Node:
        """Move a node to the trash, with all below it."""
        return self._node("files.trash", ref(file_id), if_match)

    def restore(
        self,
        file_id: NodeRef,
        *,
        name: str | None = None,
        parent_id: NodeRef | None = None,
        if_match: str | None = None,
    ) -> models.Node:
        """Take a node out of the trash, to where it was or elsewhere."""
        said = given(name=name, parent_id=None if parent_id is None else ref(parent_id))
        return self._node("files.restore", ref(file_id), said, if_match)

    def purge(self, file_id: NodeRef, *, if_match: str | None = None) -> models.Purged:
        """Remove a node of the trash for good. Only admins may."""
        return models.Purged._read(self._call("files.purge", ref(file_id), if_match))

    def empty_trash(self, *, workspace_id: str | None = None) -> models.Purged:
        """Remove for good all that is in the trash. Only admins may."""
        return models.Purged._read(self._call("files.empty_trash", workspace_id))

    def trashed(self, *, workspace_id: str | None = None) -> Listing[models.Node]:
        """List what is in the trash."""
        return Listing(self._client._core.list("files.trashed", workspace_id), models.Node._read)

    def find(
        self,
        *,
        metadata: Mapping[str, str] | None = None,
        labels: Iterable[str] = (),
        name: str | None = None,
        under: str | None = None,
        workspace_id: str | None = None,
    ) -> Listing[models.Node]:
        """Find nodes by metadata, labels, a part of the name and the folder that they are below."""
        stream = self._client._core.list(
            "files.find", workspace_id, dict(metadata or {}), sorted(labels), name, under
        )
        return Listing(stream, models.Node._read)

    def versions(self, file_id: NodeRef) -> Listing[models.Version]:
        """List a file's versions, newest first."""
        return Listing(self._client._core.list("files.versions", ref(file_id)), models.Version._read)

    def version(self, file_id: NodeRef, version_id: str) -> models.Version:
        """Return one version."""
        return models.Version._read(self._call("files.version", ref(file_id), version_id))

    def restore_version(
        self, file_id: NodeRef, version_id: str, *, if_match: str | None = None
    ) -> models.Node:
        """Make a new version with an old one's content."""
        return self._node("files.restore_version", ref(file_id), version_id, if_match)

    def label_version(
        self, file_id: NodeRef, version_id: str, label: str | None, *, if_match: str | None = None
    ) -> models.Version:
        """Say what a version is called; with None, nothing."""
        return models.Version._read(
            self._call("files.label_version", ref(file_id), version_id, label, if_match)
        )

    def compare_versions(self, file_id: NodeRef, version_id: str, other_id: str) -> models.Comparison:
        """Compare two versions, line by line where both are text."""
        return models.Comparison._read(
            self._call("files.compare_versions", ref(file_id), version_id, other_id)
        )

    def delete_version(self, file_id: NodeRef, version_id: str, *, if_match: str | None = None) -> None:
        """Remove an old version for good. Only admins may."""
        self._call("files.delete_version", ref(file_id), version_id, if_match)

    def link(self, file_id: NodeRef, *, expires_in: int | None = None, **said: Any) -> models.Link:
        """Make a link that gives the content to whoever has it; it ends after so many seconds."""
        return models.Link._read(
            self._call("files.link", ref(file_id), given(expires_in_seconds=expires_in, **said))
        )

    def acquire_lock(
        self,
        file_id: NodeRef,
        *,
        ttl: float | None = None,
        wait: float | None = None,
        purpose: str | None = None,
        owner_label: str | None = None,
        if_version: str | None = None,
    ) -> models.LockGrant:
        """Take the lock of a file or folder. This client's later writes to it are under the lock; nobody renews it."""
        return self._client.locks.acquire(
            file_id, ttl=ttl, wait=wait, purpose=purpose, owner_label=owner_label, if_version=if_version
        )

    def release_lock(self, file_id: NodeRef, lock: Lock) -> None:
        """Give a lock of this client on a file back: by what was granted, its token, or its id."""
        del file_id  # the lock says it; people say both
        self._client.locks.release(lock)

    def lock(
        self,
        file_id: NodeRef,
        *,
        ttl: float | None = None,
        wait: float | None = None,
        purpose: str | None = None,
        owner_label: str | None = None,
        if_version: str | None = None,
    ) -> LockHandle:
        """Hold the lock of a file or folder while a `with` block runs: it renews itself."""
        return self._client.locks.hold(
            file_id, ttl=ttl, wait=wait, purpose=purpose, owner_label=owner_label, if_version=if_version
        )

    def _call(self, verb: str, *args: Any) -> Any:
        return run(self._client._core.call(verb, *args))

    def _node(self, verb: str, *args: Any) -> models.Node:
        return models.Node._read(self._call(verb, *args))


def _item(item: Any, parent_id: NodeRef, workspace_id: str | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return one of many as Rust reads it."""
    source, goes_to = item if isinstance(item, tuple) else (item, None)
    is_data = isinstance(source, (bytes, bytearray, memoryview))
    read = reading(None, None if is_data else source, source if is_data else None)
    if goes_to is None or not str(goes_to).startswith("/"):
        name = name_of(goes_to, None if is_data else source, None)
        return read.source or (), target(None, name, parent_id, workspace_id)
    return read.source or (), target(str(goes_to), None, parent_id, workspace_id)
