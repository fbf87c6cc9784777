"""Longshore for what reads files through fsspec: pandas, pyarrow, duckdb, dask and others.

    pandas.read_csv("longshore://default/reports/q1.csv")  # LONGSHORE_URL, LONGSHORE_API_KEY
    pandas.read_csv("longshore-store://2024/q1.csv", storage_options={"store": "s3://reports"})

`longshore://<workspace>/<path>` is a file of a workspace (its name, or its id) on a server: `WorkspaceFileSystem`.
`longshore-store://<path>` is a file of a store, with no server: `StoreFileSystem`. Importing this needs fsspec, which
Longshore does not bring along; fsspec itself finds both by their protocols' names.
"""

from __future__ import annotations

from longshore.fsspec._store import StoreFileSystem
from longshore.fsspec._workspace import WorkspaceFileSystem

__all__ = ["StoreFileSystem", "WorkspaceFileSystem"]
