"""How each storage library opens what a task names."""

from __future__ import annotations

from typing import Any

Task = dict[str, Any]


def longshore_backend(task: Task) -> Any:
    """Return the package's backend."""
    from longshore.backends import LocalBackend, MemoryBackend, S3Backend

    if task["kind"] == "memory":
        return MemoryBackend()
    if task["kind"] == "local":
        return LocalBackend(task["root"])
    return S3Backend(
        task["root"],
        endpoint=task["endpoint"],
        access_key_id=task["user"],
        secret_access_key=task["secret"],
        allow_http=True,
    )


def obstore_store(task: Task) -> Any:
    """Return obstore's store."""
    from obstore.store import LocalStore, MemoryStore, S3Store

    if task["kind"] == "memory":
        return MemoryStore()
    if task["kind"] == "local":
        return LocalStore(task["root"])
    return S3Store(
        task["root"],
        endpoint=task["endpoint"],
        region="us-east-1",
        access_key_id=task["user"],
        secret_access_key=task["secret"],
        unsigned_payload=True,
        client_options={"allow_http": True},
    )


def remote_store_backend(task: Task) -> Any:
    """Return remote-store's backend."""
    from remote_store.backends import LocalBackend, MemoryBackend, S3Backend

    if task["kind"] == "memory":
        return MemoryBackend()
    if task["kind"] == "local":
        return LocalBackend(task["root"])
    return S3Backend(task["root"], endpoint_url=task["endpoint"], key=task["user"], secret=task["secret"])
