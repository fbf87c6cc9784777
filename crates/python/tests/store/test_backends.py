"""How storages are said; no secret is shown."""

from __future__ import annotations

import pickle
from datetime import timedelta
from pathlib import Path

import longshore
import pytest
from longshore import backends, exceptions
from longshore.backends import (
    AsyncAzureBackend,
    AzureBackend,
    Backend,
    GCSBackend,
    LocalBackend,
    MemoryBackend,
    S3Backend,
    SFTPBackend,
)

# Nothing listens there, and nothing is asked of it here.
NOWHERE = "http://127.0.0.1:1"


def secretive() -> list[Backend]:
    """Return a backend of each kind behind a network, with a secret."""
    return [
        S3Backend(
            "b",
            prefix="in/b",
            endpoint=NOWHERE,
            allow_http=True,
            access_key_id="id",
            secret_access_key="hunter2${X}",
            connect_timeout=1.5,
        ),
        AzureBackend(
            "c", account="a", account_key="aHVudGVyMg==", endpoint=NOWHERE, allow_http=True, attempts=1
        ),
        GCSBackend("b", anonymous=True, endpoint=NOWHERE, allow_http=True, part_size=8 << 20),
        SFTPBackend(
            "127.0.0.1",
            port=1,
            username="u@x",
            password="hunter2/${X}",
            root="in",
            accept_any_host_key=True,
            timeout=timedelta(seconds=3),
        ),
    ]


def test_a_secret_is_never_shown() -> None:
    for backend in secretive():
        store = longshore.Store(backend, "below")
        for text in (repr(backend), repr(store), str(backend)):
            assert "hunter2" not in text and "aHVud" not in text
        assert store.root_path == "below"
        assert store.supports(longshore.Capability.READ)
    url = longshore.Store.open(
        f"s3://b?endpoint={NOWHERE}&allow_http=true", secret_access_key="hunter2", access_key_id="i"
    )
    assert "hunter2" not in repr(url) and "hunter2" not in repr(url._backend)
    assert AsyncAzureBackend is AzureBackend


def test_what_an_option_breaks_is_told_at_once(folder: Path) -> None:
    for wrong in (
        S3Backend("b", unknown=1, secret_access_key="hunter2", access_key_id="i"),
        S3Backend("", endpoint=NOWHERE),
        LocalBackend(folder, durability="much"),
        MemoryBackend(timeout="soon"),
        backends.UrlBackend("nowhere://hunter2@x"),
    ):
        with pytest.raises(exceptions.InvalidInput) as raised:
            longshore.Store(wrong)
        assert "hunter2" not in str(raised.value)
    with pytest.raises(exceptions.NotFound):
        longshore.Store(LocalBackend(folder / "missing", create=False))
    with pytest.raises(TypeError, match="option timeout"):
        MemoryBackend(timeout=object())
    with pytest.raises(TypeError, match="backend is one of"):
        longshore.Store("memory:")  # type: ignore[arg-type]


def test_a_url_opens_a_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with longshore.Store.open(f"file://{folder}/store", durability="none") as store:
        store.write("a", b"1")
    assert (folder / "store" / "a").read_bytes() == b"1"
    monkeypatch.setenv("HOW", "none")
    with longshore.Store.open(f"file://{folder}/store/below", durability="${HOW}") as store:
        assert not store.supports(longshore.Capability.DURABLE)


def test_folders_of_any_name_are_opened(folder: Path) -> None:
    for name in ("with space", "a@b", "a%20b", "${HOME}", "ä#?", "~"):
        with longshore.Store(LocalBackend(folder / name, durability="none")) as store:
            store.write("f", b"")
        assert (folder / name / "f").exists()


def test_a_storage_that_is_away_is_told(folder: Path) -> None:
    backend = S3Backend("b", endpoint=NOWHERE, allow_http=True, anonymous=True, attempts=1)
    with longshore.Store(backend) as store, pytest.raises(exceptions.BackendUnavailable) as raised:
        store.read_bytes("f")
    assert raised.value.is_retryable and raised.value.backend == "s3"
    assert folder.exists()


def test_a_backend_goes_to_another_process(folder: Path) -> None:
    backend = LocalBackend(folder, durability="none")
    with longshore.Store(backend) as store:
        store.write("f", b"1")
    again = pickle.loads(pickle.dumps(backend))
    with longshore.Store(again) as store:
        assert store.read_bytes("f") == b"1"
    with pytest.raises(TypeError, match="of this process"):
        pickle.dumps(MemoryBackend())


def test_what_a_backend_lacks_is_told_before_it_is_asked() -> None:
    with longshore.Store(SFTPBackend("127.0.0.1", port=1, username="u", accept_any_host_key=True)) as store:
        with pytest.raises(exceptions.CapabilityNotSupported) as raised:
            store.write("f", b"", metadata={"k": "v"})
        assert (raised.value.capability, raised.value.path) == ("metadata", "f")
        assert raised.value.backend == "sftp" and not store.supports(longshore.Capability("metadata"))
