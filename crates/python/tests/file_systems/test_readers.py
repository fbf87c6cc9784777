"""pandas, pyarrow and duckdb over both kinds of file systems."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from .conftest import Place

ROWS = {"day": list(range(10_000)), "ships": [number % 7 for number in range(10_000)]}


def test_pandas_reads_and_writes(place: Place) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    table = pandas.DataFrame(ROWS)
    table.to_csv(place.url("reports/may.csv"), index=False, storage_options=place.options)
    assert place.fs.cat(place.path("reports/may.csv")).startswith(b"day,ships\n0,0\n1,1\n")
    assert pandas.read_csv(place.url("reports/may.csv"), storage_options=place.options).equals(table)
    table.to_csv(place.url("may.csv.gz"), index=False, storage_options=place.options)
    assert pandas.read_csv(place.url("may.csv.gz"), storage_options=place.options).equals(table)
    table.to_parquet(place.url("may.parquet"), storage_options=place.options)
    again = pandas.read_parquet(place.url("may.parquet"), storage_options=place.options)
    assert again.equals(table)
    with place.fs.open(place.path("may.parquet")) as file:
        assert pandas.read_parquet(file, columns=["ships"]).equals(table[["ships"]])
    with pytest.raises(FileNotFoundError):
        pandas.read_csv(place.url("missing.csv"), storage_options=place.options)


def test_pyarrow_reads_and_writes(place: Place) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    for part in ("dataset", "fs", "parquet"):
        importlib.import_module(f"pyarrow.{part}")
    fs = pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(place.fs))
    table = pyarrow.table(ROWS)
    pyarrow.parquet.write_table(table, place.path("one.parquet"), filesystem=fs)
    assert pyarrow.parquet.read_table(place.path("one.parquet"), filesystem=fs).equals(table)
    pyarrow.dataset.write_dataset(
        table, place.path("parts"), filesystem=fs, format="parquet", partitioning=["ships"]
    )
    parts = pyarrow.dataset.dataset(place.path("parts"), filesystem=fs, partitioning=["ships"])
    assert parts.to_table(filter=pyarrow.dataset.field("ships") == 3).num_rows == 1429
    infos = fs.get_file_info(pyarrow.fs.FileSelector(place.path("parts"), recursive=True))
    assert sum(info.is_file for info in infos) == 7 == sum(not info.is_file for info in infos)
    (info, missing) = fs.get_file_info([place.path("one.parquet"), place.path("missing")])
    assert info.size == place.fs.size(place.path("one.parquet")) and info.mtime is not None
    assert missing.type == pyarrow.fs.FileType.NotFound
    fs.create_dir(place.path("new/folder"), recursive=True)
    fs.copy_file(place.path("one.parquet"), place.path("new/two.parquet"))
    fs.move(place.path("new/two.parquet"), place.path("three.parquet"))
    fs.delete_file(place.path("one.parquet"))
    fs.delete_dir(place.path("parts"))
    assert [path for path in place.fs.find(place.root) if "new/" not in path] == [place.path("three.parquet")]
    with pytest.raises(FileNotFoundError):
        fs.open_input_stream(place.path("missing"))


def test_duckdb_reads_and_writes(place: Place) -> None:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect() as connection:
        connection.register_filesystem(place.fs)

        def ask(question: str) -> Any:
            return connection.execute(question).fetchall()

        ask(
            f"copy (select range as day, range % 7 as ships from range(10000)) to '{place.url('a/1.parquet')}'"
        )
        ask(f"copy (select 1 as day, 100 as ships) to '{place.url('a/2.parquet')}' (format parquet)")
        assert ask(f"select sum(ships) from '{place.url('a/1.parquet')}'") == [(29994,)]
        assert ask(f"select sum(ships), count(*) from '{place.url('a/*.parquet')}'") == [(30094, 10001)]
        ask(f"copy (select 1 as day, 2 as ships) to '{place.url('b.csv')}' (header)")
        assert place.fs.cat(place.path("b.csv")) == b"day,ships\n1,2\n"
        assert ask(f"select * from read_csv('{place.url('b.csv')}')") == [(1, 2)]
        with pytest.raises(duckdb.Error, match="missing"):
            ask(f"select * from '{place.url('missing.parquet')}'")
