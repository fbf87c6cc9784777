"""A client of files with aiohttp; it runs in the bench's virtual environment."""

import asyncio
import sys
from pathlib import Path

import aiohttp

PIECE = 1 << 20


async def main(direction: str, url: str, folder: Path, names: list[str]) -> None:
    """Move every file, 20 at once."""
    semaphore = asyncio.Semaphore(20)
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=20)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

        async def up(name: str) -> None:
            async with semaphore:
                with (folder / name).open("rb") as file:
                    async with session.put(f"{url}/{name}", data=file) as answer:
                        answer.raise_for_status()

        async def down(name: str) -> None:
            async with semaphore, session.get(f"{url}/{name}") as answer:
                answer.raise_for_status()
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as out:
                    async for piece in answer.content.iter_chunked(PIECE):
                        out.write(piece)

        move = up if direction == "up" else down
        await asyncio.gather(*(move(name) for name in names))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]).read_text().splitlines()))
