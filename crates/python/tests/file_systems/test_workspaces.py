"""What only workspaces do: names and ids, versions, the trash, folders of their own, rights."""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import longshore
import pytest
from conftest import Server
from longshore.aio import AsyncClient
from longshore.fsspec import WorkspaceFileSystem

from .conftest import Place


def client(server: Server) -> longshore.Client:
    """Return a client of the server."""
    return longshore.Client(server.key, server.url)


def test_a_workspace_is_named_by_name_or_id(server: Server, workspace: Place) -> None:
    fs, name = workspace.fs, f"work space {uuid.uuid4()}"
    with client(server) as c:
        made = c.workspaces.create(name)
        fs.pipe_file(f"longshore://{name}/a/b", b"1")
        assert fs.cat(f"{made.id}/a/b") == fs.cat(f"/{name}/a/b") == b"1"
        assert fs.ls(made.id, detail=False) == [f"{made.id}/a"] and fs.ls(name, detail=False) == [f"{name}/a"]
        assert c.files.download(path="/a/b", workspace_id=made.id) == b"1"
        assert {name, "default"} <= set(fs.ls("", detail=False)) and fs.info(name)["type"] == "directory"
        assert f"{name}/a/b" in fs.find("") and f"{name}/a/b" in fs.glob("work*/*/b")
        assert f"{name}/a/b" not in fs.find("", maxdepth=2) and fs.info("")["type"] == "directory"
        c.workspaces.update(made.id, name=f"{name}!")
        fs.invalidate_cache()
        assert not fs.exists(f"{name}/a") and fs.exists(f"{name}!/a")
    for missing in ("nowhere/a", "ws_" + "0" * 26 + "/a"):
        assert not fs.exists(missing)
        with pytest.raises(FileNotFoundError):
            fs.pipe_file(missing, b"")
    for refused in (fs.mkdir, fs.makedirs):
        with pytest.raises(PermissionError, match="workspaces.create"):
            refused("nowhere")
        with pytest.raises(FileExistsError):
            refused("default")
    fs.makedirs("default", exist_ok=True)
    for root in ("", "default"):
        with pytest.raises(PermissionError):
            fs.rm(root, recursive=True)


def test_other_workspaces_get_copies(server: Server, workspace: Place) -> None:
    fs, other = workspace.fs, f"other {uuid.uuid4()}"
    with client(server) as c:
        c.workspaces.create(other)
    fs.pipe_file(workspace.path("d/f"), b"x" * 3_000_000)
    fs.copy(workspace.path("d/f"), f"{other}/copy")
    fs.mv(workspace.path("d"), f"{other}/moved", recursive=True)
    assert fs.find(other) == [f"{other}/copy", f"{other}/moved/f"] and not fs.exists(workspace.path("d"))
    assert fs.size(f"{other}/moved/f") == 3_000_000


def test_a_file_keeps_its_id_and_versions(server: Server, workspace: Place) -> None:
    fs, at = workspace.fs, workspace.path
    with client(server) as c:
        fs.pipe_file(at("f"), b"1")
        first = fs.info(at("f"))
        with fs.open(at("f"), "wb") as file:
            file.write(b"2")
        fs.mv(at("f"), at("d/g"))
        fs.pipe_file(at("h"), b"3")
        fs.cp_file(at("h"), at("d/g"))
        fs.mv(at("h"), at("d/g"))
        told = fs.info(at("d/g"))
        assert told["id"] == first["id"] and told["ETag"] == told["version_id"] != first["version_id"]
        assert [version.number for version in c.files.versions(told["id"])] == [4, 3, 2, 1]
        assert c.files.download(told["id"], version_id=first["version_id"]) == b"1"
        assert fs.ukey(at("d/g")) != fs.ukey(at("d"))
        fs.rm(at("d/g"))
        c.files.restore(told["id"])
        assert fs.cat(at("d/g")) == b"3"


def test_folders_are_made_and_removed(workspace: Place) -> None:
    fs, at = workspace.fs, workspace.path
    with pytest.raises(FileNotFoundError):
        fs.mkdir(at("a/b"), create_parents=False)
    fs.mkdir(at("a/b"))
    fs.mkdir(at("a/c"), create_parents=False)
    for again in (fs.mkdir, fs.makedirs):
        with pytest.raises(FileExistsError):
            again(at("a/b"))
    fs.makedirs(at("a/b"), exist_ok=True)
    fs.makedirs(at("a/d/e"))
    assert fs.ls(at("a"), detail=False) == [at("a/b"), at("a/c"), at("a/d")] and fs.ls(at("a/b")) == []
    with pytest.raises(OSError, match="not empty") as full:
        fs.rmdir(at("a/d"))
    assert full.value.errno == 39
    fs.rmdir(at("a/d/e"))
    fs.mv(at("a/d"), at("a/b"))
    assert fs.isdir(at("a/b/d")) and not fs.exists(at("a/d"))
    with pytest.raises(OSError, match="inside itself"):
        fs.mv(at("a"), at("a/b/d/a"))
    fs.touch(at("f"))
    with pytest.raises(NotADirectoryError):
        fs.makedirs(at("f/below"))
    with pytest.raises(NotADirectoryError):
        fs.pipe_file(at("f/below"), b"")
    with pytest.raises(ValueError, match="name"):
        fs.info(at("a/../b"))


def test_rights_are_told_of(server: Server, workspace: Place) -> None:
    with client(server) as c:
        workspaces = {one.name: one.id for one in c.workspaces.list()}
        key = c.keys.create(name="looks", role="viewer", workspace_id=workspaces["default"])
    workspace.fs.pipe_file(workspace.path("f"), b"1")
    fs = WorkspaceFileSystem(key.secret, server.url)
    assert fs.cat(workspace.path("f")) == b"1"
    acts: list[Callable[[], Any]] = [
        lambda: fs.pipe_file(workspace.path("f"), b"2"),
        lambda: fs.rm(workspace.path("f")),
        lambda: fs.mkdir(workspace.path("d")),
        lambda: fs.mv(workspace.path("f"), workspace.path("g")),
        lambda: fs.open(workspace.path("f"), "wb").close(),
    ]
    for refused in acts:
        with pytest.raises(PermissionError) as raised:
            refused()
        assert raised.value.errno == 13
    assert workspace.fs.cat(workspace.path("f")) == b"1"


def test_key_and_address_come_from_the_environment(
    server: Server, workspace: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LONGSHORE_API_KEY", raising=False)
    monkeypatch.setenv("LONGSHORE_URL", server.url)
    with pytest.raises(longshore.exceptions.AuthenticationError, match="LONGSHORE_API_KEY"):
        fsspec.filesystem("longshore", skip_instance_cache=True)
    monkeypatch.setenv("LONGSHORE_API_KEY", server.key)
    with fsspec.open(workspace.url("f"), "wb") as file:
        file.write(b"1")
    assert fsspec.filesystem("longshore") is fsspec.filesystem("longshore")
    assert fsspec.filesystem("longshore").cat(workspace.path("f")) == b"1"
    assert workspace.fs is fsspec.filesystem("longshore", **workspace.options)
    assert fsspec.filesystem("longshore", options={"max_attempts": 1}) is not fsspec.filesystem("longshore")
    with pytest.raises(TypeError):
        fsspec.filesystem("longshore", options={"unknown": 1})


def test_a_client_of_ones_own_brings_its_locks(server: Server, workspace: Place) -> None:
    workspace.fs.pipe_file(workspace.path("f"), b"1")
    node_id = workspace.fs.info(workspace.path("f"))["id"]
    with client(server) as c, c.files.lock(node_id) as lock:
        fs = WorkspaceFileSystem(client=c.under(lock))
        with fs.open(workspace.path("f"), "wb") as file:
            file.write(b"2")
        with pytest.raises(longshore.exceptions.LockedError):
            workspace.fs.pipe_file(workspace.path("f"), b"3")
        with pytest.raises(TypeError, match="of this process alone"):
            pickle.dumps(fs)
        with pytest.raises(TypeError, match="already"):
            WorkspaceFileSystem("key", client=c)
        fs.touch(workspace.path("g"))
    assert workspace.fs.cat(workspace.path("f")) == b"2"
    asynchronous: Any = WorkspaceFileSystem(client=AsyncClient(server.key, server.url))
    assert asynchronous.cat(workspace.path("f")) == b"2"


def test_a_writer_may_take_its_time(workspace: Place) -> None:
    # What is not closed has sent nothing that a server would have to wait for.
    with longshore.Client(**workspace.options) as c, workspace.fs.open(workspace.path("f"), "wb") as file:
        file.write(b"x" * 3_000_000)
        assert c.open_uploads().all() == []
        file.write(b"y" * 3_000_000)
    assert workspace.fs.cat_file(workspace.path("f"), 2_999_999, 3_000_001) == b"xy"


def test_a_broken_download_leaves_no_file(workspace: Place, folder: Path) -> None:
    (folder / "there").write_bytes(b"old")
    with pytest.raises(FileNotFoundError):
        workspace.fs.get_file(workspace.path("missing"), str(folder / "there"))
    assert (folder / "there").read_bytes() == b"old"
    assert [path.name for path in folder.iterdir()] == ["there"]
