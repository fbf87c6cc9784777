"""Rows through an API: what is asked, what is written, and going on after a kill."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from longshore.aio.flow import Backoff, EnrichError, EnrichSummary, enrich_csv

from .loopback import FakeTime, LazyTime, Run, left_running, reply, serve, settle

PEOPLE = "id,name\n1,Ada\n2,Zoë & Co/?\n3,Grace\n"
NO_PAUSE = Backoff(base=0)


class Api:
    """An API that a test hands to `enrich_csv` in the place of HTTP."""

    def __init__(self, **answers: tuple[int, dict[str, str], bytes]) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answers = answers

    async def fetch(self, url: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        await asyncio.sleep(0)
        self.asked.append(url)
        self.headers.append(dict(headers))
        key = url.rpartition("/")[2]
        return self.answers.get(f"_{key}", (200, {}, json.dumps({"score": len(key)}).encode()))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE, encoding="utf-8")
    return path


def test_each_row_is_a_line_with_its_columns_and_the_answers_fields(
    run: Run, people: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"

    async def main() -> EnrichSummary:
        def answer(target: str, _headers: dict[str, str]) -> bytes:
            return reply(json.dumps({"score": 0.5, "target": target}))

        async with serve(answer) as server:
            summary = await enrich_csv(people, server.url("/v1/{id}?who={name}"), output, token="t0ken")
            assert [headers["authorization"] for _, headers in server.requests] == ["Bearer t0ken"] * 3
        return summary

    summary = run(main())
    assert (summary.rows, summary.done, summary.failed, summary.skipped) == (3, 3, 0, 0)
    assert sorted(lines(output), key=lambda line: str(line["id"])) == [
        {"id": "1", "name": "Ada", "score": 0.5, "target": "/v1/1?who=Ada"},
        {"id": "2", "name": "Zoë & Co/?", "score": 0.5, "target": "/v1/2?who=Zo%C3%AB%20%26%20Co%2F%3F"},
        {"id": "3", "name": "Grace", "score": 0.5, "target": "/v1/3?who=Grace"},
    ]
    assert summary.failures == tmp_path / "out.jsonl.failures.jsonl"
    assert summary.failures.read_text() == ""


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b'{"name": "other", "score": 1}', {"answer.name": "other", "score": 1}),
        (b'{"name": 1, "answer.name": 2}', {"answer.name": 2, "answer.answer.name": 1}),
        (b"[1, 2]", {"answer": [1, 2]}),
        (b"just text", {"answer": "just text"}),
        (b"", {"answer": None}),
        (b"NaN", {"answer": "NaN"}),
        (b"[" * 100_000, {"answer": "[" * 100_000}),
        ('"a\u2028b\x85c"'.encode(), {"answer": "a\u2028b\x85c"}),
        (b'"\\ud800"', {"answer": "\ud800"}),
    ],
)
def test_no_answer_changes_a_column(run: Run, tmp_path: Path, body: bytes, fields: dict[str, Any]) -> None:
    output, api = tmp_path / "out.jsonl", Api(_1=(200, {}, body))
    run(enrich_csv(["id,name", "1,Ada"], "http://x/{id}", output, fetch=api.fetch))
    assert lines(output) == [{"id": "1", "name": "Ada", **fields}]


def test_an_answer_does_not_take_the_place_of_a_column_that_is_called_answer(
    run: Run, tmp_path: Path
) -> None:
    output, api = tmp_path / "out.jsonl", Api(_1=(200, {}, b"text"))
    run(enrich_csv(["id,answer", "1,mine"], "http://x/{id}", output, fetch=api.fetch))
    assert lines(output) == [{"id": "1", "answer": "mine", "answer.answer": "text"}]


def test_a_busy_server_is_met_after_the_pause_it_names(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        time = FakeTime()
        answers = [reply(status=429, Retry_After="30"), reply("{}"), reply("{}")]
        moments: list[float] = []

        def answer(_target: str, _headers: dict[str, str]) -> bytes:
            moments.append(time.now)
            return answers.pop(0)

        async with serve(answer) as server:
            summary = await enrich_csv(
                io.StringIO("id\n1\n2\n"),
                server.url("/{id}"),
                tmp_path / "out.jsonl",
                workers=1,
                backoff=NO_PAUSE,
                clock=time.clock,
                sleep=time.sleep,
            )
        assert summary.done == 2
        assert moments == [0, 30, 30]

    run(main())


def test_a_pause_that_one_row_is_told_is_kept_by_all(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        time = LazyTime()
        moments: dict[str, list[float]] = {}
        under_way = asyncio.Event()

        async def fetch(url: str, _headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
            moments.setdefault(url[-1], []).append(time.now)
            if url.endswith("2"):
                under_way.set()
            await under_way.wait()
            is_first = url.endswith("1") and len(moments["1"]) == 1
            return (503, {"Retry-After": "60"}, b"") if is_first else (200, {}, b"{}")

        rows = ["id", *map(str, range(1, 7))]
        out = tmp_path / "out.jsonl"
        await enrich_csv(
            rows, "http://x/{id}", out, 4, fetch=fetch, clock=time.clock, sleep=time.sleep, backoff=NO_PAUSE
        )
        assert moments["1"] == [0, 60]
        assert moments["2"] == [0]  # was under way
        assert [moments[key] for key in "56"] == [[60]] * 2

    run(main())


def test_a_server_that_refuses_gets_half_as_many_at_once(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        all_are_in = asyncio.Event()
        asked = now = 0
        later: list[int] = []

        async def fetch(_url: str, _headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
            nonlocal asked, now
            asked, now = asked + 1, now + 1
            try:
                if asked <= 8:
                    if asked == 8:
                        all_are_in.set()
                    await all_are_in.wait()
                    return 503, {}, b""
                later.append(now)
                await settle()
                return 200, {}, b"{}"
            finally:
                now -= 1

        rows, out = ["id", *map(str, range(8))], tmp_path / "o"
        await enrich_csv(rows, "http://x/{id}", out, 8, fetch=fetch, sleep=LazyTime().sleep, backoff=NO_PAUSE)
        assert len(later) == 8
        assert max(later[:4]) == 4
        assert max(later) <= 5

    run(main())


def test_failures_go_aside_and_are_tried_again_by_the_next_run(
    run: Run, people: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.jsonl"
    api = Api(_1=(404, {}, b"nobody" * 1000), _2=(500, {}, b"oops"))

    async def once() -> EnrichSummary:
        return await enrich_csv(
            people,
            "http://x/{id}",
            output,
            fetch=api.fetch,
            max_attempts=3,
            backoff=NO_PAUSE,
            sleep=FakeTime().sleep,
        )

    summary = run(once())
    assert (summary.rows, summary.done, summary.failed, summary.skipped) == (3, 1, 2, 0)
    one, two = sorted(lines(summary.failures), key=lambda line: str(line["key"]))
    assert one == {
        "key": "1",
        "row": {"id": "1", "name": "Ada"},
        "status": 404,
        "code": "web_refused",
        "message": "the server answered 404",
        "attempts": 1,
        "body": ("nobody" * 1000)[:2048],
    }
    assert (two["code"], two["status"], two["attempts"], two["body"]) == ("web_failed", 500, 3, "oops")

    api.answers.clear()
    api.asked.clear()
    summary = run(once())
    assert (summary.rows, summary.done, summary.failed, summary.skipped) == (3, 2, 0, 1)
    assert sorted(api.asked) == ["http://x/1", "http://x/2"]
    assert summary.failures.read_text() == ""
    assert sorted(line["id"] for line in lines(output)) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("error", "code", "attempts"),
    [
        (ConnectionResetError(), "web_network", 2),
        (TimeoutError(), "web_timeout", 2),
        (KeyError("x"), "local_fault", 1),
    ],
)
def test_faults_have_a_code(run: Run, tmp_path: Path, error: Exception, code: str, attempts: int) -> None:
    async def fetch(_url: str, _headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        raise error

    rows, out = ["id", "1"], tmp_path / "o"
    summary = run(enrich_csv(rows, "http://x/{id}", out, fetch=fetch, max_attempts=2, sleep=FakeTime().sleep))
    (failure,) = lines(summary.failures)
    assert (failure["code"], failure["attempts"], failure["status"]) == (code, attempts, None)


def test_a_torn_output_goes_on_from_its_last_whole_line(run: Run, people: Path, tmp_path: Path) -> None:
    output, api = tmp_path / "out.jsonl", Api()
    run(enrich_csv(people, "http://x/{id}", output, fetch=api.fetch, workers=1))
    whole = output.read_bytes()
    first, second, third = whole.splitlines(keepends=True)
    output.write_bytes(first + second + third[:-3] + b"x" * 1000)
    api.asked.clear()
    summary = run(enrich_csv(people, "http://x/{id}", output, fetch=api.fetch))
    assert (summary.done, summary.skipped, api.asked) == (1, 2, ["http://x/3"])
    assert output.read_bytes() == whole


def test_rows_that_are_alike_have_a_line_each(run: Run, tmp_path: Path) -> None:
    output, api, rows = tmp_path / "out.jsonl", Api(), ["id", "7", "7", "7"]
    assert run(enrich_csv(rows, "http://x/{id}", output, fetch=api.fetch)).done == 3
    output.write_text("".join(output.read_text().splitlines(keepends=True)[:2]))
    summary = run(enrich_csv(rows, "http://x/{id}", output, fetch=api.fetch))
    assert (summary.done, summary.skipped, len(lines(output))) == (1, 2, 3)


def test_a_key_lets_rows_move_and_change(run: Run, tmp_path: Path) -> None:
    output, api = tmp_path / "out.jsonl", Api()
    run(enrich_csv(["id,n", "1,a", "2,b"], "http://x/{id}", output, fetch=api.fetch, key="id"))
    rows = ["id,n", "3,c", "2,changed", "1,a", "3,again"]
    summary = run(enrich_csv(rows, "http://x/{id}", output, fetch=api.fetch, key="id"))
    assert (summary.rows, summary.done, summary.failed, summary.skipped) == (4, 1, 1, 2)
    (failure,) = lines(summary.failures)
    assert (failure["key"], failure["code"]) == ("3", "local_row")


def test_cancelling_keeps_what_is_written_and_leaves_nothing_running(run: Run, tmp_path: Path) -> None:
    output, api = tmp_path / "out.jsonl", Api()
    rows = ["id", *map(str, range(50))]

    async def main() -> int:
        async def fetch(url: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
            if len(api.asked) >= 10:
                await asyncio.Event().wait()
            return await api.fetch(url, headers)

        task = asyncio.create_task(enrich_csv(rows, "http://x/{id}", output, 1, fetch=fetch))
        while len(api.asked) < 10:
            await asyncio.sleep(0)
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left_running() == 0
        return len(lines(output))

    assert run(main()) == 10
    api.asked.clear()
    summary = run(enrich_csv(rows, "http://x/{id}", output, fetch=api.fetch))
    assert (summary.rows, summary.done, summary.skipped) == (50, 40, 10)
    assert [line["id"] for line in sorted(lines(output), key=lambda line: int(line["id"]))] == rows[1:]


KILLED = """
import asyncio, os, signal, sys
from longshore.aio.flow import enrich_csv

asked = 0

async def fetch(url, headers):
    global asked
    await asyncio.sleep(0)
    asked += 1
    if asked == 40:
        os.kill(os.getpid(), signal.SIGKILL)
    return 200, {}, b'{"score": 1}'

asyncio.run(enrich_csv(sys.argv[1], "http://x/{id}", sys.argv[2], fetch=fetch))
"""


def test_after_a_kill_the_same_call_goes_on(run: Run, tmp_path: Path) -> None:
    table, output, api = tmp_path / "rows.csv", tmp_path / "out.jsonl", Api()
    table.write_text("id\n" + "".join(f"{number}\n" for number in range(100)))
    # The package is where this process found it.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", KILLED, str(table), str(output)]
    assert subprocess.run(command, env=environment, check=False).returncode == -signal.SIGKILL
    before = len(lines(output))
    assert 0 < before < 40
    summary = run(enrich_csv(table, "http://x/{id}", output, fetch=api.fetch))
    assert (summary.rows, summary.skipped, summary.done) == (100, before, 100 - before)
    assert sorted(int(line["id"]) for line in lines(output)) == list(range(100))


@pytest.mark.parametrize("content", ["a diary\n", '{"other": 1}\n', "[1]\n", '{"id": 1, "name": "x"}\n'])
def test_a_file_of_something_else_is_refused_and_left(
    run: Run, people: Path, tmp_path: Path, content: str
) -> None:
    output, api = tmp_path / "out.jsonl", Api()
    output.write_text(content)
    with pytest.raises(EnrichError):
        run(enrich_csv(people, "http://x/{id}", output, fetch=api.fetch))
    assert (output.read_text(), api.asked) == (content, [])


def test_another_question_is_refused(run: Run, people: Path, tmp_path: Path) -> None:
    output, api = tmp_path / "out.jsonl", Api()
    run(enrich_csv(people, "http://x/{id}", output, fetch=api.fetch))
    before = output.read_bytes()
    with pytest.raises(EnrichError, match="another"):
        run(enrich_csv(people, "http://y/{id}", output, fetch=api.fetch))
    assert output.read_bytes() == before
    assert "http" not in (tmp_path / "out.jsonl.checkpoint").read_text()


def test_two_runs_do_not_use_one_output_at_once(run: Run, tmp_path: Path) -> None:
    async def main() -> None:
        gate, started = asyncio.Event(), asyncio.Event()

        async def fetch(_url: str, _headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
            started.set()
            await gate.wait()
            return 200, {}, b"{}"

        rows, out = ["id", "1"], tmp_path / "o"
        first = asyncio.create_task(enrich_csv(rows, "http://x/{id}", out, fetch=fetch))
        await started.wait()
        with pytest.raises(EnrichError, match="in use"):
            await enrich_csv(rows, "http://x/{id}", out, fetch=fetch)
        gate.set()
        assert (await first).done == 1

    run(main())


def test_the_table_is_not_its_own_output(run: Run, people: Path) -> None:
    with pytest.raises(EnrichError):
        run(enrich_csv(people, "http://x/{id}", people, fetch=Api().fetch))
    assert people.read_text(encoding="utf-8") == PEOPLE


@pytest.mark.parametrize(
    ("rows", "template", "named"),
    [
        (["id"], "http://x/{who}", "who"),
        (["id"], "http://{id}/", "host"),
        (["id"], "http://x{id}.example/", "host"),
        (["id"], "http://x:{id}/", "host"),
        (["id"], "ftp://x/{id}", "http"),
        (["id"], "{id}", "http"),
        (["id"], "http://x/../{id}", "dots"),
        (["id,id"], "http://x/{id}", "header"),
        ([], "http://x/{id}", "header"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is(
    run: Run, tmp_path: Path, rows: list[str], template: str, named: str
) -> None:
    api = Api()
    with pytest.raises(ValueError, match=named):
        run(
            enrich_csv([*rows, "1"], template, tmp_path / "o", fetch=api.fetch)
            if rows
            else _empty(tmp_path, api)
        )
    assert api.asked == []
    assert list(tmp_path.iterdir()) == []


async def _empty(folder: Path, api: Api) -> EnrichSummary:
    return await enrich_csv([], "http://x/{id}", folder / "o", fetch=api.fetch)


def test_rows_that_are_none_fail_alone(run: Run, tmp_path: Path) -> None:
    api = Api()
    rows = [
        "id,path",
        "1,..",
        "2,a,b",
        "3",
        '4,"a"b',
        "5,.",
        "",
        "6,fine",
        f"7,{'x' * 200_000}",
        "8,%2e%2E",
        "9,x",
    ]
    summary = run(enrich_csv(rows, "http://x/{path}/{id}", tmp_path / "o", fetch=api.fetch))
    assert (summary.rows, summary.done, summary.failed) == (9, 3, 6)
    assert {failure["code"] for failure in lines(summary.failures)} == {"local_row"}
    assert sorted(api.asked) == ["http://x/%252e%252E/8", "http://x/fine/6", "http://x/x/9"]


def test_files_of_each_kind_are_read_and_stay_open(run: Run, tmp_path: Path) -> None:
    data = "\ufeff" + PEOPLE
    files: list[Any] = [io.BytesIO(data.encode()), io.StringIO(data), iter(data.splitlines())]
    for number, file in enumerate(files):
        api = Api()
        summary = run(enrich_csv(file, "http://x/{id}", tmp_path / f"o{number}", fetch=api.fetch))
        assert (summary.done, sorted(api.asked)) == (3, ["http://x/1", "http://x/2", "http://x/3"])
        assert not getattr(file, "closed", False)


def test_a_table_that_is_no_text_from_some_row_on_keeps_what_was_before(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b"id\n" + b"".join(b"%d\n" % number for number in range(4_000)) + b"\xff\xfe\n")
    output, api = tmp_path / "out.jsonl", Api()
    with pytest.raises(UnicodeDecodeError):
        run(enrich_csv(file, "http://x/{id}", output, 50, fetch=api.fetch))
    assert len(lines(output)) == len(api.asked) > 1_000


def test_an_exception_in_the_progress_callback_ends_the_run(run: Run, people: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def watch(summary: EnrichSummary) -> None:
        seen.append(summary.done)
        raise LookupError

    async def main() -> None:
        with pytest.raises(LookupError):
            await enrich_csv(people, "http://x/{id}", tmp_path / "o", fetch=Api().fetch, on_progress=watch)
        assert left_running() == 0

    run(main())
    assert (seen, len(lines(tmp_path / "o"))) == ([1], 1)


@pytest.mark.parametrize("token", ["a\r\nX: y", "a b", "ż", "\0"])
def test_a_token_that_is_more_than_a_token_is_refused(
    run: Run, people: Path, tmp_path: Path, token: str
) -> None:
    with pytest.raises(ValueError, match="token") as caught:
        run(enrich_csv(people, "http://x/{id}", tmp_path / "o", token=token, fetch=Api().fetch))
    assert token not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"workers": 0}, {"max_attempts": 0}, {"rate": 0}])
def test_numbers_that_are_none_are_refused(
    run: Run, people: Path, tmp_path: Path, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="must be"):
        run(enrich_csv(people, "http://x/{id}", tmp_path / "o", fetch=Api().fetch, **wrong))
    assert not (tmp_path / "o").exists()


def test_a_rate_bounds_all_requests(run: Run, tmp_path: Path) -> None:
    time, api, rows = FakeTime(), Api(), ["id", *map(str, range(30))]
    out = tmp_path / "o"
    run(
        enrich_csv(
            rows, "http://x/{id}", out, 5, rate=10, fetch=api.fetch, clock=time.clock, sleep=time.sleep
        )
    )
    assert round(time.now, 3) == 2.0
