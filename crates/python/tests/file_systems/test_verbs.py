"""What all file systems do."""

from __future__ import annotations

import asyncio
import io
import os
import pickle
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import fsspec
import pytest
from conftest import Run
from fsspec.callbacks import Callback

from .conftest import Place


def test_files_and_folders_are_told_of(place: Place) -> None:
    fs, at = place.fs, place.path
    fs.pipe({at("a/b.txt"): b"hello", at("a/c/d.csv"): b"x", place.url("a/c/e/f.csv"): b""})
    assert fs.ls(at("a"), detail=False) == [at("a/b.txt"), at("a/c")]
    assert [told["type"] for told in fs.ls(place.url("a/"))] == ["file", "directory"]
    assert fs.ls(at("a/b.txt"), detail=False) == [at("a/b.txt")]
    assert fs.find(place.root) == [at("a/b.txt"), at("a/c/d.csv"), at("a/c/e/f.csv")]
    assert fs.find(at("a"), maxdepth=1) == [at("a/b.txt")] and fs.find(at("a/b.txt")) == [at("a/b.txt")]
    assert fs.find(at("a"), maxdepth=2, withdirs=True) == [
        at("a"),
        at("a/b.txt"),
        at("a/c"),
        at("a/c/d.csv"),
        at("a/c/e"),
    ]
    assert fs.find(at("missing")) == [] and fs.find(at("a/b.txt/below")) == []
    assert fs.glob(at("a/**/*.csv")) == [at("a/c/d.csv"), at("a/c/e/f.csv")]
    assert fs.glob(place.url("*/b.?xt")) == [at("a/b.txt")] and fs.glob(at("a/*.csv")) == []
    assert fs.isdir(at("a")) and fs.isfile(at("a/b.txt")) and fs.exists(at("a/c"))
    assert not fs.exists(at("missing")) and not fs.isdir(at("missing")) and not fs.isfile(at("a"))
    assert [(len(folders), len(files)) for _, folders, files in fs.walk(at("a"))] == [(1, 1), (1, 1), (0, 1)]
    assert fs.du(at("a")) == 6 and fs.size(at("a/b.txt")) == 5
    told = fs.info(at("a/b.txt"))
    assert (told["name"], told["size"], told["type"]) == (at("a/b.txt"), 5, "file")
    assert told["name"] in [one["name"] for one in fs.ls(at("a"))]
    now = datetime.now(timezone.utc)
    assert abs(fs.modified(at("a/b.txt")) - now) < timedelta(hours=1)
    assert fs.created(at("a/b.txt")) <= fs.modified(at("a/b.txt"))


def test_bytes_are_read(place: Place, folder: Path) -> None:
    fs, at = place.fs, place.path
    fs.pipe_file(at("f"), b"hello")
    fs.pipe_file(at("empty"), b"")
    assert fs.cat(at("f")) == b"hello" and fs.cat_file(at("empty")) == b""
    assert fs.cat({at("f"), at("empty")}) == {at("f"): b"hello", at("empty"): b""}
    for start in (None, *range(-6, 8)):
        for end in (None, *range(-6, 8)):
            expected = b"hello"[slice(start, end)] if (start or 0) <= 5 else b""
            if start is not None and start < 0 and end is not None and end < 0:
                expected = b"hello"[start:end]
            assert fs.cat_file(at("f"), start=start, end=end) == expected, (start, end)
    many = fs.cat_ranges([at("f")] * 200, list(range(200)), [number + 2 for number in range(200)])
    assert many[:6] == [b"he", b"el", b"ll", b"lo", b"o", b""] and set(many[6:]) == {b""}
    (error,) = fs.cat_ranges([at("missing")], [0], [5])
    assert isinstance(error, FileNotFoundError)
    assert fs.head(at("f"), 2) == b"he" and fs.tail(at("f"), 2) == b"lo"
    told = Callback()
    fs.get_file(at("f"), str(folder / "got"), callback=told)
    assert (folder / "got").read_bytes() == b"hello" and (told.size, told.value) == (5, 5)


def test_errors_are_those_of_files(place: Place) -> None:
    fs, at = place.fs, place.path
    fs.pipe_file(at("d/f"), b"1")
    for missing in (fs.info, fs.ls, fs.cat_file, fs.created, fs.modified, fs.rm, fs.rm_file, fs.open):
        with pytest.raises(FileNotFoundError) as raised:
            missing(at("missing"))
        if missing is not fs.rm:
            assert (raised.value.errno, raised.value.filename) == (2, at("missing")), missing
    with pytest.raises(FileNotFoundError):
        fs.mv(at("missing"), at("g"))
    with pytest.raises(FileExistsError) as taken:
        fs.pipe_file(at("d/f"), b"2", mode="create")
    assert taken.value.errno == 17
    with pytest.raises(FileExistsError):
        fs.open(at("d/f"), "xb")
    for of_folder in (fs.cat_file, fs.rm, fs.rm_file, fs.open):
        with pytest.raises(IsADirectoryError):
            of_folder(at("d"))
    for mode in ("ab", "r+b", "wb+"):
        with pytest.raises(ValueError, match=r"rb, wb and xb"):
            fs.open(at("d/f"), mode)
    assert fs.cat(at("d/f")) == b"1"


def test_files_are_copied_moved_and_removed(place: Place) -> None:
    fs, at = place.fs, place.path
    fs.pipe({at("a/b.txt"): b"hello", at("a/c/d.csv"): b"x", at("e.txt"): b"old"})
    fs.cp_file(at("a/b.txt"), at("new/copy"))
    fs.copy(at("a/b.txt"), at("e.txt"))
    fs.copy(at("e.txt"), at("e.txt"))
    assert fs.cat(at("new/copy")) == fs.cat(at("e.txt")) == b"hello"
    fs.mv(at("new/copy"), at("there/moved"))
    assert fs.find(at("new")) == [] and fs.cat(at("there/moved")) == b"hello"
    fs.pipe_file(at("last"), b"last")
    fs.mv(at("last"), at("there/moved"))
    assert fs.cat(at("there/moved")) == b"last" and not fs.exists(at("last"))
    fs.mv(at("there/moved"), at("a"))
    fs.mv(at("a/moved"), at("a/c/"))
    fs.mv(at("a/c/moved"), at("a/c/moved"))
    assert fs.find(at("a")) == [at("a/b.txt"), at("a/c/d.csv"), at("a/c/moved")]
    fs.copy(at("a"), at("z"), recursive=True)
    assert fs.find(at("z")) == [at("z/b.txt"), at("z/c/d.csv"), at("z/c/moved")]
    fs.mv(at("z/c"), at("y"), recursive=True)
    assert fs.find(at("y")) == [at("y/d.csv"), at("y/moved")] and not fs.exists(at("z/c/moved"))
    fs.rm([at("y/d.csv"), at("y/moved")])
    fs.rm(at("a/*.txt"))
    assert fs.find(at("a")) == [at("a/c/d.csv"), at("a/c/moved")]
    fs.rm(at("a/**"), recursive=True)
    fs.rm(at("z"), recursive=True)
    assert fs.find(place.root) == [at("e.txt")]
    fs.touch(at("e.txt"), truncate=False)
    assert fs.cat(at("e.txt")) == b"hello"
    fs.touch(at("e.txt"))
    assert fs.cat(at("e.txt")) == b""


def test_folders_go_both_ways(place: Place, folder: Path) -> None:
    fs, at = place.fs, place.path
    source = folder / "source"
    for number in range(50):
        path = source / f"{number % 5}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 100))
    told = Callback()
    fs.put(str(source), at("d"), recursive=True, callback=told)
    assert told.size == told.value == 50
    fs.get(at("d"), str(folder / "target"), recursive=True)
    for path in source.rglob("*.bin"):
        assert (folder / "target" / path.relative_to(source)).read_bytes() == path.read_bytes()
    with pytest.raises(FileNotFoundError):
        fs.get_file(at("missing"), str(folder / "missing"))
    assert {path.name for path in folder.iterdir()} <= {"source", "target", "store"}


def test_a_loop_has_the_same_verbs(place: Place, run: Run) -> None:
    at = place.path

    async def main() -> None:
        # Blocking verbs work inside a loop too; they hold it up.
        place.fs.pipe_file(at("f"), b"hello")
        with place.fs.open(at("f")) as file:
            assert file.read() == b"hello"
        options = place.options
        fs = fsspec.filesystem(place.fs.protocol, asynchronous=True, **options)
        if place.fs.protocol == "longshore-store":
            fs = type(place.fs)(store=place.fs._store, asynchronous=True)
        await asyncio.gather(*(fs._pipe_file(at(f"many/{number}"), b"x" * number) for number in range(50)))
        assert len(await fs._find(at("many"))) == 50
        assert (await fs._info(at("many/7")))["size"] == 7
        assert await fs._cat_file(at("f"), start=1, end=3) == b"el"
        await fs._mv(at("f"), at("g"))
        await fs._rm(at("many"), recursive=True)
        assert await fs._find(place.root) == [at("g")]

    run(main)


def test_it_goes_to_another_process(place: Place) -> None:
    place.fs.pipe_file(place.path("f"), b"hello")
    fs = fsspec.filesystem(place.fs.protocol, **place.options) if place.fs.cachable else place.fs
    again = pickle.loads(pickle.dumps(fs))
    assert again.cat(place.path("f")) == b"hello"
    assert (again is fs) == fs.cachable
    program = "import pickle, sys; fs, path = pickle.load(sys.stdin.buffer); print(fs.cat(path))"
    given = pickle.dumps((fs, place.path("f")))
    done = subprocess.run([sys.executable, "-c", program], input=given, capture_output=True, check=False)
    assert done.stdout == b"b'hello'\n", done.stderr
    with pickle.loads(pickle.dumps(fsspec.open(place.url("f"), **place.options))) as file:
        assert file.read() == b"hello"


def test_a_forked_child_is_told(place: Place) -> None:
    place.fs.pipe_file(place.path("f"), b"hello")

    def attempts() -> list[Any]:
        another = fsspec.filesystem(place.fs.protocol, **place.options, skip_instance_cache=True)
        return [another.info(place.path("f"))]

    with place.fs.open(place.path("f")) as opened:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            told = []
            for attempt in (lambda: place.fs.info(place.path("f")), attempts, lambda: opened.read(1)):
                try:
                    told.append(f"nothing of {attempt()}")
                except RuntimeError as error:
                    told.append(str(error))
            os.write(writer, "\n".join(told).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        lines = file.read().decode().splitlines()
    os.waitpid(child, 0)
    assert len(lines) == 3 and all("forked" in line for line in lines), lines


def test_a_wrong_option_is_told(place: Place) -> None:
    with pytest.raises(TypeError, match="no option apikey"):
        fsspec.filesystem(place.fs.protocol, apikey="hunter2", **place.options)
    said = fsspec.filesystem(place.fs.protocol, **place.options).to_dict(include_password=False)
    assert "api_key" not in said and "store" not in said and "options" not in said


def test_a_stream_of_any_kind_is_piped(place: Place) -> None:
    fs, at = place.fs, place.path
    for value in (b"x", bytearray(b"x"), memoryview(b"x")):
        fs.pipe_file(at("f"), value)
        assert fs.cat(at("f")) == b"x"
    assert isinstance(fs.open(at("f")), io.IOBase)
