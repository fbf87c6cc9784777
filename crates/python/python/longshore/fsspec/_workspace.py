"""Files of workspaces as fsspec has them."""

from __future__ import annotations

import errno
import re
import time
from typing import Any

from fsspec.asyn import sync, sync_wrapper
from fsspec.callbacks import DEFAULT_CALLBACK

from longshore._client import Client
from longshore._longshore import Pending
from longshore.aio._client import AsyncClient
from longshore.aio._watch import Progress
from longshore.exceptions import AlreadyExistsError, InvalidError
from longshore.fsspec._base import LongshoreFileSystem, Mode, Told, a_folder, naming
from longshore.fsspec._opened import Begin
from longshore.models import Node, Workspace

__all__ = ["WorkspaceFileSystem"]

ID = re.compile(r"ws_[0-9a-z]{26}")
KNOWN = 60.0
"""For how many seconds it is believed which workspace has a name."""


def _told(workspace: str, node: Node) -> Told:
    is_file = node.kind == "file"
    told: Told = {
        "name": f"{workspace}{node.path}".rstrip("/"),
        "type": "file" if is_file else "directory",
        "size": node.size if is_file else 0,
        "created": node.created_at,
        "mtime": node.updated_at,
        "id": node.id,
        "metadata": node.metadata,
    }
    if is_file:
        told |= {"version_id": node.version_id, "ETag": node.version_id, "digest": node.digest}
        told["content_type"] = node.media_type
    return told


def _told_of_workspace(workspace: Workspace) -> Told:
    told: Told = {"name": workspace.name, "type": "directory", "size": 0, "id": workspace.id}
    return told | {"created": workspace.created_at, "mtime": workspace.created_at}


class WorkspaceFileSystem(LongshoreFileSystem):
    """Workspaces as fsspec has file systems; `longshore://default/reports/q1.csv`: the workspace's name or id, a path.

    A file that is written gets a new version, with the same id; one that is removed goes to the trash; one that is
    open for reading stays what it was. Workspaces themselves are made and ended with `longshore.Client`.
    """

    protocol = "longshore"
    # A server waits for no writer that pauses, and only what is there as a whole goes on where a connection broke.
    _streams = False
    _secret = ("api_key", "client")

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        client: AsyncClient | Client | None = None,
        options: dict[str, Any] | None = None,
        **fsspec_options: Any,
    ) -> None:
        """Make one of what `longshore.Client` is made of, or of a client that is there already.

        Args:
            api_key: the key; left out, `LONGSHORE_API_KEY`.
            base_url: the server; left out, `LONGSHORE_URL`, or this machine.
            client: a client, such as `client.under(lock)` for writes under a lock.
            options: further settings of `longshore.Client`, such as `max_attempts`.
            fsspec_options: fsspec's own.
        """
        super().__init__(**fsspec_options)
        if client is None:
            client = AsyncClient(api_key, base_url, **(options or {}))
        elif api_key is not None or base_url is not None or options:
            message = "a client has its key, address and settings already"
            raise TypeError(message)
        self._client, self._here = object.__new__(AsyncClient), object.__new__(Client)
        self._client._begin(client._core)
        self._here._begin(client._core)
        self._ids: dict[str, tuple[str, float]] = {}

    def __reduce__(self) -> Any:
        """Go to another process by key and address; one with a client goes nowhere."""
        if len(self.storage_args) > 2 or "client" in self.storage_options:
            message = "a file system that was made of a client is of this process alone"
            raise TypeError(message)
        return super().__reduce__()

    def invalidate_cache(self, path: str | None = None) -> None:
        """Forget which workspace has which name; nothing else is remembered."""
        self._ids.clear()
        super().invalidate_cache(path)

    async def _at(self, path: str) -> tuple[str, str, str]:
        """Return a workspace as it is said, its id, and the path in it."""
        said, _, inner = path.partition("/")
        if not said:
            raise PermissionError(errno.EPERM, "say a workspace: longshore://workspace/path", path)
        if ID.fullmatch(said):
            return said, said, f"/{inner}"
        found, until = self._ids.get(said, ("", 0.0))
        if time.monotonic() >= until:
            known = time.monotonic() + KNOWN
            self._ids = {one.name: (one.id, known) async for one in self._client.workspaces.list()}
            found, _ = self._ids.get(said, ("", 0.0))
        if not found:
            raise FileNotFoundError(errno.ENOENT, f"the key reaches no workspace {said!r}", path)
        return said, found, f"/{inner}"

    async def _node(self, path: str) -> tuple[str, Node]:
        said, workspace, inner = await self._at(path)
        return said, await self._client.files.by_path(inner, workspace_id=workspace)

    async def _stat(self, path: str) -> Told:
        if not path:
            return {"name": "", "type": "directory", "size": 0}
        with naming(path):
            said, node = await self._node(path)
        return _told(said, node)

    async def _entries(self, path: str, depth: int | None, folders: bool) -> list[Told]:
        if not path:
            found = [_told_of_workspace(one) async for one in self._client.workspaces.list()]
            below = None if depth is None else depth - 1
            for told in found.copy() if below != 0 else []:
                found += await self._entries(told["name"], below, folders=True)
        else:
            with naming(path):
                said, workspace, inner = await self._at(path)
                listing = self._client.files.list(inner, depth=depth, workspace_id=workspace)
                found = [_told(said, node) async for node in listing]
        return found if folders else [told for told in found if told["type"] == "file"]

    async def _bytes(self, path: str, start: int | None, end: int | None) -> bytes:
        with naming(path):
            _, workspace, inner = await self._at(path)
            if not start and end is None:
                return await self._client.files.download(path=inner, workspace_id=workspace)
            try:
                content = self._client.files.stream(path=inner, workspace_id=workspace, start=start, end=end)
                return await content.read()
            except InvalidError as error:
                if error.code == "range_not_satisfiable":
                    return b""
                raise

    async def _download(self, path: str, local: str, callback: Any) -> None:
        with naming(path):
            _, workspace, inner = await self._at(path)
            await self._client.files.download_to(
                None, local, path=inner, workspace_id=workspace, resume=False, progress=_telling(callback)
            )

    def _fetch(self, told: Told, start: int, end: int) -> bytes:
        with naming(told["name"]):
            files, version = self._here.files, told["version_id"]
            return files.stream(told["id"], version_id=version, start=start, end=end).read()

    def _begin(self, path: str, replace: bool) -> Begin:
        with naming(path):
            _, workspace, inner = sync(self.loop, self._at, path)
        goes_to = {"path": inner, "workspace": workspace}
        options = {"on_conflict": "version" if replace else "error"}

        def begin(source: tuple[Any, ...]) -> Pending:
            return self._here._core.upload(source, goes_to, options, {"progress": None, "hand": None})

        return begin

    async def _upload(self, to: str, mode: Mode, **source: Any) -> None:
        with naming(to):
            _, workspace, inner = await self._at(to)
            on_conflict: Any = "error" if mode == "create" else "version"
            await self._client.files.upload(
                destination=inner, workspace_id=workspace, on_conflict=on_conflict, **source
            )

    async def _pipe_file(self, path: str, value: Any, mode: Mode = "overwrite", **_: Any) -> None:
        await self._upload(self._strip_protocol(path), mode, data=value)

    async def _put_file(
        self, lpath: str, rpath: str, mode: Mode = "overwrite", callback: Any = DEFAULT_CALLBACK, **_: Any
    ) -> None:
        await self._upload(self._strip_protocol(rpath), mode, path=lpath, progress=_telling(callback))

    async def _remove(self, path: str, recursive: bool) -> None:
        with naming(path):
            _, node = await self._node(path)
            if node.kind != "file" and not recursive:
                raise a_folder(path)
            await self._client.files.delete(node.id)

    async def _rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        path = self._strip_protocol(path)
        if await self._entries(path, 1, folders=True):
            raise OSError(errno.ENOTEMPTY, "the folder is not empty", path)
        await self._remove(path, recursive=True)

    # fsspec has no asynchronous one of it.
    rmdir = sync_wrapper(_rmdir)

    async def _above(self, path: str) -> tuple[Node, str]:
        """Return the folder that a path is in, made where it is not there, and the name in it."""
        above, _, name = path.rpartition("/")
        with naming(path):
            _, workspace, inner = await self._at(above)
            files = self._client.files
            if inner == "/":
                return await files.by_path(inner, workspace_id=workspace), name
            return await files.mkdir(inner, workspace_id=workspace), name

    async def _rename(self, source: str, target: str) -> bool:
        with naming(source):
            _, node = await self._node(source)
        parent, name = await self._above(target)
        if parent.workspace_id != node.workspace_id:
            return False
        try:
            with naming(source):
                await self._client.files.move(node.id, parent.id, name=name)
        except AlreadyExistsError:
            # A file in its place gets a new version instead.
            return False
        return True

    async def _copy_one(self, source: str, target: str) -> None:
        with naming(source):
            _, node = await self._node(source)
        if node.kind != "file":
            raise a_folder(source)
        parent, name = await self._above(target)
        if parent.workspace_id == node.workspace_id:
            try:
                with naming(target):
                    await self._client.files.copy(node.id, parent.id, name=name)
            except AlreadyExistsError:
                pass
            else:
                return
        # A new version, or another workspace: the server copies none of these by itself.
        async with self._client.files.stream(node.id, version_id=node.version_id) as content:
            await self._upload(target, "overwrite", file_stream=content, media_type=node.media_type)

    async def _mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        path = self._strip_protocol(path)
        if (await self._of_folder(path))[1] == "/":
            raise FileExistsError(errno.EEXIST, "the workspace is there", path)
        if create_parents:
            parent, name = await self._above(path)
        else:
            above, _slash, name = path.rpartition("/")
            with naming(above):
                parent = (await self._node(above))[1]
        with naming(path):
            await self._client.files.create_folder(name, parent.id)

    async def _makedirs(self, path: str, exist_ok: bool = False) -> None:
        path = self._strip_protocol(path)
        if not exist_ok:
            await self._mkdir(path)
            return
        workspace, inner = await self._of_folder(path)
        if inner != "/":
            with naming(path):
                await self._client.files.mkdir(inner, workspace_id=workspace)

    async def _of_folder(self, path: str) -> tuple[str, str]:
        try:
            return (await self._at(path))[1:]
        except FileNotFoundError as error:
            if "/" in path:
                raise
            message = "a workspace is made with longshore.Client().workspaces.create"
            raise PermissionError(errno.EPERM, message, path) from error


def _telling(callback: Any) -> Any:
    """Return what tells a callback of fsspec's of a transfer's progress."""

    def tell(progress: Progress) -> None:
        if progress.event == "started":
            callback.set_size(progress.count or None)
        elif progress.event in ("bytes", "reused"):
            callback.relative_update(progress.count)
        elif progress.event == "retried":
            callback.relative_update(-progress.count)

    return None if callback is DEFAULT_CALLBACK else tell
