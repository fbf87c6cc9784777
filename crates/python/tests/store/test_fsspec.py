"""A store as fsspec, and what stands on it, uses one."""

from __future__ import annotations

import gc
import io
from pathlib import Path
from typing import Any

import longshore
import pytest
from longshore.backends import Backend

fsspec = pytest.importorskip("fsspec")


def file_system(backend: Backend) -> Any:
    """Return the file system of a backend's root."""
    from longshore.fsspec import StoreFileSystem

    return StoreFileSystem(backend=backend)


def test_files_and_folders_are_those_of_the_store(native: Backend, folder: Path) -> None:
    fs, store = file_system(native), longshore.Store(native)
    fs.pipe({"a/b.txt": b"hello", "a/c/d.csv": b"x"})
    assert store.read_text("a/b.txt") == "hello" and fs.cat("a/b.txt") == b"hello"
    assert fs.cat_file("longshore-store://a/b.txt", start=-2) == b"lo"
    assert fs.cat_file("/a/b.txt", start=1, end=-1) == b"ell"
    assert fs.ls("a", detail=False) == ["a/b.txt", "a/c"] and fs.ls("", detail=False) == ["a"]
    assert [told["type"] for told in fs.ls("a")] == ["file", "directory"]
    assert fs.ls("a/b.txt", detail=False) == ["a/b.txt"]
    assert fs.find("") == ["a/b.txt", "a/c/d.csv"] and fs.glob("a/**/*.csv") == ["a/c/d.csv"]
    assert fs.isdir("a") and fs.isfile("a/b.txt") and fs.exists("a/c") and not fs.exists("missing")
    info = fs.info("a/b.txt")
    assert (info["name"], info["size"], info["type"]) == ("a/b.txt", 5, "file")
    for missing in (fs.info, fs.ls, fs.cat_file):
        with pytest.raises(FileNotFoundError):
            missing("missing")
    fs.copy("a/b.txt", "e.txt")
    fs.mv("e.txt", "f.txt")
    assert not fs.exists("e.txt") and fs.modified("f.txt") == store.get_file_info("f.txt").modified_at
    fs.get("a/b.txt", str(folder / "got"))
    assert (folder / "got").read_bytes() == b"hello"
    fs.put(str(folder / "got"), "put.txt")
    assert store.read_text("put.txt") == "hello"
    fs.rm("f.txt")
    fs.rm("a", recursive=True)
    assert fs.find("") == ["put.txt"]


def test_a_file_is_opened(native: Backend) -> None:
    fs, store = file_system(native), longshore.Store(native)
    data = bytes(range(256)) * 20_000
    with fs.open("f", "wb") as file:
        for start in range(0, len(data), 1000):
            file.write(data[start : start + 1000])
        assert not store.exists("f") and file.tell() == len(data)
    assert store.read_bytes("f") == data
    with fs.open("f", "rb", block_size=65536) as file:
        assert file.read(10) == data[:10]
        file.seek(-7, io.SEEK_END)
        assert file.read() == data[-7:]
    with fs.open("text", "w", encoding="utf-8") as file:
        file.write("ä\n")
    with fs.open("text", "r", encoding="utf-8") as file:
        assert list(file) == ["ä\n"]
    with pytest.raises(FileExistsError):
        fs.open("f", "xb").close()
    with pytest.raises(ValueError, match="ab"):
        fs.open("f", "ab")


def test_what_was_not_closed_well_is_not_there(native: Backend) -> None:
    fs, store = file_system(native), longshore.Store(native)
    with pytest.raises(LookupError), fs.open("f", "wb") as file:
        file.write(b"x" * 3_000_000)
        raise LookupError
    forgotten = fs.open("g", "wb")
    forgotten.write(b"x")
    del forgotten
    gc.collect()
    assert store.list_files().all() == []


def test_pandas_reads_and_writes(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    fsspec.register_implementation("longshore-store", "longshore.fsspec.StoreFileSystem", clobber=True)
    options = {"url": f"file://{folder}/store", "options": {"durability": "none"}}
    table = pandas.DataFrame({"day": [1, 2], "ships": [4, 5]})
    table.to_csv("longshore-store://reports/may.csv", index=False, storage_options=options)
    assert (folder / "store" / "reports" / "may.csv").read_text() == "day,ships\n1,4\n2,5\n"
    again = pandas.read_csv("longshore-store://reports/may.csv", storage_options=options)
    assert again.equals(table)
