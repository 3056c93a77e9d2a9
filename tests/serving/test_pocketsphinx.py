"""The bundled recogniser in its worker processes, on a human voice."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import subprocess
import sys
import time
import wave
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from tests.contract.wire import COMMIT, FINAL, RealtimeServerUnderTest, Wire, append, open_wire, update
from voxctl.errors import EngineUnavailable
from voxctl.serving.cadence import Cadence
from voxctl.serving.engine import Tick
from voxctl.serving.pocketsphinx import PocketSphinxEngine
from voxctl.serving.recogniser import Guess, Recogniser, best_cut
from voxctl.serving.server import RunningServer, open_server

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "examples" / "sense-and-sensibility.wav"
SILENCE = bytes(2 * 16_000)

# 23 % was measured on this clip (6 of 26 words), 15 % when it is decoded as a whole.
WER_CEILING = 0.30

# Stands in for a worker that is broken in one way or another.
LIAR = "import sys, time; {}"


def clip() -> bytes:
    with wave.open(str(CLIP)) as source:
        return bytes(source.readframes(source.getnframes()))


def words_in(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower().replace("-", " "))


def word_errors(reference: list[str], heard: list[str]) -> int:
    """Substitutions, insertions and deletions on the shortest way from one to the other."""
    row = list(range(len(heard) + 1))
    for i, wanted in enumerate(reference, 1):
        diagonal, row[0] = row[0], i
        for j, got in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (wanted != got))
    return row[-1]


def workers() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it may end while it is looked at
            if "voxctl.serving.worker" in " ".join(child.cmdline()):
                found.append(child)
    return found


@asynccontextmanager
async def serving(
    engine: PocketSphinxEngine,
) -> AsyncIterator[tuple[RunningServer, RealtimeServerUnderTest]]:
    async with open_server(engine) as server:
        yield server, RealtimeServerUnderTest(f"{server.url}/v1/realtime", engine.model, engine.delay_s)
    assert not workers()


# -- recognising -----------------------------------------------------------------------------------------------


@pytest.mark.real
async def test_it_understands_a_human_voice_and_cutting_the_audio_otherwise_changes_nothing() -> None:
    audio = clip()
    async with serving(PocketSphinxEngine()) as (_, server):
        async with open_wire(server) as wire:
            assert wire.greeting["voxctl"] == {"engine": "pocketsphinx", "model": server.model}
            whole = await wire.say(audio, chunk_ms=10_000)
        async with open_wire(server) as wire:
            pieces = await wire.say(audio, chunk_ms=37)
    assert whole == pieces
    assert len(whole.deltas) == server.deltas_in_all(len(audio) // 2)
    assert whole.done["usage"]["prompt_tokens"] == server.prompt_tokens == 63
    assert whole.done["text"] == whole.text
    assert re.fullmatch(r"[a-z'.-]+( [a-z'.-]+)*", whole.text), "words with single spaces and no decoder's marks"
    assert 0.4 < whole.done["voxctl"]["confidence"] <= 1.0
    reference = words_in(CLIP.with_suffix(".txt").read_text("utf-8"))
    assert word_errors(reference, words_in(whole.text)) / len(reference) <= WER_CEILING


@pytest.mark.real
def test_speech_that_breaks_off_anywhere_keeps_its_words() -> None:
    audio = clip()
    # Among these are places at which the decoder's final search comes to nothing.
    for cut_ms in (1110, 2490, 2790, 3070, 4820):
        recogniser = Recogniser()
        recogniser.feed(audio[: cut_ms * 32], 0.0)
        words = [word.text for word in recogniser.finish(b"")]
        assert words[:3] == ["had", "he", "married"], cut_ms


@pytest.mark.parametrize("broken", [True, False], ids=["after one that broke off", "after one that ended well"])
@pytest.mark.real
async def test_only_a_stream_after_one_that_broke_off_knows_the_voice(broken: bool) -> None:
    audio, engine = clip(), PocketSphinxEngine()
    before, half = Recogniser(), len(audio) // 4 * 2
    before.feed(audio[:half], 0.0)
    after, fresh = Recogniser(), Recogniser()
    after.voice = before.voice
    assert after.voice == before.voice != fresh.voice
    await engine.start()
    try:
        stream = await engine.open_stream()
        await stream.feed([Tick(audio[:half], 0.0)])
        if not broken:
            await stream.finish(b"")
        await stream.aclose()
        stream = await engine.open_stream()
        await stream.finish(audio[half:])
        (after if broken else fresh).finish(audio[half:])
        assert stream.confidence == (after if broken else fresh).confidence
        assert after.confidence != fresh.confidence
        await stream.aclose()
    finally:
        await engine.aclose()


async def test_silence_has_no_words_and_no_confidence() -> None:
    async with serving(PocketSphinxEngine()) as (_, server), open_wire(server) as wire:
        utterance = await wire.say(SILENCE)
        assert set(utterance.deltas) == {""}
        assert "voxctl" not in utterance.done


@pytest.mark.real
async def test_two_streams_at_once_hear_what_each_would_hear_alone() -> None:
    one, other = clip()[: 6 * 32_000], clip()[6 * 32_000 :]
    async with serving(PocketSphinxEngine()) as (_, server), open_wire(server) as a, open_wire(server) as b:
        together = await asyncio.gather(a.say(one), b.say(other))
        assert [await a.say(one), await b.say(other)] == list(together)
        assert together[0].text
        assert together[1].text != together[0].text


def heard(audio: bytes, recogniser: Recogniser) -> list[tuple[str, float]]:
    cadence = Cadence(2.4)
    words = [word for tick in cadence.feed(audio) for word in recogniser.feed(tick.pcm, tick.until_s)]
    words += recogniser.finish(cadence.finish())
    return [(word.text, word.end_s) for word in words]


@pytest.mark.real
def test_speech_without_a_pause_is_cut_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    # The shipped length would need a longer clip; with a third of it this one is cut once or twice.
    monkeypatch.setattr("voxctl.serving.recogniser.LONGEST_STRETCH_S", 3.5)
    monkeypatch.setattr("voxctl.serving.recogniser.LONGEST_RETRY_S", 2.0)
    audio = clip()
    words = heard(audio, Recogniser())
    ends = [end_s for _, end_s in words]
    assert ends == sorted(set(ends))
    assert ends[-1] <= len(audio) / 32_000
    reference = words_in(CLIP.with_suffix(".txt").read_text("utf-8"))
    n_errors = word_errors(reference, words_in(" ".join(text for text, _ in words)))
    assert n_errors / len(reference) <= WER_CEILING + 0.1


@pytest.mark.real
def test_noise_without_end_ends_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxctl.serving.recogniser.LONGEST_STRETCH_S", 2.0)
    monkeypatch.setattr("voxctl.serving.recogniser.LONGEST_RETRY_S", 1.0)
    dice = random.Random(0)
    noise = array("h", (dice.randint(-9000, 9000) for _ in range(5 * 16_000))).tobytes()
    for text, end_s in heard(noise, Recogniser()):
        assert text
        assert 0 < end_s <= 5.0


def test_a_stretch_without_a_word_or_a_silence_is_cut_at_its_end() -> None:
    second = 16_000
    old = Guess("old", 1 * second, 2 * second, 1.0)
    late = Guess("late", 10 * second, 11 * second, 1.0)
    later = Guess("later", 11 * second + 2000, 12 * second, 1.0)
    assert best_cut([], 12 * second) == 12 * second
    assert best_cut([old], 12 * second) == 12 * second, "most of the stretch would be recognised twice"
    assert best_cut([late], 12 * second) == 10 * second
    assert best_cut([old, late, later], 12 * second) == 11 * second + 1000, "in the middle of the silence"


# -- processes -------------------------------------------------------------------------------------------------


async def _begin(wire: Wire, server: RealtimeServerUnderTest) -> None:
    await wire.send(update(server.model), append(3 * SILENCE), COMMIT)
    await wire.deltas(7)


@pytest.mark.real
async def test_a_worker_that_is_killed_ends_its_stream_and_no_other() -> None:
    async with serving(PocketSphinxEngine()) as (_, server), open_wire(server) as doomed, open_wire(server) as other:
        before = {process.pid for process in workers()}
        await _begin(doomed, server)
        (mine,) = [process for process in workers() if process.pid in before]
        await _begin(other, server)
        mine.kill()
        await doomed.send(append(SILENCE))
        assert await doomed.fails_with() == "processing_error"
        await doomed.socket.wait_closed()
        assert doomed.socket.close_code == 1012
        await other.send(FINAL)
        assert len((await other.until_done()).deltas) + 7 == server.deltas_in_all(3 * 16_000)


async def test_a_worker_that_does_not_answer_ends_its_stream() -> None:
    async with serving(PocketSphinxEngine(reply_deadline_s=0.3)) as (_, server), open_wire(server) as wire:
        (spare,) = workers()
        spare.suspend()
        await wire.send(update(server.model), append(3 * SILENCE), COMMIT)
        assert await wire.fails_with() == "processing_error"
        await wire.socket.wait_closed()
        assert wire.socket.close_code == 1012


async def test_a_stream_that_ends_takes_its_worker_with_it_and_a_warm_one_stays() -> None:
    async with serving(PocketSphinxEngine()) as (running, server):
        async with open_wire(server) as wire:
            await _begin(wire, server)
            wire.socket.transport.abort()
        for _ in range(500):
            if running.n_streams == 0 and len(workers()) == 1:
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{len(workers())} workers are left")


async def test_a_reserve_that_dies_is_replaced() -> None:
    engine = PocketSphinxEngine()
    async with serving(engine):
        (spare,) = workers()
        spare.kill()
        for _ in range(500):
            assert engine.problem() is None
            if workers() and workers()[0].pid != spare.pid:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("nobody replaced it")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (["/no/such/python"], "cannot be started"),
        ([sys.executable, "-c", LIAR.format("sys.exit(3)")], "has died"),
        ([sys.executable, "-c", LIAR.format("time.sleep(30)")], "not answered"),
        (
            [sys.executable, "-c", LIAR.format("sys.stdout.buffer.write(b'X\\0\\0\\0\\3why')")],
            "cannot work here: why",
        ),
    ],
)
async def test_a_recogniser_that_cannot_work_is_known_at_the_start(command: list[str], reason: str) -> None:
    engine = PocketSphinxEngine(command=command, ready_deadline_s=0.5)
    with pytest.raises(EngineUnavailable, match=reason) as failed:
        async with open_server(engine):
            pass
    assert failed.value.hint
    assert not psutil.Process().children()


async def test_health_follows_the_recogniser() -> None:
    engine = PocketSphinxEngine()
    assert engine.problem()
    assert engine._warming is None, "asking must not start what nobody has started"
    async with serving(engine):
        assert engine.problem() is None
        engine._command = ["/no/such/python"]
        (spare,) = workers()
        spare.kill()
        for _ in range(500):
            if "cannot be started" in (engine.problem() or ""):
                return
            await asyncio.sleep(0.01)
        raise AssertionError("it never said so")


@pytest.mark.real
def test_no_worker_outlives_a_server_that_is_killed() -> None:
    program = (
        "import asyncio\n"
        "from voxctl.serving.pocketsphinx import PocketSphinxEngine\n"
        "async def main():\n"
        "    await PocketSphinxEngine().start()\n"
        "    print('ready', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        (worker,) = psutil.Process(parent.pid).children()
        # Ctrl-C in a terminal goes to a whole group; a worker is in a group of its own, and deaf to it besides.
        os.kill(worker.pid, signal.SIGINT)
        assert os.getpgid(worker.pid) != os.getpgid(parent.pid)
        time.sleep(0.1)
        assert worker.is_running()
        parent.kill()
    gone, _ = psutil.wait_procs([worker], timeout=10)
    assert gone


def test_a_module_in_the_users_directory_does_not_get_in_the_way(tmp_path: Path) -> None:
    for name in ("json", "struct", "pocketsphinx"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(9)")
    program = (
        "import sys\n"
        f"sys.path.append({str(ROOT)!r})\n"
        "import asyncio\n"
        "from voxctl.serving.pocketsphinx import PocketSphinxEngine\n"
        "async def main():\n"
        "    engine = PocketSphinxEngine()\n"
        "    await engine.start()\n"
        "    await engine.aclose()\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-P", "-c", program], cwd=tmp_path, check=True, timeout=30)
