"""Tables of a workspace with pandas: a CSV becomes a Parquet file, of which only what is asked for is read.

    python pandas_files.py WORKSPACE/PATH.csv WORKSPACE/PATH.parquet GROUP VALUE

It needs fsspec, pandas and pyarrow. Key and server come from LONGSHORE_API_KEY and LONGSHORE_URL, or are said with
`storage_options={"api_key": ..., "base_url": ...}`.
"""

from __future__ import annotations

import sys

import pandas


def main(source: str, target: str, group: str, value: str) -> None:
    """Convert a table, and sum one column by another."""
    pandas.read_csv(f"longshore://{source}").to_parquet(f"longshore://{target}")
    # Two columns of it come over the network, and no more.
    table = pandas.read_parquet(f"longshore://{target}", columns=[group, value])
    print(table.groupby(group)[value].sum().to_csv(lineterminator="\n"), end="")


if __name__ == "__main__":
    main(*sys.argv[1:5])
