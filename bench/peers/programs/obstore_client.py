"""A client of S3 with obstore; it runs in the bench's virtual environment."""

import asyncio
import os
import sys
from pathlib import Path

import obstore
from obstore.store import S3Store


async def main(direction: str, url: str, bucket: str, folder: Path, names: list[str]) -> None:
    """Move every file, 20 at once."""
    semaphore = asyncio.Semaphore(20)
    store = S3Store(
        bucket,
        endpoint=url,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )

    async def up(name: str) -> None:
        async with semaphore:
            await obstore.put_async(store, name, folder / name)

    async def down(name: str) -> None:
        async with semaphore:
            answer = await obstore.get_async(store, name)
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as out:
                async for piece in answer:
                    out.write(piece)

    move = up if direction == "up" else down
    await asyncio.gather(*(move(name) for name in names))


if __name__ == "__main__":
    direction, url, bucket, folder, listed = sys.argv[1:]
    asyncio.run(main(direction, url, bucket, Path(folder), Path(listed).read_text().splitlines()))
    # Its runtime's threads may abort the interpreter when that ends in its own way; all is done by now.
    os._exit(0)
