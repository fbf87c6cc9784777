"""Ask an API about each row of a CSV in the workspace: a queue, three workers, one JSON line a row.

    python enrich_queue.py /people.csv 'https://example.org/people/{email}' /people.jsonl

`longshore.aio.flow.enrich_csv` does this with local files, slows down where the API asks for it, and goes on after a
kill; this shows the parts.
"""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
from urllib.parse import quote

from longshore.aio import AsyncClient
from longshore.aio.flow import WorkQueue, fetch_bulk

WORKERS = 3


async def main(source: str, url_template: str, target: str) -> int:
    """Write the rows with the answers' fields; return how many failed."""
    lines: list[str] = []

    async def enrich(row: dict[str, str]) -> None:
        url = url_template.format_map({column: quote(value, safe="") for column, value in row.items()})
        # It tries again where that may help, and waits as long as the API asks.
        (answer,) = await fetch_bulk([url])
        if not answer.ok:
            raise answer.error or LookupError(f"the API answered {answer.status}")
        lines.append(json.dumps({**json.loads(answer.body), **row}))

    async with AsyncClient() as client:
        table = (await client.files.download(path=source)).decode()
        # The producer waits while a hundred rows wait for a worker.
        async with WorkQueue(enrich, workers=WORKERS, maxsize=100) as queue:
            for row in csv.DictReader(io.StringIO(table)):
                await queue.put(row)
        await client.files.upload(data="".join(f"{line}\n" for line in lines).encode(), destination=target)

    for failure in queue.failures:
        print(f"{failure.item}: {failure.error}", file=sys.stderr)
    print(f"{queue.done} rows are in {target}, {len(queue.failures)} failed")
    return len(queue.failures)


if __name__ == "__main__":
    sys.exit(min(1, asyncio.run(main(*sys.argv[1:4]))))
