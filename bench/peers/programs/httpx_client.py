"""A client of files as the guides write it; it runs in the bench's virtual environment."""

import asyncio
import sys
from pathlib import Path

import aiofiles
import httpx


async def main(direction: str, url: str, folder: Path, names: list[str]) -> None:
    """Move every file, 20 at once."""
    semaphore = asyncio.Semaphore(20)
    async with httpx.AsyncClient(base_url=url, timeout=None) as client:

        async def up(name: str) -> None:
            async with semaphore:
                with (folder / name).open("rb") as file:
                    answer = await client.post(f"/files/{name}", files={"file": file})
                answer.raise_for_status()

        async def down(name: str) -> None:
            async with semaphore:
                answer = await client.get(f"/files/{name}")
                answer.raise_for_status()
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                async with aiofiles.open(target, "wb") as out:
                    await out.write(answer.content)

        move = up if direction == "up" else down
        await asyncio.gather(*(move(name) for name in names))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]).read_text().splitlines()))
