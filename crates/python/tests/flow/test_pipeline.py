"""Pipelines: steps, failures aside, progress, and going on from a checkpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from longshore.aio.flow import (
    AsyncStep,
    Checkpoint,
    CheckpointError,
    Done,
    Failure,
    Progress,
    run_pipeline,
    stream_pipeline,
)

from .loopback import Run, left_running, settle


async def parse(row: str) -> int:
    # The later of some are done first.
    for _ in range(-int(row) % 5 if row.isdigit() else 0):
        await asyncio.sleep(0)
    return int(row)


async def double(number: int) -> int:
    return number * 2


async def spread(number: int) -> AsyncIterator[int]:
    for part in range(number):
        yield part


def test_ten_thousand_items_in_the_order_of_the_source(run: Run) -> None:
    steps = [AsyncStep("parse", parse, concurrency=20), AsyncStep("double", double, concurrency=3)]
    result = run(run_pipeline(steps, (str(number) for number in range(10_000))))
    assert result.items == [number * 2 for number in range(10_000)]
    assert [
        (step.name, step.started, step.done, step.failed, step.in_flight) for step in result.progress.steps
    ] == [
        ("parse", 10_000, 10_000, 0, 0),
        ("double", 10_000, 10_000, 0, 0),
    ]


def test_failures_go_aside_with_their_item_and_step(run: Run) -> None:
    result = run(run_pipeline([parse, double], ["1", "zwei", "3"], key=lambda row: f"row {row}"))
    assert result.items == [2, 6]
    (failure,) = result.failures
    assert (failure.key, failure.item, failure.step) == ("row zwei", "zwei", "parse")
    assert isinstance(failure.error, ValueError)


def test_a_step_may_give_many_or_none(run: Run) -> None:
    result = run(run_pipeline([AsyncStep("spread", spread, 4), double], [3, 0, 2]))
    assert result.items == [0, 2, 4, 0, 2]


def test_a_step_that_fails_after_some_keeps_those(run: Run) -> None:
    async def broken(number: int) -> AsyncIterator[int]:
        yield number
        raise LookupError

    result = run(run_pipeline([broken], [1, 2]))
    assert result.items == [1, 2]
    assert [(failure.item, failure.step) for failure in result.failures] == [(1, "broken"), (2, "broken")]


def test_each_step_keeps_to_its_concurrency_and_slows_the_source(run: Run) -> None:
    async def main() -> None:
        gate = asyncio.Event()
        read = now = most = 0

        def source() -> Iterator[int]:
            nonlocal read
            for number in range(1000):
                read += 1
                yield number

        async def slow(number: int) -> int:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await gate.wait()
            now -= 1
            return number

        task = asyncio.create_task(run_pipeline([double, AsyncStep("slow", slow, 3, buffer=2)], source()))
        await settle()
        assert read < 12
        gate.set()
        assert len((await task).items) == 1000
        assert most == 3

    run(main())


def test_cancelling_leaves_no_task(run: Run) -> None:
    async def main() -> None:
        async def hang(_: int) -> None:
            await asyncio.Event().wait()

        async def source() -> AsyncIterator[int]:
            try:
                for number in range(1000):
                    yield number
            finally:
                closed.append(True)

        closed: list[bool] = []
        task = asyncio.create_task(run_pipeline([double, AsyncStep("hang", hang, 10)], source()))
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left_running() == 0
        assert closed == [True]

    run(main())


def test_a_stream_that_is_left_leaves_no_task(run: Run) -> None:
    async def main() -> None:
        async with stream_pipeline([AsyncStep("double", double, 4)], range(1000)) as outcomes:
            async for outcome in outcomes:
                assert isinstance(outcome, Done)
                break
        assert left_running() == 0
        assert outcomes.progress.read < 30

    run(main())


def test_a_stream_that_nobody_keeps_leaves_no_task(run: Run) -> None:
    async def main() -> None:
        async for _ in stream_pipeline(
            [AsyncStep("double", double, 4), AsyncStep("again", double, 2)], range(1000)
        ):
            break
        await settle()
        assert left_running() == 0

    run(main())


def test_sizes_that_are_none_are_refused() -> None:
    for step in (AsyncStep("double", double, 0), AsyncStep("double", double, 1, buffer=0)):
        with pytest.raises(ValueError, match="must be 1"):
            stream_pipeline([step], [])


def test_a_source_that_raises_ends_the_run_after_what_it_gave(run: Run) -> None:
    def source() -> Iterator[str]:
        yield from "123"
        raise ZeroDivisionError

    found: list[object] = []

    async def main() -> None:
        async for outcome in stream_pipeline([AsyncStep("parse", parse, 2)], source()):
            assert isinstance(outcome, Done)
            found.append(outcome.item)

    with pytest.raises(ZeroDivisionError):
        run(main())
    assert sorted(map(str, found)) == ["1", "2", "3"]


def test_a_step_that_cancels_itself_is_a_failure(run: Run) -> None:
    async def cancels(number: int) -> int:
        if number == 1:
            raise asyncio.CancelledError
        return number

    result = run(run_pipeline([cancels, double], range(3)))
    assert result.items == [0, 4]
    assert [(failure.item, type(failure.error)) for failure in result.failures] == [
        (1, asyncio.CancelledError)
    ]


def test_an_exception_in_the_progress_callback_ends_the_run(run: Run) -> None:
    async def main() -> None:
        def watch(progress: Progress) -> None:
            if progress.steps[0].done > 2:
                raise LookupError("the bar broke")

        with pytest.raises(LookupError, match="bar"):
            await run_pipeline([double], range(100), on_progress=watch)
        assert left_running() == 0

    run(main())


def test_no_steps_hand_the_items_out(run: Run) -> None:
    assert run(run_pipeline([], range(3))).items == [0, 1, 2]


def test_a_second_run_does_only_what_is_left(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "numbers.jsonl"
    tried: list[str] = []
    broken = {"2"}

    async def step(row: str) -> int:
        tried.append(row)
        return int("zwei" if row in broken else row)

    for items, skipped in (([0, 1, 3, 4], 0), ([2], 4)):
        tried.clear()
        result = run(run_pipeline([step], map(str, range(5)), name="numbers", checkpoint=file))
        assert result.items == items
        assert result.progress.skipped == skipped
        broken.clear()
    assert tried == ["2"]
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0] == {"longshore_pipeline": 1, "name": "numbers"}
    assert sorted(line["key"] for line in lines[1:]) == ["0", "1", "2", "3", "4"]


def test_an_item_of_many_is_done_when_all_of_them_are(run: Run, tmp_path: Path) -> None:
    async def odd(number: int) -> int:
        if number == 1:
            raise LookupError
        return number

    steps, file = [spread, odd], tmp_path / "c"
    run(run_pipeline(steps, [1, 2, 0], key=str, checkpoint=file))
    again = run(run_pipeline(steps, [1, 2, 0], key=str, checkpoint=file))
    assert (again.progress.skipped, again.items) == (2, [0])  # only the 2 had one that failed


def test_what_was_handed_out_last_counts_when_the_next_is_asked_for(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "c"

    async def main(count: int) -> list[str]:
        keys = []
        async with stream_pipeline([double], range(5), checkpoint=Checkpoint(file, items=1)) as outcomes:
            async for outcome in outcomes:
                keys.append(outcome.key)
                if len(keys) == count:
                    break
        return keys

    assert run(main(3)) == ["0", "1", "2"]
    assert run(main(9)) == ["2", "3", "4"]


def test_a_torn_checkpoint_goes_on_from_its_last_whole_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "c"
    run(run_pipeline([double], range(3), checkpoint=file))
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"key":"3')
    result = run(run_pipeline([double], range(5), checkpoint=file))
    assert result.items == [6, 8]
    assert file.read_bytes() == whole + b'{"key":"3"}\n{"key":"4"}\n'
    file.write_bytes(whole[:10])  # torn within the first line
    assert run(run_pipeline([double], range(3), checkpoint=file)).progress.skipped == 0
    assert file.read_bytes() == whole


@pytest.mark.parametrize("content", [b'{"longshore_pipeline":1,"name":"other"}\n', b"diary\n", b"no end"])
def test_a_file_of_something_else_is_refused_and_left(run: Run, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "c"
    file.write_bytes(content)
    with pytest.raises(CheckpointError):
        run(run_pipeline([double], range(3), checkpoint=file))
    assert file.read_bytes() == content


def test_two_runs_do_not_use_one_checkpoint_at_once(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        async with stream_pipeline([double], range(9), checkpoint=tmp_path / "c") as first:
            await first.__anext__()
            with pytest.raises(CheckpointError, match="in use"):
                await run_pipeline([double], range(9), checkpoint=tmp_path / "c")
        again = await run_pipeline([double], range(9), checkpoint=tmp_path / "c")
        assert len(again.items) == 9

    run(main())


def test_keys_are_written_in_groups_or_after_a_pause(run: Run, tmp_path: Path) -> None:
    now = 0.0
    file = tmp_path / "c"

    async def main() -> list[int]:
        nonlocal now
        counts = []
        checkpoint = Checkpoint(file, items=3, pause=10, clock=lambda: now)
        await checkpoint.open("p")
        for key in "abcde":
            if key == "e":
                now = 11.0
            await checkpoint.add(key)
            counts.append(file.read_bytes().count(b"key"))
        await checkpoint.add("f")
        await checkpoint.close()
        counts.append(file.read_bytes().count(b"key"))
        return counts

    assert run(main()) == [0, 0, 3, 3, 5, 6]


def test_outcomes_of_the_stream_tell_which_is_which(run: Run) -> None:
    async def main() -> list[Done | Failure]:
        return [outcome async for outcome in stream_pipeline([parse], ["1", "x"])]

    done, failure = run(main())
    assert done == Done("0", 1)
    assert isinstance(failure, Failure)
