"""`voxctl bench` as a person runs it: its own processes, against a server that is late by a known amount."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest

from tests.cli.program import CLIP, Program, run, run_here, shown_error, started
from tests.fakes.calibrated import CalibratedServer

BRIEF = ("--duration", "2", "--warmup", "0.5", "--ramp", "0.2", "--trials", "1")

PERCENTILES = {
    "type": "object",
    "required": ["p50", "p90", "p95", "p99", "max", "n"],
    "additionalProperties": False,
    "properties": {name: {"type": ["number", "null"]} for name in ("p50", "p90", "p95", "p99", "max", "n")},
}
FIGURES = {
    "type": "object",
    "required": ["delta_lag_ms", "send_late_ms", "errors", "valid", "faults", "wer", "lag_slope_ms_per_s"],
    "patternProperties": {"^(?!timeline).*_ms$": PERCENTILES},
}
REPORT = {
    "type": "object",
    "required": ["target", "model", "delay_ms", "settings", "version", "levels", "held", "valid"],
    "properties": {
        "levels": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["streams", "all", "trials"],
                "properties": {"all": FIGURES, "trials": {"type": "array", "items": FIGURES}},
            },
        }
    },
}


def report_of(text: str) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(text)
    jsonschema.validate(report, REPORT)
    return report


@pytest.mark.real
async def test_the_figures_are_those_of_the_server() -> None:
    async with CalibratedServer(lambda k, n: 60.0).on_a_port() as url:
        done = await run("bench", "--url", url, "--streams", "1,3", "--processes", "2", *BRIEF, "--json")
    assert done.code in (0, 6), done.err  # 6: others kept the machine so busy that nothing can be said
    report = report_of(done.out)
    assert [level["streams"] for level in report["levels"]] == [1, 3]
    assert report["settings"]["processes"] == 2 and report["delay_ms"] == 480
    for level in report["levels"]:
        assert 60 <= level["all"]["delta_lag_ms"]["p50"] <= 90 and level["all"]["finished"] == level["streams"]
        assert level["all"]["delta_lag_ms"]["n"] == pytest.approx(25 * level["streams"], abs=level["streams"])


async def test_a_person_gets_a_table_a_page_and_is_told_of_streams_that_failed(tmp_path: Path) -> None:
    files = ("--report", tmp_path / "page.html", "--csv", tmp_path / "rows.csv")
    async with CalibratedServer(places=2).on_a_port() as url:
        done = await run("bench", "--url", url, "--streams", "3", *BRIEF, *files)
    assert "1 × refused" in (tmp_path / "page.html").read_text("utf-8")
    assert len((tmp_path / "rows.csv").read_text("utf-8").splitlines()) == 2
    assert done.code in (0, 6), done.err
    head, row = done.out.splitlines()
    assert head.split()[:3] == ["streams", "lag", "p50"] and row.startswith("3 ") and "1 (refused)" in row
    assert "Traceback" not in done.err


@pytest.mark.real
async def test_the_most_streams_are_found() -> None:
    async with CalibratedServer(lambda k, n: 30.0 if n <= 3 else 900.0).on_a_port() as url:
        done = await run("bench", "--url", url, "--find-max", "--most", "8", "--slo-ms", "300", *BRIEF)
    if done.code == 6:  # others kept the machine too busy to say; tests/bench has the same search in virtual time
        assert "the client was too slow to say more" in done.err and "invalid" in shown_error(done)[0]
    else:
        assert done.code == 0, done.err
        assert "holds 3 streams within 300 ms" in done.err and "plan for 2 on one such server" in done.err


@pytest.mark.real
async def test_a_client_that_is_slowed_down_calls_its_figures_invalid() -> None:
    async with (
        CalibratedServer().on_a_port() as url,
        started("bench", "--url", url, "--streams", "1", *BRIEF, "--json") as program,
    ):
        slowing = asyncio.create_task(slow_down(program))
        done = await asyncio.wait_for(program.end(), 50)
        slowing.cancel()
    assert done.code == 6 and not report_of(done.out)["valid"]
    assert "invalid" in shown_error(done)[0] and "client" in shown_error(done)[0]


async def slow_down(program: Program) -> None:
    """Stop the processes of the load again and again for a tenth of a second."""
    while True:
        for process in psutil.Process(program.process.pid).children():
            process.suspend()
            await asyncio.sleep(0.1)
            process.resume()
        await asyncio.sleep(0.1)


@pytest.mark.real
async def test_after_ctrl_c_no_process_is_left() -> None:
    async with (
        (server := CalibratedServer()).on_a_port() as url,
        started("bench", "--url", url, "--streams", "2", "--duration", "60") as program,
    ):
        await asyncio.wait_for(server.opened.wait(), 20)
        workers = psutil.Process(program.process.pid).children()
        program.process.send_signal(signal.SIGINT)
        done = await asyncio.wait_for(program.end(), 10)
    assert workers
    assert done.code == 130 and "Traceback" not in done.err
    assert not [worker for worker in workers if worker.is_running()]


@pytest.mark.real
async def test_texts_beside_the_sound_give_a_word_error_rate(tmp_path: Path) -> None:
    shutil.copy(CLIP, tmp_path / "talk.wav")
    (tmp_path / "talk.txt").write_text("every good boy does fine", "utf-8")
    async with CalibratedServer(says="every good boy does well").on_a_port() as url:
        done = await run("bench", "--url", url, "--streams", "1", "--audio", tmp_path, *BRIEF, "--json")
    assert done.code in (0, 6), done.err
    assert report_of(done.out)["levels"][0]["all"]["wer"] == pytest.approx(0.2)


@pytest.mark.real
async def test_nobody_listening_is_said_at_once() -> None:
    done = await run("bench", "--url", "ws://127.0.0.1:9", limit_s=20)
    assert done.code == 4 and "127.0.0.1:9" in shown_error(done)[0]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--streams", "1,two"), 2, "no list of numbers of streams"),
        (("--streams", "0"), 2, "no list of numbers of streams"),
        (("--streams", "1", "--find-max"), 2, "ask for different things"),
        (("--audio", "missing.wav"), 3, "missing.wav"),
        (("--report", "no/such/folder/page.html"), 2, "no/such/folder"),
        (("--audio", "empty.jsonl"), 2, "empty"),
        (("--audio", "wrong.jsonl"), 2, "line 2"),
        (("--url", "ws://h", "--endpoint", "e"), 2, "ask for different servers"),
    ],
)
def test_what_cannot_be_measured_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "empty.jsonl").write_text("\n", "utf-8")
    (tmp_path / "wrong.jsonl").write_text('{"audio_filepath": "a.wav"}\n{"file": "b.wav"}\n', "utf-8")
    done = run_here("bench", *arguments, cwd=tmp_path)
    assert done.code == code and message in shown_error(done)[0]
