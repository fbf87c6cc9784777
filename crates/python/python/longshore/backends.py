"""Where a store keeps its files. A backend is said once, and any number of stores may stand on it.

from longshore.aio import AsyncStore
from longshore.backends import S3Backend

backend = S3Backend("blobs", region="eu-west-1", access_key_id=..., secret_access_key=...)
async with AsyncStore(backend, root_path="reports") as store:
    ...

Every backend takes the further options of its kind by their names in docs/stores.md: durations are seconds or
`timedelta`, sizes bytes. What is not said comes from where each service's own tools have it: the environment, their
files, the machine.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from longshore._longshore import Store as Core

__all__ = [
    "AsyncAzureBackend",
    "AzureBackend",
    "Backend",
    "GCSBackend",
    "LocalBackend",
    "MemoryBackend",
    "S3Backend",
    "SFTPBackend",
    "UrlBackend",
]

_DURATIONS = ("timeout", "keepalive", "sweep_older_than")
_SECRETS = ("key", "secret", "token", "sas", "passphrase", "password", "credential", "credentials")


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, timedelta):
        value = value.total_seconds()
        return f"{round(value * 1000)}ms"
    if isinstance(value, (int, float)) and name.endswith(_DURATIONS):
        return f"{round(value * 1000)}ms"
    if isinstance(value, (str, int, os.PathLike)):
        return str(os.fspath(value)) if isinstance(value, os.PathLike) else str(value)
    message = f"the option {name} cannot be a {type(value).__name__}"
    raise TypeError(message)


def _given(options: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(name, value) for name, value in options.items() if value is not None}


def _literal(text: str) -> str:
    # What is said in Python stands for itself: no `${NAME}` of the environment.
    return text.replace("${", "$${")


def _part(text: str) -> str:
    return quote(_literal(text), safe="")


class Backend:
    """A storage, as it is said. It is opened by the first store on it, and shared by all of them."""

    #: The name that errors have.
    name = "backend"

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Take the URL and the options of a kind."""
        self._url, self._options = url, _given(options)
        self._core: Core | None = None
        self._opening = threading.Lock()

    def _open(self, *, in_loop: bool) -> Core:
        del in_loop  # Rust's are for both
        with self._opening:
            if self._core is None:
                self._core = Core(self._url, self._options, dict(os.environ))
            return self._core

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process opens it by, secrets too."""
        return {name: value for name, value in vars(self).items() if name not in ("_core", "_opening")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Be the same storage, not open yet."""
        vars(self).update(state, _core=None, _opening=threading.Lock())

    def _shown(self) -> str:
        return repr(self._url)

    def __repr__(self) -> str:
        """Return what it is, without secrets."""
        said = [self._shown()]
        for name, value in sorted(self._options.items()):
            is_secret = name.endswith(_SECRETS) or "@" in value
            said.append(f"{name}={'***' if is_secret else repr(value)}")
        return f"{type(self).__name__}({', '.join(said)})"


class UrlBackend(Backend):
    """The storage that a URL names, as docs/stores.md has them; `${NAME}` in options is of the environment."""

    def __init__(self, url: str, **options: Any) -> None:
        """Take a URL such as `s3://blobs/reports?region=eu-west-1`."""
        super().__init__(url, options)
        self.name = url.partition(":")[0].lower()

    def _shown(self) -> str:
        # A password may be in any part of it but the scheme.
        return repr(f"{self.name}:…")


class _Literal(Backend):
    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        super().__init__(url, {})
        self._options = {name: _literal(text) for name, text in _given(options).items()}


class MemoryBackend(_Literal):
    """Files in memory, gone with this object and the stores on it."""

    name = "memory"

    def __init__(self, **options: Any) -> None:
        """Begin with no file."""
        super().__init__("memory:", options)

    def __getstate__(self) -> dict[str, Any]:
        """Refuse: what is in memory goes to no other process."""
        message = "the files of a MemoryBackend are of this process alone"
        raise TypeError(message)


class LocalBackend(_Literal):
    """A folder of this machine. Symbolic links are never followed, and no path leads out of it."""

    name = "local"

    def __init__(
        self,
        root: str | os.PathLike[str],
        *,
        durability: str | None = None,
        create: bool | None = None,
        private: bool | None = None,
        **options: Any,
    ) -> None:
        """Take a folder.

        Args:
            root: the folder; a relative one is below the current folder of now.
            durability: what is flushed before a write is acknowledged: `full`, `file` or `none`.
            create: whether a missing folder is made (it is).
            private: whether one that is made is for its owner alone.
            options: further ones of docs/stores.md.
        """
        self.root = os.path.abspath(os.fspath(root))
        said = {"durability": durability, "create": create, "private": private, **options}
        super().__init__(f"file://{quote(self.root)}", said)

    def _shown(self) -> str:
        return repr(self.root)


class S3Backend(_Literal):
    """A bucket of Amazon S3, or of what speaks like it."""

    name = "s3"

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        endpoint: str | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        profile: str | None = None,
        anonymous: bool | None = None,
        allow_http: bool | None = None,
        **options: Any,
    ) -> None:
        """Take a bucket that is there, and the folder `prefix` of it."""
        self.bucket = bucket
        said = {
            "endpoint": endpoint,
            "region": region,
            "access_key_id": access_key_id,
            "secret_access_key": secret_access_key,
            "session_token": session_token,
            "profile": profile,
            "anonymous": anonymous,
            "allow_http": allow_http,
            **options,
        }
        super().__init__(f"s3://{quote(bucket, safe='')}/{quote(prefix)}", said)


class AzureBackend(_Literal):
    """A container of Azure Blob Storage, or a file system of Data Lake Storage Gen2."""

    name = "azure"

    def __init__(
        self,
        container: str,
        *,
        account: str | None = None,
        prefix: str = "",
        account_key: str | None = None,
        sas: str | None = None,
        tenant_id: str | None = None,
        client_id: str | None = None,
        client_secret: str | None = None,
        endpoint: str | None = None,
        dfs_endpoint: str | None = None,
        hierarchical: bool | None = None,
        allow_http: bool | None = None,
        **options: Any,
    ) -> None:
        """Take a container that is there, and the folder `prefix` of it.

        Whether the account has a hierarchical namespace is asked at the first use, unless `hierarchical` says it.
        """
        self.container = container
        said = {
            "account": account,
            "account_key": account_key,
            "sas": sas,
            "tenant_id": tenant_id,
            "client_id": client_id,
            "client_secret": client_secret,
            "endpoint": endpoint,
            "dfs_endpoint": dfs_endpoint,
            "hierarchical": hierarchical,
            "allow_http": allow_http,
            **options,
        }
        super().__init__(f"az://{quote(container, safe='')}/{quote(prefix)}", said)


AsyncAzureBackend = AzureBackend
"""The same: every backend is for loops and for threads."""


class GCSBackend(_Literal):
    """A bucket of Google Cloud Storage."""

    name = "gcs"

    def __init__(
        self,
        bucket: str,
        *,
        prefix: str = "",
        service_account_file: str | os.PathLike[str] | None = None,
        service_account_key: str | None = None,
        anonymous: bool | None = None,
        endpoint: str | None = None,
        allow_http: bool | None = None,
        **options: Any,
    ) -> None:
        """Take a bucket that is there, and the folder `prefix` of it."""
        self.bucket = bucket
        said = {
            "service_account_file": service_account_file,
            "service_account_key": service_account_key,
            "anonymous": anonymous,
            "endpoint": endpoint,
            "allow_http": allow_http,
            **options,
        }
        super().__init__(f"gs://{quote(bucket, safe='')}/{quote(prefix)}", said)


class SFTPBackend(_Literal):
    """A folder on a server with SSH."""

    name = "sftp"

    def __init__(
        self,
        host: str,
        *,
        port: int | None = None,
        username: str | None = None,
        password: str | None = None,
        root: str = "/~/",
        key_file: str | os.PathLike[str] | None = None,
        private_key: str | None = None,
        passphrase: str | None = None,
        known_hosts: str | os.PathLike[str] | None = None,
        fingerprint: str | None = None,
        accept_any_host_key: bool | None = None,
        **options: Any,
    ) -> None:
        """Take a server, and a folder there: an absolute path, or one below the login folder as `/~/folder`."""
        self.host = host
        said = {
            "key_file": key_file,
            "private_key": private_key,
            "passphrase": passphrase,
            "known_hosts": known_hosts,
            "fingerprint": fingerprint,
            "accept_any_host_key": accept_any_host_key,
            **options,
        }
        where = f"[{host}]" if ":" in host else quote(host, safe="")
        if port is not None:
            where += f":{port}"
        login = _part(username) if username is not None else ""
        if password is not None:
            login += f":{_part(password)}"
        folder = root if root.startswith("/") else f"/~/{root}"
        super().__init__(f"sftp://{login}{'@' if login else ''}{where}{quote(folder)}", said)
        self._place = f"sftp://{where}{folder}"

    def _shown(self) -> str:
        return repr(self._place)
