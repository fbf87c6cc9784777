"""Several agents add lines to one file: each takes the lock, reads, writes, and gives it back. No line is lost.

python shared_file.py /PATH [AGENTS]
"""

from __future__ import annotations

import asyncio
import sys

from longshore.aio import AsyncClient


async def agent(name: str, file_id: str) -> None:
    """Add a line, with a client of one's own, as an agent elsewhere would."""
    async with AsyncClient() as client, client.files.lock(file_id, wait=60, owner_label=name):
        content = await client.files.download(file_id)
        await client.files.upload_version(file_id, data=content + f"{name} was here\n".encode())


async def main(path: str, agents: int) -> None:
    """Let many agents write at once."""
    async with AsyncClient() as client:
        file = await client.files.upload(data=b"", destination=path)
        await asyncio.gather(*(agent(f"agent {number}", file.id) for number in range(agents)))
        lines = (await client.files.download(file.id)).decode().splitlines()
        print(f"{len(lines)} lines of {agents} agents")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5))
