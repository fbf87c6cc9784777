"""Files that are opened, and what is left of those that were not closed well."""

from __future__ import annotations

import gc
import gzip
import io
import pickle

import pytest
from longshore import exceptions

from .conftest import Place

DATA = bytes(range(256)) * 20_000


def test_a_file_is_written_and_read(place: Place) -> None:
    fs, path = place.fs, place.path("f")
    with fs.open(path, "wb") as file:
        for start in range(0, len(DATA), 1000):
            assert file.write(DATA[start : start + 1000]) == 1000
        assert not fs.exists(path) and file.tell() == len(DATA)
        assert file.writable() and not file.seekable()
    assert fs.cat(path) == DATA
    with pytest.raises(ValueError, match="closed"):
        file.write(b"")
    with fs.open(path, "rb", block_size=65536) as file:
        assert pickle.loads(pickle.dumps(file)).read() == DATA
        assert file.read(10) == DATA[:10]
        file.seek(-7, io.SEEK_END)
        assert file.read() == DATA[-7:]
        file.seek(1_000_000)
        assert file.read(70_000) == DATA[1_000_000:1_070_000]
    for small in (b"", b"small"):
        with fs.open(path, "wb") as file:
            file.write(small)
        with fs.open(path) as file:
            assert file.read() == small


def test_text_is_written_and_read(place: Place) -> None:
    fs, path = place.fs, place.path("text")
    with fs.open(path, "w", encoding="utf-8", newline="\r\n") as file:
        file.write("ä\n")
    with fs.open(path, "r", encoding="utf-8", newline="") as file:
        assert list(file) == ["ä\r\n"]
    with fs.open(f"{path}.gz", "wt", compression="infer") as file:
        file.write("a" * 10_000)
    assert gzip.decompress(fs.cat(f"{path}.gz")) == b"a" * 10_000
    with fs.open(f"{path}.gz", "rt", compression="infer") as file:
        assert file.read() == "a" * 10_000
    fs.write_text(path, "again")
    assert fs.read_text(path) == "again"


@pytest.mark.parametrize("mode", ["wb", "w", "xb", "gzip", "text gzip"])
@pytest.mark.parametrize("size", [10, 3_000_000])
def test_an_exception_leaves_nothing(place: Place, mode: str, size: int) -> None:
    fs, path = place.fs, place.path("f")
    compression = "gzip" if "gzip" in mode else None
    kind = {"gzip": "wb", "text gzip": "w"}.get(mode, mode)
    with pytest.raises(LookupError), fs.open(path, kind, compression=compression) as file:
        file.write(b"x" * size if "b" in kind else "x" * size)
        raise LookupError
    assert not fs.exists(path) and file.closed
    fs.pipe_file(path, b"old")
    if kind != "xb":
        with pytest.raises(LookupError), fs.open(path, kind, compression=compression) as file:
            file.write(b"x" * size if "b" in kind else "x" * size)
            raise LookupError
        assert fs.cat(path) == b"old"


def test_who_forgets_a_file_has_not_written_it(place: Place) -> None:
    forgotten = place.fs.open(place.path("f"), "wb")
    forgotten.write(DATA)
    del forgotten
    gc.collect()
    assert not place.fs.exists(place.path("f"))


def test_of_two_that_make_one_file_one_wins(place: Place) -> None:
    fs, path = place.fs, place.path("f")
    one, other = fs.open(path, "xb"), fs.open(path, "xb")
    one.write(b"one")
    other.write(b"other")
    one.close()
    with pytest.raises(FileExistsError):
        other.close()
    assert other.closed and fs.cat(path) == b"one"


def test_a_refused_write_is_told(place: Place) -> None:
    fs, path = place.fs, place.path("d")
    fs.pipe_file(f"{path}/f", b"")
    for size in (10, 3_000_000):
        with pytest.raises((OSError, exceptions.InvalidPath)), fs.open(path, "wb") as file:
            file.write(b"x" * size)
    assert fs.isdir(path)


def test_a_transaction_shows_all_or_nothing(place: Place) -> None:
    fs, at = place.fs, place.path
    with fs.transaction:
        for name, size in (("a", 10), ("b", 3_000_000)):
            with fs.open(at(name), "wb") as file:
                file.write(b"x" * size)
            assert not fs.exists(at(name))
    assert fs.size(at("a")) == 10 and fs.size(at("b")) == 3_000_000
    with pytest.raises(LookupError), fs.transaction:
        for name in ("c", "d"):
            with fs.open(at(name), "wb") as file:
                file.write(DATA)
        raise LookupError
    assert not fs.exists(at("c")) and not fs.exists(at("d"))


def test_what_is_open_stays_what_it_was(place: Place) -> None:
    fs, path = place.fs, place.path("f")
    fs.pipe_file(path, b"a" * 100_000)
    with fs.open(path, block_size=1000, cache_type="none") as file:
        assert file.read(10) == b"a" * 10
        fs.pipe_file(path, b"b" * 100_000)
        if fs.protocol == "longshore":
            assert file.read() == b"a" * 99_990
        else:
            with pytest.raises(exceptions.PreconditionFailed):
                file.read()
