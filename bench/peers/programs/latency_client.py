"""GET many URLs at once, as the guides of two libraries do it: `latency_client.py LIBRARY URL COUNT`."""

import asyncio
import sys


async def with_aiohttp(url: str, count: int) -> None:
    """One session, all requests at once."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=count)) as session:

        async def get(number: int) -> None:
            async with session.get(f"{url}/{number}") as answer:
                answer.raise_for_status()
                await answer.read()

        await asyncio.gather(*(get(number) for number in range(count)))


async def with_httpx(url: str, count: int) -> None:
    """One client, all requests at once."""
    import httpx

    limits = httpx.Limits(max_connections=count)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:

        async def get(number: int) -> None:
            answer = await client.get(f"{url}/{number}")
            answer.raise_for_status()

        await asyncio.gather(*(get(number) for number in range(count)))


if __name__ == "__main__":
    run = {"aiohttp": with_aiohttp, "httpx": with_httpx}[sys.argv[1]]
    asyncio.run(run(sys.argv[2], int(sys.argv[3])))
