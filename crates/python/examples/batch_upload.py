"""Upload a folder, twenty files at once, and go on when some fail.

    python batch_upload.py FOLDER [/where/it/goes]

`client.files.upload_many` does the same with fewer requests; this is for who wants the tasks in hand.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from longshore.aio import AsyncClient


async def main(folder: Path, place: str) -> int:
    """Upload all files below a folder; return how many failed."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    turns = asyncio.Semaphore(20)

    async with AsyncClient() as client:

        async def upload(path: Path) -> str:
            async with turns:
                destination = f"{place}/{path.relative_to(folder).as_posix()}"
                return (await client.files.upload(path=path, destination=destination)).path

        results = await asyncio.gather(*map(upload, paths), return_exceptions=True)

    failed = [
        (path, result)
        for path, result in zip(paths, results, strict=True)
        if isinstance(result, BaseException)
    ]
    for path, error in failed:
        print(f"{path}: {error}", file=sys.stderr)
    print(f"{len(results) - len(failed)} of {len(results)} files are in {place}")
    return len(failed)


if __name__ == "__main__":
    sys.exit(min(1, asyncio.run(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "/uploads"))))
