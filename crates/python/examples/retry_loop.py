"""Upload a file with retries of one's own: what the server says about when to come back is kept.

python retry_loop.py FILE
"""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

from longshore import models
from longshore.aio import AsyncClient
from longshore.exceptions import NetworkError, RateLimitError

ATTEMPTS = 5


async def upload(client: AsyncClient, path: Path) -> models.Node:
    """Upload a file, trying again where that may help."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with path.open("rb") as file:
                return await client.files.upload(file_stream=file, filename=path.name)
        except RateLimitError as error:
            if attempt == ATTEMPTS:
                raise
            await asyncio.sleep(float(error.headers.get("Retry-After", "1")))
        except NetworkError:
            if attempt == ATTEMPTS:
                raise
            await asyncio.sleep(random.uniform(0, 0.5 * 2**attempt))
    raise AssertionError


async def main(path: Path) -> None:
    """Upload a file with a client that does not try again by itself."""
    async with AsyncClient(max_attempts=1) as client:
        print((await upload(client, path)).path)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
