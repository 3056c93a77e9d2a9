"""`--redact`: nothing that is to be masked is on the screen, in a file or in a journal, whatever ends the program."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.program import CLIP, SHORT, run, run_here, started
from tests.fakes.lawful import LawfulServer
from voxctl.cli.journal import journal_of

SAID = (
    "Okay my card is 4111 1111 1111 1111 thanks and again four one one one one one one one one one one one one one "
    "one one. Write zoe.quill@zebra.org or call 415 555 2671 about order number 734912 today"
)
SEEN = "Okay my card is [CARD] thanks and again [CARD]. Write [EMAIL] or call [PHONE] about order number 734912 today"
SECRETS = (b"4111", b"1111", b"one one", b"zoe", b"quill", b"zebra", b"555", b"2671", b"four")


def saying(text: str, every: int = 2) -> Callable[[int], str]:
    """Return a server's deltas: a word at every second of them, so that a tail is on its way all the time."""
    words = text.split()
    return lambda i: f" {words[i // every]}" if i % every == 0 and i // every < len(words) else ""


def leaks(folder: Path) -> list[tuple[str, bytes]]:
    """Return every secret in every file of a folder, hidden ones too."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [(path.name, secret) for path in files for secret in SECRETS if secret in path.read_bytes()]


HEAVY = pytest.mark.real


@pytest.mark.parametrize(
    "form", ["json", *(pytest.param(form, marks=HEAVY) for form in ("txt", "jsonl", "srt", "vtt"))]
)
async def test_no_file_and_no_screen_has_what_is_masked(tmp_path: Path, form: str) -> None:
    output, events = tmp_path / f"talk.{form}", tmp_path / "events.log"
    options = ("--redact", "card,phone,email", "--output", output, "--events", events)
    async with LawfulServer(speak=saying(SAID)).on_a_port() as url:
        done = await run("transcribe", CLIP, "--url", url, *options)
    assert done.code == 0, done.err
    text = output.read_text("utf-8")
    assert text.count("[CARD]") >= 2 and "[EMAIL]" in text and "[PHONE]" in text and "734912" in text
    assert "[CARD]" in events.read_text("utf-8") and not leaks(tmp_path)
    assert not [secret for secret in SECRETS if secret in (done.out + done.err).encode()]


async def test_words_on_stdout_are_masked_and_keep_their_order_and_their_times(tmp_path: Path) -> None:
    async with LawfulServer(speak=saying(SAID)).on_a_port() as url:
        done = await run("transcribe", CLIP, "--url", url, "--redact", "all", "--format", "json")
        plain = await run("transcribe", CLIP, "--url", url, "--redact", "card,phone,email")
    assert plain.out == SEEN + "\n"
    document = json.loads(done.out)
    (mask,) = [word for word in document["words"] if word["text"] == "[CARD]"][:1]
    before = next(word for word in document["words"] if word["text"] == "is")
    assert mask["start_s"] >= before["end_s"] and mask["end_s"] - mask["start_s"] > 0.4
    assert "[DIGITS]" in document["text"] and "734912" not in done.out


@pytest.mark.real
@pytest.mark.parametrize("cut_at", [18, *(pytest.param(n, marks=HEAVY) for n in (12, 48, 60))])
async def test_after_kill_9_neither_the_journal_nor_what_is_recovered_has_a_number(tmp_path: Path, cut_at: int) -> None:
    output, events = tmp_path / "talk.txt", tmp_path / "events.log"
    options = ("--no-resume", "--redact", "card,email,phone", "-o", output, "--events", events)
    async with (
        LawfulServer(speak=saying(SAID), silent_after=cut_at).on_a_port() as url,
        started("transcribe", CLIP, "--url", url, *options) as program,
    ):
        async with asyncio.timeout(30):
            while not journal_of(output).exists() or b"is" not in journal_of(output).read_bytes():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        program.process.send_signal(signal.SIGKILL)
        await program.process.wait()
    assert b"Okay" in journal_of(output).read_bytes() and not leaks(tmp_path)
    async with LawfulServer(speak=lambda i: "").on_a_port() as url:
        assert (await run("transcribe", SHORT, "--url", url, "--no-resume", "-o", output)).code == 0
    assert "Okay" in (tmp_path / "talk.recovered.txt").read_text("utf-8") and not leaks(tmp_path)


async def test_a_number_that_a_failure_cuts_off_is_masked(tmp_path: Path) -> None:
    output = tmp_path / "talk.txt"
    async with LawfulServer(speak=saying(SAID), breaks_after=14).on_a_port() as url:
        done = await run("transcribe", CLIP, "--url", url, "--no-resume", "--redact", "card", "-o", output)
    assert done.code == 4 and output.read_text("utf-8").startswith("Okay my card is [NUMBER]") and not leaks(tmp_path)


async def test_patterns_and_words_of_ones_own_are_masked(tmp_path: Path) -> None:
    words = tmp_path / "words.list"
    words.write_text("# names\nJane Doe\nacme\n", "utf-8")
    said = "Then Jane Doe of Acme's told MRN-123456 to Jane Smith"
    options = ("--redact-pattern", r"MRN=MRN-\d{6}", "--redact-words", words)
    async with LawfulServer(speak=saying(said)).on_a_port() as url:
        done = await run("transcribe", SHORT, "--url", url, *options)
    assert done.out == "Then [REDACTED] of [REDACTED] told [MRN] to Jane Smith\n", done.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--redact", "card,fax"], "'fax' is nothing that can be masked"),
        (["--redact-pattern", "MRN"], "is no NAME=REGEX"),
        (["--redact-pattern", "M R=a"], "is no name"),
        (["--redact-pattern", "MRN=("], "missing )"),
        (["--redact-pattern", "MRN=a*"], "matches nothing at all"),
        (["--redact-pattern", "MRN=^a"], "looks at what stands around"),
        (["--redact-pattern", "MRN=a(?=b)"], "looks at what stands around"),
        (["--redact-words", "nowhere.txt"], "cannot be read"),
    ],
)
def test_what_cannot_be_masked_is_refused_before_anything_is_heard(
    tmp_path: Path, options: list[str], message: str
) -> None:
    done = run_here("transcribe", SHORT, *options, cwd=tmp_path)
    assert done.code == 2 and message in done.err and "try: " in done.err, done.err


def test_a_library_that_is_missing_is_named_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "phonenumbers", None)
    done = run_here("transcribe", SHORT, "--redact", "phone", cwd=tmp_path)
    assert done.code == 2 and "pip install 'voxctl[redact]'" in done.err, done.err
