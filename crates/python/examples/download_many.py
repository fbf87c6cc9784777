"""Download all files of a folder of the workspace, many at once.

python download_many.py /FOLDER LOCAL_FOLDER
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path, PurePosixPath

from longshore.aio import AsyncClient


async def main(folder: str, local: Path) -> None:
    """Download a folder; a file that fails hurts no other."""
    async with AsyncClient() as client:
        files = [node async for node in client.files.list(folder, depth=None) if node.kind == "file"]
        wanted = [(node, local / PurePosixPath(node.path).relative_to(folder)) for node in files]
        done = failed = 0
        async for outcome in client.files.download_stream(wanted):
            if outcome.error:
                failed += 1
                print(f"{outcome.item[0].path}: {outcome.error}", file=sys.stderr)
            else:
                done += 1
        print(f"{done} files came, {failed} failed")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
