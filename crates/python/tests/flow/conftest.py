"""The loops that the tests of flow run on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from .loopback import Run

try:
    import uvloop
except ImportError:  # there is none for this system
    LOOPS = ["asyncio"]
else:
    LOOPS = ["asyncio", "uvloop"]


def count_descriptors() -> int:
    """Return how many files and sockets are open; 0 where the system does not tell. A loop's own pipes do not count."""
    count = 0
    for descriptor in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):  # that of the listing is gone already
            count += os.readlink(descriptor).startswith(("/", "socket:"))
    return count


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on each kind of loop, and fail if a task outlives it or the loop hears of a fault nobody saw."""

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        faults: list[dict[str, Any]] = []
        descriptors = count_descriptors()

        def hear(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            # A test's own server may be told that its client hung up.
            if "incoming connection" not in context["message"]:
                faults.append(context)

        async def main() -> Any:
            asyncio.get_running_loop().set_exception_handler(hear)
            result = await coroutine
            assert asyncio.all_tasks() == {asyncio.current_task()}, "tasks were left running"
            return result

        loop = asyncio.new_event_loop() if request.param == "asyncio" else uvloop.new_event_loop()
        try:
            result = loop.run_until_complete(main())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.run_until_complete(loop.shutdown_default_executor())
        finally:
            loop.close()
        assert faults == []
        # Those of connections close in the background.
        deadline = time.monotonic() + 10
        while count_descriptors() > descriptors and time.monotonic() < deadline:
            time.sleep(0.01)
        assert count_descriptors() <= descriptors, "files or sockets were left open"
        return result

    return run
