"""The documents of a fixed transcript and a fixed call, byte for byte in ``tests/golden``; as a module, writes them."""

from __future__ import annotations

from pathlib import Path

from voxctl._version import __version__
from voxctl.events import Done, Event, Gap, Opened, Progress, Seam, Usage, Word, Words
from voxctl.transcript.conversation import Conversation
from voxctl.transcript.export import Format, export
from voxctl.transcript.record import event_line
from voxctl.transcript.transcript import Transcript

FOLDER = Path(__file__).parents[1] / "golden"


def _said(text: str, start_s: float, *, pace_s: float = 0.05) -> list[Event]:
    """Return a ``Words`` for each word of ``text``, spoken one after the other; ``|`` parts words without a space."""
    events: list[Event] = []
    for spaced in text.split(" "):
        for number, word in enumerate(spaced.split("|")):
            end_s = start_s + 0.1 + pace_s * len(word)
            events.append(Words(word if number else f" {word}", (Word(word, start_s, end_s),)))
            start_s = end_s
    return events


EVENTS: tuple[Event, ...] = (
    Opened("voxtral", "vllm"),
    *_said("Good evening.", 0.4),
    Progress(1.2, 2.0),
    *_said(
        "Had he married a more amiable woman, he might have been made still more respectable than he was: "
        "he might even have been made amiable himself; for he was very young when he married, and very fond",
        1.8,
    ),
    Seam(15.5, uncertain=True),
    *_said("of his wife.", 15.6),
    Gap(17.0, 21.2, "the connection was lost"),
    *_said("\x1b]0;x\x07\x1b[35m[bold red]hi\x9b2J <b>R&D</b> --> {\\an8}up", 21.4),
    Gap(24.2, 24.5, "a chunk was dropped"),
    *_said("你|好，|今|天|的|天|气|很|好。|我|们|一|起|去|公|园|走|走|吧，|那|里|的|花|都|开|了。", 24.6, pace_s=0.1),
    *_said("Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch", 31.0),
    *_said("Yes.", 35.4),
    Done(Usage(451, 440), 35.8, 0.91),
)


def transcript() -> Transcript:
    """Return the transcript of ``EVENTS``."""
    folded = Transcript()
    for event in EVENTS:
        folded.apply(event)
    return folded


def conversation() -> Conversation:
    """Return a call in which both talk at the same time once, and one side was lost for a while."""
    call = Conversation(("Agent", "R&D <Bob>"), "call.wav")
    sides: tuple[tuple[Event, ...], ...] = (
        (
            Opened("voxtral", "vllm"),
            *_said("Good morning, this is the help desk, what can I do for you today?", 0.4),
            *_said("Could you read me the number that is printed on the back of your router, please?", 9.0),
            Gap(16.0, 18.5, "the connection was lost"),
            Done(Usage(250, 240), 20.0, 0.9),
        ),
        (
            Opened("voxtral", "vllm"),
            *_said("My telephone has been dead since yesterday.", 5.2),
            *_said("Wait a moment.", 10.5),
            Seam(15.0),
            *_said("Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch", 15.2),
            Done(Usage(250, 240), 20.0, 0.7),
        ),
    )
    for channel, events in zip(call.channels, sides, strict=True):
        for event in events:
            channel.apply(event)
    return call


def documents() -> dict[str, str]:
    """Return every document by its file's name; the version in them is 0, so that a release does not change them."""
    made = {f"transcript{fmt.suffix}": export(transcript(), fmt, target="ws://localhost:8000") for fmt in Format}
    made["timestamps.txt"] = export(transcript(), Format.TXT, target="embedded", timestamps=True)
    made["events.jsonl"] = "".join(
        event_line(event, 0.25 * number, source="talk.wav") for number, event in enumerate(EVENTS)
    )
    made |= {f"call{fmt.suffix}": export(conversation(), fmt, target="embedded") for fmt in Format}
    made["call.timestamps.txt"] = export(conversation(), Format.TXT, target="embedded", timestamps=True)
    return {name: text.replace(f'"version": "{__version__}"', '"version": "0"') for name, text in made.items()}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in documents().items():
        (FOLDER / name).write_bytes(text.encode())
