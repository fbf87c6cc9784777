"""Download a large file piece by piece, in constant memory, and hash it on the way.

    python stream_to_disk.py /PATH LOCAL_FILE

`client.files.download_to` does it faster, goes on where a connection breaks, and verifies the digest.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from pathlib import Path

from longshore.aio import AsyncClient


async def main(path: str, local: Path) -> None:
    """Write a file's content where it is wanted as it comes."""
    digest = hashlib.sha256()
    async with AsyncClient() as client:
        with local.open("wb") as file:
            async with client.files.stream(path=path) as content:
                async for chunk in content:
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
    print(f"{local.stat().st_size} bytes, sha256 {digest.hexdigest()}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
