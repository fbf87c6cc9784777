"""One client of python_client.py: uploads files from memory, downloads them, prints what that took."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

AT_ONCE = 20
Work = Callable[[], Awaitable[Any]]


async def timed(work: Work) -> tuple[float, float]:
    """Return the wall time and the CPU time of some work."""
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await work()
    took, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def both(
    up: Callable[[int], Awaitable[Any]], down: Callable[[int], Awaitable[bytes]], blobs: list[bytes]
) -> Any:
    """Do each for every blob, with a semaphore."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def send(number: int) -> None:
        async with turns:
            await up(number)

    async def fetch(number: int) -> None:
        async with turns:
            assert await down(number) == blobs[number]

    numbers = range(len(blobs))
    return {
        "up": await timed(lambda: asyncio.gather(*map(send, numbers))),
        "down": await timed(lambda: asyncio.gather(*map(fetch, numbers))),
    }


async def longshore(url: str, key: str, blobs: list[bytes], folder: Path, many: bool) -> Any:
    """Move them with the package."""
    from longshore.aio import AsyncClient  # only this peer has it

    async with AsyncClient(key, url) as client:
        files = client.files
        if not many:
            nodes: dict[int, Any] = {}

            async def up(number: int) -> None:
                nodes[number] = await files.upload(data=blobs[number], destination=f"/bench/{number}")

            return await both(up, lambda number: files.download(nodes[number]), blobs)
        made: list[Any] = []

        async def up_many() -> None:
            items = [(blob, f"/bench/{number}") for number, blob in enumerate(blobs)]
            made.extend(outcome.unwrap() for outcome in await files.upload_many(items))

        async def down_many() -> None:
            for outcome in await files.download_many(
                [(node, folder / "target" / node.name) for node in made]
            ):
                outcome.unwrap()

        found = {"up": await timed(up_many), "down": await timed(down_many)}
        for number, blob in enumerate(blobs):
            assert (folder / "target" / str(number)).read_bytes() == blob
        return found


def routes(url: str, workspace: str, number: int) -> str:
    """Return where a file is."""
    return f"{url}/v1/workspaces/{workspace}/files/bench/{number}"


async def httpx(url: str, key: str, blobs: list[bytes]) -> Any:
    """Move them with httpx."""
    import httpx  # only this peer has it

    limits = httpx.Limits(max_connections=AT_ONCE)
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {key}"}, limits=limits) as client:
        workspace = (await client.get(f"{url}/v1/workspaces/current")).json()["id"]

        async def up(number: int) -> None:
            answer = await client.put(routes(url, workspace, number), content=blobs[number])
            answer.raise_for_status()

        async def down(number: int) -> bytes:
            answer = await client.get(routes(url, workspace, number), params={"content": "1"})
            content: bytes = answer.raise_for_status().content
            return content

        return await both(up, down, blobs)


async def aiohttp(url: str, key: str, blobs: list[bytes]) -> Any:
    """Move them with aiohttp."""
    import aiohttp  # only this peer has it

    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers, connector=connector, raise_for_status=True) as session:
        async with session.get(f"{url}/v1/workspaces/current") as answer:
            workspace = (await answer.json())["id"]

        async def up(number: int) -> None:
            async with session.put(routes(url, workspace, number), data=blobs[number]) as answer:
                await answer.read()

        async def down(number: int) -> bytes:
            async with session.get(routes(url, workspace, number), params={"content": "1"}) as answer:
                content: bytes = await answer.read()
                return content

        return await both(up, down, blobs)


def resident(name: str) -> int:
    """Return what the kernel says of this process's memory, in bytes: `VmRSS` or `VmHWM`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


async def growing(work: Work) -> tuple[float, float, int]:
    """Return the wall time and the CPU time of some work, and how much the memory grew meanwhile."""
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    wall, cpu = await timed(work)
    return wall, cpu, max(0, resident("VmHWM") - before)


async def huge(url: str, key: str, source: Path) -> Any:
    """Move one large file with the package: an open one up, a stream down."""
    from longshore.aio import AsyncClient  # as above

    size = source.stat().st_size
    async with AsyncClient(key, url) as client:
        await client.files.upload(data=b"x", destination="/bench/warm")
        made: list[Any] = []

        async def up() -> None:
            with source.open("rb") as file:
                made.append(await client.files.upload(file_stream=file, destination="/bench/huge"))

        async def down() -> None:
            found = 0
            async for chunk in client.files.stream(made[0].id):
                found += len(chunk)
            assert found == size, f"{found} bytes of {size}"

        return {"upload(file_stream=)": await growing(up), "stream(file_id)": await growing(down)}


async def main() -> None:
    """Run the client that is named."""
    name, url, key, source, folder = sys.argv[1:]
    if name == "huge":
        print(json.dumps(await huge(url, key, Path(source))))
        return
    blobs = [path.read_bytes() for path in sorted(Path(source).rglob("*.bin"))]
    if name.startswith("longshore"):
        found = await longshore(url, key, blobs, Path(folder), name.endswith("many"))
    else:
        found = await {"httpx": httpx, "aiohttp": aiohttp}[name](url, key, blobs)
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main())
