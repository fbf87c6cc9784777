"""Show a bar while a file goes up and comes down: in a terminal or a notebook with tqdm, a plain line without.

python progress_bar.py FILE /PATH LOCAL_COPY
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Any

from longshore.aio import AsyncClient, Progress

try:
    from tqdm.auto import tqdm
except ImportError:
    tqdm = None


class Line:
    """What tqdm does, in one line of text."""

    def __init__(self, desc: str, total: int) -> None:
        """Begin at nothing."""
        self.desc, self.total, self.n = desc, total, 0

    def update(self, count: int) -> None:
        """Move by so many bytes."""
        self.n += count
        share = self.n / self.total if self.total else 1
        print(f"\r{self.desc}: {share:4.0%} of {self.total:,} bytes", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        """End the line."""
        print(file=sys.stderr)


def bar(name: str) -> Callable[[Progress], None]:
    """Return what shows the progress of one transfer."""
    shown: Any = None

    def tell(progress: Progress) -> None:
        nonlocal shown
        if progress.event == "started" and shown is None:
            total = progress.count
            shown = tqdm(desc=name, total=total, unit="B", unit_scale=True) if tqdm else Line(name, total)
        elif progress.event in ("bytes", "reused"):
            shown.update(progress.count)
        elif progress.event == "retried":
            shown.update(-progress.count)
        elif progress.event in ("done", "failed"):
            shown.close()

    return tell


async def main(local: str, path: str, copy: str) -> None:
    """Upload a file, and download it again."""
    async with AsyncClient() as client:
        file = await client.files.upload(path=local, destination=path, progress=bar("up"))
        done = await client.files.download_to(file.id, copy, progress=bar("down"))
        print(f"{done.bytes} bytes went to {file.path} and back")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
