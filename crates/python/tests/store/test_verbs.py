"""Every verb, in a loop and in a thread."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import longshore
import pytest
from conftest import Run
from longshore import Capability, CapabilitySet, ContentDigest, FileInfo, FolderEntry, exceptions
from longshore.aio.ext.write import write_with_hash
from longshore.backends import Backend, LocalBackend, MemoryBackend
from longshore.ext.write import write_with_hash as write_with_hash_here

from store.attic import Attic, BlockingAttic
from store.conftest import Opened

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_is_written_and_read(backend: Backend, run: Run, opened: Opened) -> None:
    async def main() -> None:
        async with opened(backend) as store:
            result = await store.write(
                "a/b.txt", b"hello", metadata={"author": "eve"}, media_type="text/plain"
            )
            assert (result.path, result.size, result.source) == ("a/b.txt", 5, "native")
            assert result.metadata == {"author": "eve"}
            assert await store.read_bytes("a/b.txt") == b"hello"
            assert await store.read_bytes("a/b.txt", start=1, end=3) == b"el"
            assert await store.read_bytes("a/b.txt", start=-2) == b"lo"
            assert await store.read_bytes("a/b.txt", start=3) == b"lo"
            assert await store.read_bytes("a/b.txt", start=9) == b""
            assert [chunk async for chunk in store.read("a/b.txt")] == [b"hello"]
            assert await store.read("a/b.txt", end=2).read() == b"he"
            assert await store.read_text("a/b.txt") == "hello"
            assert (await store.head("a/b.txt")).etag == result.etag
            info = await store.get_file_info("a/b.txt")
            assert (info.path, info.name, info.size, info.content_type) == (
                "a/b.txt",
                "b.txt",
                5,
                "text/plain",
            )
            assert info.metadata == {"author": "eve"} and info.etag == result.etag
            assert info.modified_at is not None and info.modified_at.tzinfo is timezone.utc
            assert abs(datetime.now(timezone.utc) - info.modified_at) < timedelta(hours=1)

    run(main)


def test_a_standing_file_is_replaced_only_when_asked(backend: Backend, run: Run, opened: Opened) -> None:
    async def main() -> None:
        async with opened(backend) as store:
            await store.write("f", b"old")
            with pytest.raises(exceptions.AlreadyExists, match="already exists") as raised:
                await store.write("f", b"new")
            assert isinstance(raised.value, (FileExistsError, exceptions.AlreadyExistsError))
            assert await store.read_bytes("f") == b"old"
            old = (await store.head("f")).etag
            await store.write("f", b"newer", overwrite=True)
            with pytest.raises(exceptions.PreconditionFailed):
                await store.read_bytes("f", if_match=old)
            await store.write_text("f", "ä", overwrite=True, encoding="latin-1")
            assert await store.read_text("f", encoding="latin-1") == "ä"
            with pytest.raises(UnicodeDecodeError):
                await store.read_text("f")
            assert (await store.write_atomic("f", b"", overwrite=True)).size == 0
            assert [chunk async for chunk in store.read("f")] == []

    run(main)


def test_of_many_writers_one_wins(backend: Backend, run: Run, opened: Opened) -> None:
    async def main() -> None:
        async with opened(backend) as store:
            writes = (store.write("f", str(number).encode()) for number in range(50))
            ended = await asyncio.gather(*writes, return_exceptions=True)
            lost = [one for one in ended if isinstance(one, exceptions.AlreadyExists)]
            assert len(lost) == 49
            winner = next(place for place, one in enumerate(ended) if not isinstance(one, Exception))
            assert await store.read_bytes("f") == str(winner).encode()

    run(main)


def test_content_comes_from_anything_that_gives_bytes(
    backend: Backend, run: Run, opened: Opened, folder: Path
) -> None:
    data = bytes(range(256)) * 10_000
    (folder / "source").write_bytes(b"skipped" + data)

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 100_000):
            await asyncio.sleep(0)
            yield data[start : start + 100_000]

    def pieces_here() -> Iterator[bytes]:
        yield data[:10]
        yield b""
        yield data[10:]

    async def main() -> None:
        async with opened(backend) as store:
            with (folder / "source").open("rb") as file:
                file.seek(7)
                sources: list[Any] = [
                    data,
                    bytearray(data),
                    memoryview(data),
                    io.BytesIO(data),
                    pieces(),
                    pieces_here(),
                    file,
                ]
                for place, source in enumerate(sources):
                    assert (await store.write(f"f{place}", source)).size == len(data)
                    assert await store.read_bytes(f"f{place}") == data
                    assert await store.read(f"f{place}").read() == data
                assert file.read() == b""
            of_its_kind = getattr(store, "here", store)
            await store.write("again", of_its_kind.read("f0"))
            assert await store.read_bytes("again") == data
            wrongs: Any = ["text", 5, None, [1, 2], ["text"], folder, io.StringIO("text")]
            for wrong in wrongs:
                with pytest.raises(TypeError, match="bytes|text"):
                    await store.write("wrong", wrong)
            assert not await store.exists("wrong")

    run(main)


def test_files_and_folders_are_listed(backend: Backend, run: Run, opened: Opened) -> None:
    async def main() -> None:
        async with opened(backend) as store:
            for path in ("a.csv", "b.txt", "d/c.csv", "d/e/f.csv", "d/e/g/h.txt"):
                await store.write(path, path.encode())
            assert await paths(store.list_files()) == ["a.csv", "b.txt"]
            assert await paths(store.list_files("", recursive=True, pattern="*.csv")) == [
                "a.csv",
                "d/c.csv",
                "d/e/f.csv",
            ]
            assert await paths(store.list_files("d", max_depth=1, recursive=True)) == ["d/c.csv", "d/e/f.csv"]
            assert await paths(store.list_files("missing")) == []
            assert await paths(store.list_folders("")) == ["d"]
            assert await paths(store.list_folders("", recursive=True)) == ["d", "d/e", "d/e/g"]
            assert await paths(store.list_folders("", max_depth=1, pattern="e")) == ["d/e"]
            assert await paths(store.glob("d/**/*.txt")) == ["d/e/g/h.txt"]
            assert await paths(store.glob("*/c.*")) == ["d/c.csv"]
            children = {entry.path: entry async for entry in store.iter_children("d")}
            assert children["d/e"] == FolderEntry("d/e", "e")
            assert isinstance(children["d/c.csv"], FileInfo) and children["d/c.csv"].size == 7
            whole = await store.get_folder_info("d")
            assert (whole.path, whole.name, whole.file_count, whole.total_size) == ("d", "d", 3, 27)
            assert (await store.get_folder_info("d", max_depth=0)).file_count == 1
            with pytest.raises(ValueError, match="max_depth"):
                store.list_files("", max_depth=-1)
            with pytest.raises(exceptions.InvalidInput, match="pattern"):
                store.list_files("", pattern="[")
            with pytest.raises(exceptions.InvalidPath):
                store.list_files("../out")
            with pytest.raises(exceptions.NotFound):
                await store.get_folder_info("missing")

    run(main)


async def paths(listing: AsyncIterator[FileInfo] | AsyncIterator[FolderEntry]) -> list[str]:
    """Return the paths of a listing, in order."""
    return sorted([entry.path async for entry in listing])


def test_files_are_looked_at_moved_copied_and_deleted(backend: Backend, run: Run, opened: Opened) -> None:
    async def main() -> None:
        async with opened(backend) as store:
            await store.write("d/f", b"1")
            looks = [await look("d/f") for look in (store.exists, store.is_file, store.is_folder)]
            assert looks == [True, True, False]
            looks = [await look("d") for look in (store.exists, store.is_file, store.is_folder)]
            assert looks == [True, False, True]
            looks = [await look("d/f/below") for look in (store.exists, store.is_file, store.is_folder)]
            assert looks == [False, False, False]
            assert await store.is_folder("") and await store.exists("/")
            await store.copy("d/f", "copy")
            await store.move("copy", "moved")
            assert not await store.exists("copy") and await store.read_bytes("moved") == b"1"
            for verb in (store.copy, store.move):
                with pytest.raises(exceptions.AlreadyExists) as taken:
                    await verb("moved", "d/f")
                assert taken.value.path == "d/f"
                with pytest.raises(exceptions.NotFound) as missing:
                    await verb("missing", "d/f")
                assert missing.value.path == "missing"
                with pytest.raises(exceptions.InvalidPath):
                    await verb("moved", "d")
                await verb("moved", "./moved")
            await store.move("moved", "d/f", overwrite=True)
            with pytest.raises(exceptions.DirectoryNotEmpty) as full:
                await store.delete_folder("d")
            assert isinstance(full.value, OSError) and full.value.errno == 39
            with pytest.raises(exceptions.InvalidPath):
                await store.delete("d")
            await store.delete("d/f")
            with pytest.raises(FileNotFoundError):
                await store.delete("d/f")
            await store.delete("d/f", missing_ok=True)
            await store.write("d/g", b"")
            await store.delete_folder("d", recursive=True)
            await store.delete_folder("d", missing_ok=True)
            with pytest.raises(exceptions.NotFoundError):
                await store.delete_folder("d", recursive=True)

    run(main)


@pytest.mark.parametrize("path", ["../a", "a/../b", "a\0b", "", ".", "/", "./."])
def test_paths_that_name_no_file_are_refused(backend: Backend, run: Run, opened: Opened, path: str) -> None:
    async def main() -> None:
        async with opened(backend) as store:
            await store.write("f", b"")
            with pytest.raises(exceptions.InvalidPath, match="path") as eager:
                store.read(path)
            assert isinstance(eager.value, ValueError) and eager.value.path == path
            for refused in (
                store.read_bytes(path),
                store.write(path, b"", overwrite=True),
                store.write_atomic(path, b""),
                store.delete(path, missing_ok=True),
                store.delete_folder(path, recursive=True),
                store.get_file_info(path),
                store.move("f", path, overwrite=True),
                store.copy(path, "g"),
            ):
                with pytest.raises(exceptions.InvalidPath):
                    await refused

    run(main)


def test_spellings_of_one_path_are_one(backend: Backend, run: Run, opened: Opened) -> None:
    async def main() -> None:
        async with opened(backend) as store:
            assert (await store.write("/a//./b\\c/", b"x")).path == "a/b/c"
            assert await store.read_bytes("a/b/c") == b"x"
            with pytest.raises(exceptions.InvalidPath):
                await store.write("a/b/c/below", b"")
            with pytest.raises(TypeError):
                await store.read_bytes(5)

    run(main)


def test_metadata_is_short_and_plain(backend: Backend, run: Run, opened: Opened) -> None:
    async def main() -> None:
        async with opened(backend) as store:
            for wrong in ({"Key": "v"}, {"k": "ä"}, {"k": "x" * 3000}):
                with pytest.raises(ValueError, match="metadata|no key|ASCII") as raised:
                    await store.write("f", b"", metadata=wrong)
                assert isinstance(raised.value, exceptions.InvalidInput) and raised.value.path == "f"
            assert not await store.exists("f")

    run(main)


def test_an_error_tells_path_and_backend(run: Run, opened: Opened) -> None:
    async def main() -> None:
        async with opened(MemoryBackend(), "root") as store:
            with pytest.raises(exceptions.NotFoundError) as raised:
                await store.read_bytes("a/b")
            error = raised.value
            assert isinstance(error, exceptions.NotFound) and isinstance(error, FileNotFoundError)
            assert isinstance(error, exceptions.StoreError) and (error.errno, error.filename) == (2, "a/b")
            assert (error.path, error.backend) == ("a/b", "memory")
            assert str(error) == "not found | path='a/b' | backend='memory'"

    run(main)


def test_a_child_is_a_folder_of_its_store(backend: Backend, run: Run, opened: Opened) -> None:
    async def main() -> None:
        async with opened(backend, root_path="reports") as store:
            async with store.child("2024/q1") as child:
                await child.write("f", b"1")
                assert repr(child).endswith("root_path='reports/2024/q1')")
            assert await store.read_bytes("2024/q1/f") == b"1"
            assert await child.read_bytes("f") == b"1"
            assert child == store.child("2024").child("q1") == opened(backend, "/reports/2024/q1/")
            assert hash(child) == hash(store.child("2024/q1")) and child != store and child != "child"
            with pytest.raises(exceptions.InvalidPath):
                store.child("../out")
            with pytest.raises(exceptions.InvalidPath):
                opened(backend, "..")
            if isinstance(backend, LocalBackend):
                native = child.native_path("f")
                assert native == f"{backend.root}/reports/2024/q1/f" and child.to_key(native) == "f"
                with pytest.raises(ValueError, match="does not lie"):
                    child.to_key("/elsewhere")
        with pytest.raises(exceptions.ClosedError):
            await child.read_bytes("f")

    run(main)


def test_a_closed_store_says_so(backend: Backend, run: Run, opened: Opened) -> None:
    async def main() -> None:
        store = opened(backend)
        async with store, opened(backend) as other:
            await store.write("f", b"")
            await store.aclose()
            await store.aclose()
            with pytest.raises(exceptions.ClosedError, match="store is closed"):
                await store.read_bytes("f")
            for eager in (store.read, store.list_files, store.glob, store.child):
                with pytest.raises(exceptions.ClosedError):
                    eager("f")
            assert await other.read_bytes("f") == b""

    run(main)


def test_a_store_tells_what_it_can_do(backend: Backend, run: Run, opened: Opened) -> None:
    async def main() -> None:
        async with opened(backend) as store:
            await store.ping()
            known = store.capabilities
            assert isinstance(known, CapabilitySet) and store.supports(Capability.ATOMIC_WRITE)
            assert Capability.GLOB in known and Capability.USER_METADATA in known
            assert not store.supports(Capability.DURABLE)
            with pytest.raises(exceptions.CapabilityNotSupported) as raised:
                known.require(Capability.DURABLE)
            assert raised.value.capability == "durable"

    run(main)


def test_a_digest_comes_with_a_write(backend: Backend, run: Run, opened: Opened) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a", b"b", b"c"):
            yield piece

    async def main() -> None:
        async with opened(backend) as store:
            assert (await write_with_hash(store, "f", b"abc")).digest == ContentDigest("SHA256", ABC.upper())
            assert str((await write_with_hash(store, "g", pieces())).digest) == f"sha256:{ABC}"
            with pytest.raises(ValueError, match="crc32"):
                await write_with_hash(store, "h", b"", algorithm="crc32")

    run(main)
    with longshore.Store(MemoryBackend()) as store:
        assert str(write_with_hash_here(store, "f", io.BytesIO(b"abc")).digest) == f"sha256:{ABC}"
    with pytest.raises(ValueError, match="no digest"):
        ContentDigest("sha256", "xyz")


def test_a_thread_has_the_same_verbs(backend: Backend) -> None:
    with longshore.Store(backend, "d") as store:
        assert store.write("f", iter([b"he", b"llo"]), metadata={"k": "v"}).metadata == {"k": "v"}
        assert store.read_text("f") == "hello" and b"".join(store.read("f")) == b"hello"
        assert [info.path for info in store.list_files()] == ["f"]
        assert store.get_file_info("f").size == 5 and store.child("x") == longshore.Store(backend, "d/x")
        store.move("f", "g")
        with pytest.raises(FileNotFoundError):
            store.read_bytes("f")
        with pytest.raises(TypeError, match="aio"):
            store.write("h", nothing())
        assert [entry.name for entry in store.iter_children()] == ["g"]
        store.delete("g")
    with pytest.raises(exceptions.ClosedError):
        store.exists("g")


def test_what_a_backend_raises_is_an_error_of_the_store(run: Run, opened: Opened) -> None:
    class Broken(Attic):
        async def stat(self, path: str) -> FileInfo | FolderEntry:
            raise ConnectionResetError(104, f"reset at {path}")

    class BrokenToo(BlockingAttic):
        def stat(self, path: str) -> FileInfo | FolderEntry:
            raise ConnectionResetError(104, f"reset at {path}")

    async def main() -> None:
        for backend in (Broken(), BrokenToo()):
            async with opened(backend) as store:
                with pytest.raises(exceptions.BackendUnavailable, match="reset") as raised:
                    await store.exists("a")
                assert (raised.value.path, raised.value.backend) == ("a", "attic")
                assert isinstance(raised.value.__cause__, ConnectionResetError)

    run(main)


async def nothing() -> AsyncIterator[bytes]:
    """Give nothing."""
    for _ in range(0):
        yield b""
