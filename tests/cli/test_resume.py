"""Servers that fail while `voxctl transcribe` runs: nobody notices, or everybody is told."""

from __future__ import annotations

import asyncio
import json
import signal
import wave
from pathlib import Path

import pytest

from tests.cli.program import run, shown_error, started
from tests.fakes.lawful import LawfulServer
from tests.fakes.oracle import OracleServer
from tests.fakes.schedule import Fault, Strike
from tests.fakes.tones import pcm, script

SPOKEN = script(21, 24)
TEXT = " ".join(word.text for word in SPOKEN.words)


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech") / "speech.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(pcm(SPOKEN))
    return path


@pytest.mark.real
async def test_a_dropped_connection_costs_no_word_and_is_on_record(speech: Path, tmp_path: Path) -> None:
    faults = (Strike(Fault("drop"), 6.0), Strike(Fault("error", code=1012), 14.0))
    events = tmp_path / "events.jsonl"
    async with OracleServer(faults=faults).on_a_port() as url:
        done = await run("transcribe", speech, "--url", url, "--model", "voxtral", "--events", events)
    assert done.code == 0 and done.out == f"{TEXT}\n"
    assert done.err.count("; attempt 1 in ") == 2
    kinds = [json.loads(line)["type"] for line in events.read_text("utf-8").splitlines()]
    assert kinds.count("resumed") == 2 == kinds.count("seam") and kinds[-1] == "done"


@pytest.mark.real
async def test_rotation_is_seamless(speech: Path, tmp_path: Path) -> None:
    target = tmp_path / "speech.json"
    async with OracleServer(tick_cost_s=0.005).on_a_port() as url:
        arguments = ["--url", url, "--model", "voxtral", "--rotate-every", "15", "--speed", "4"]
        done = await run("transcribe", speech, *arguments, "--format", "json", "--output", target)
    document = json.loads(target.read_text("utf-8"))
    assert done.code == 0 and document["text"].strip() == TEXT and document["complete"]
    assert len(document["seams"]) == 1 and not document["seams"][0]["uncertain"]


async def test_without_resume_the_first_failure_ends_it(speech: Path) -> None:
    async with OracleServer(faults=(Strike(Fault("drop"), 6.0),)).on_a_port() as url:
        done = await run("transcribe", speech, "--url", url, "--model", "voxtral", "--no-resume")
    shown_error(done)
    assert done.code == 4 and TEXT.startswith(done.out.strip()[:-8]) and len(done.out.split()) > 4


async def test_speech_without_a_word_is_no_success(speech: Path) -> None:
    async with LawfulServer(speak=lambda i: "").on_a_port() as url:
        done = await run("transcribe", speech, "--url", url, "--model", "voxtral")
    assert done.code == 6 and "missing: 0.0 to 24.0 s: somebody speaks" in done.err
    assert "24.0 s of" in shown_error(done)[0]


@pytest.mark.real
@pytest.mark.parametrize("form", ["txt", "json", "jsonl", "srt", "vtt"])
async def test_what_is_missing_is_in_the_document_and_on_record(speech: Path, tmp_path: Path, form: str) -> None:
    document, events = tmp_path / f"speech.{form}", tmp_path / "events.jsonl"
    arguments: list[str | Path] = ["--format", form, "--events", events, "-o", document]
    arguments += ["--timestamps"] if form == "txt" else []
    async with LawfulServer(speak=lambda i: "").on_a_port() as url:
        done = await run("transcribe", speech, "--url", url, "--model", "voxtral", *arguments)
    assert done.code == 6
    assert "somebody speaks, and the server heard no word" in " ".join(document.read_text("utf-8").split())
    gaps = [line for line in map(json.loads, events.read_text("utf-8").splitlines()) if line["type"] == "gap"]
    assert [(gap["start_s"], gap["end_s"]) for gap in gaps] == [(0.0, 24.0)]


@pytest.mark.real
async def test_a_server_behind_the_speaker_is_told_counted_and_no_failure(speech: Path, tmp_path: Path) -> None:
    events = tmp_path / "events.jsonl"
    slow = (Strike(Fault("slow_delta", s=1.0, n=6), 10.0),)
    async with OracleServer(faults=slow).on_a_port() as url:
        done = await run("transcribe", speech, "--url", url, "--model", "voxtral", "--speed", "4", "--events", events)
    assert done.code == 0 and done.out == f"{TEXT}\n"
    told = [
        line["text"] for line in map(json.loads, events.read_text("utf-8").splitlines()) if line["type"] == "notice"
    ]
    assert len(told) == 2 and "slower than the speaker" in told[0] and "at worst" in told[1]
    assert all(f"note: {text}\n" in done.err for text in told)


async def test_ctrl_c_while_no_server_is_there_keeps_what_was_heard(speech: Path, tmp_path: Path) -> None:
    faults = (Strike(Fault("drop"), 8.0), Strike(Fault("away", s=500)))
    target = tmp_path / "speech.json"
    async with (
        OracleServer(faults=faults).on_a_port() as url,
        started("transcribe", speech, "--url", url, "--model", "voxtral", "--format", "json", "-o", target) as program,
    ):
        await program.say_until("attempt 2")
        program.process.send_signal(signal.SIGINT)
        done = await asyncio.wait_for(program.end(), 10)
    document = json.loads(target.read_text("utf-8"))
    assert done.code == 130 and not document["complete"] and len(document["words"]) > 8


@pytest.mark.real
@pytest.mark.parametrize("seconds", ["3", "-1", "often"])
async def test_a_rotation_that_makes_no_sense_is_refused(speech: Path, seconds: str) -> None:
    done = await run("transcribe", speech, "--rotate-every", seconds)
    assert done.code == 2 and "rotate-every" in done.err
