"""How what callers say becomes what Rust reads."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Protocol, Union

from longshore.models import Node

__all__ = [
    "HasId",
    "HasToken",
    "LocalPath",
    "Lock",
    "NodeRef",
    "content",
    "given",
    "local",
    "name_of",
    "ref",
    "target",
    "token",
]


class HasId(Protocol):
    """Anything with an id, such as a node as it was listed."""

    @property
    def id(self) -> str:
        """The id."""


class HasToken(Protocol):
    """A lock that was taken."""

    @property
    def token(self) -> str:
        """The secret of its owner."""


LocalPath = Union[str, "os.PathLike[str]"]
"""A path of this machine."""

NodeRef = Union[str, HasId]
"""A file or folder: its id, or what was listed of it."""

Lock = Union[str, HasToken]
"""A lock: what was granted, or its token."""


def ref(node: NodeRef) -> str:
    """Return the id."""
    return node if isinstance(node, str) else node.id


def token(lock: Lock | None) -> str | None:
    """Return the token of a lock."""
    return lock if lock is None or isinstance(lock, str) else lock.token


def given(**said: Any) -> dict[str, Any]:
    """Return what was said, without what was not."""
    return {name: value for name, value in said.items() if value is not None}


def local(path: LocalPath | None) -> str | None:
    """Return a path of this machine as Rust reads it."""
    return None if path is None else os.fsdecode(path)


def name_of(filename: str | None, path: Any, file_stream: Any) -> str:
    """Return the name of a file that is uploaded: the one that was said, or that of where it comes from."""
    if filename is not None:
        return filename
    source = path if path is not None else getattr(file_stream, "name", None)
    if isinstance(source, (str, bytes, os.PathLike)) and (name := os.path.basename(os.fsdecode(source))):
        return name
    message = "say filename=, as the source has no name"
    raise TypeError(message)


def target(
    destination: str | None, filename: str | None, parent_id: NodeRef, workspace_id: str | None
) -> dict[str, Any]:
    """Return where a file goes: to a path, or by a name into a folder."""
    if destination is not None:
        return given(path=destination, workspace=workspace_id)
    return given(parent=ref(parent_id), name=filename, workspace=workspace_id)


def content(
    file: NodeRef | None, version_id: str | None, path: str | None, workspace_id: str | None
) -> dict[str, Any]:
    """Return which content is wanted: a file's, one version's, or that at a path."""
    if (file is None) == (path is None):
        message = "give a file's id or its path"
        raise TypeError(message)
    if path is not None:
        return given(path=path, workspace=workspace_id)
    return given(node=ref(file) if file is not None else None, version=version_id)


def wire(node: Node) -> dict[str, Any]:
    """Return a node as Rust reads it."""
    said: dict[str, Any] = {}
    for name in node.__slots__:
        value = getattr(node, name)
        if hasattr(value, "isoformat"):
            value = value.isoformat().replace("+00:00", "Z")
        elif isinstance(value, frozenset):
            value = sorted(value)
        elif not isinstance(value, (str, int, Mapping, type(None))):
            continue
        if value is not None:
            said[name] = value
    return said
