"""What only stores do: backends of one's own, and how a store is said."""

from __future__ import annotations

import pickle
from pathlib import Path

import longshore
import pytest
from longshore.backends import Backend, LocalBackend, MemoryBackend
from longshore.fsspec import StoreFileSystem
from store.attic import Attic, BlockingAttic


@pytest.mark.parametrize(
    "backend", [MemoryBackend(), Attic(), BlockingAttic()], ids=["rust", "loop", "threads"]
)
def test_a_backend_of_ones_own_has_files(backend: Backend) -> None:
    fs = StoreFileSystem(backend=backend, root_path="root")
    store = longshore.Store(backend, "root")
    for size in (0, 10, 3_000_000):
        with fs.open("d/f", "wb") as file:
            file.write(b"x" * size)
        assert store.read_bytes("d/f") == b"x" * size
    with pytest.raises(LookupError), fs.open("d/f", "wb") as file:
        file.write(b"y" * 3_000_000)
        raise LookupError
    with fs.open("d/f") as file:
        file.seek(2_999_999)
        assert file.read(5) == b"x"
    assert fs.ls("d", detail=False) == ["d/f"] and fs.cat_file("d/f", end=2) == b"xx"
    fs.mv("d/f", "e/g")
    assert fs.find("") == ["e/g"]
    fs.rm("e", recursive=True)
    assert store.list_files(recursive=True).all() == []


def test_a_store_is_said_in_three_ways(folder: Path) -> None:
    backend = LocalBackend(folder, durability="none")
    options = {"durability": "none"}
    said = [
        StoreFileSystem(longshore.Store(backend, "root")),
        StoreFileSystem(backend=backend, root_path="root"),
        StoreFileSystem(f"file://{folder}/root", options=options),
    ]
    for place, fs in enumerate(said):
        fs.pipe_file(f"{place}", b"")
        again = pickle.loads(pickle.dumps(fs))
        assert again is not fs and len(again.find("")) == place + 1
    with pytest.raises(TypeError, match="which store"):
        StoreFileSystem()
    with pytest.raises(TypeError, match="of this process alone"):
        pickle.dumps(StoreFileSystem(backend=MemoryBackend()))
