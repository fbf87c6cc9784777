"""The loops that the tests of flow run on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from .loopback import Run

try:
    import uvloop
except ImportError:  # there is none for this system
    LOOPS = ["asyncio"]
else:
    LOOPS = ["asyncio", "uvloop"]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Run:
    """Run a coroutine on each kind of loop, and fail if a task outlives it or the loop hears of a fault nobody saw."""

    def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
        faults: list[dict[str, Any]] = []

        async def main() -> Any:
            asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
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
        return result

    return run
