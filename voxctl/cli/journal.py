"""What was heard so far, beside ``--output``, so that not even ``kill -9`` costs a word.

A journal is a hidden file of event lines next to the document it stands for. It is removed when the document is
written; one that is found at the start of a command is a document that never was, and is made one.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voxctl.cli.places import Places, free_name, write_all
from voxctl.errors import UsageError
from voxctl.events import Event, Progress, Tail
from voxctl.transcript.conversation import Conversation
from voxctl.transcript.export import Format, export
from voxctl.transcript.record import event_line, event_of
from voxctl.transcript.text import json_line
from voxctl.transcript.transcript import Transcript

#: Progress is put down when so much more sound was sent, in seconds.
_PROGRESS_S = 1.0


@dataclass(frozen=True, slots=True)
class Heading:
    """What a journal begins with: all that is needed to make the document."""

    source: str
    target: str
    format: Format
    timestamps: bool
    speakers: tuple[str, ...] | None


class Journal:
    """An open journal. Each line is the system's as soon as it is put down.

    It is ``needed`` until the document is written, or there is nothing to write.
    """

    def __init__(self, path: Path, descriptor: int, write: Callable[[int, bytes], None]) -> None:
        self.path = path
        self.needed = True
        self._descriptor = descriptor
        self._write = write
        self._sent_s = 0.0

    def event(self, event: Event, channel: int | None) -> None:
        """Put down what belongs to the transcript. Raises ``OutputError``."""
        if isinstance(event, Tail):
            return
        if isinstance(event, Progress):
            if event.sent_s < self._sent_s + _PROGRESS_S:
                return
            self._sent_s = event.sent_s
        self._write(self._descriptor, event_line(event, 0.0, channel=channel).encode("utf-8"))


def journal_of(output: Path) -> Path:
    """Return where the journal of this document is."""
    return output.with_name(f".{output.name}.voxctl-journal")


def _unsaid(text: str) -> None:
    """Say nothing."""


@contextmanager
def open_journal(output: Path, heading: Heading, say: Callable[[str], None] = _unsaid) -> Iterator[Journal]:
    """Keep the journal of ``output`` while open; it is removed at the end unless it is still needed.

    One that was left there since ``recover`` is recovered too. Raises ``UsageError`` when it cannot be opened, or
    another voxctl has it open.
    """
    places = Places("--output", ())
    path = journal_of(output)
    descriptor = _opened(output, path, say)
    journal = Journal(path, descriptor, places.send)
    try:
        first = {"type": "journal", **{name: getattr(heading, name) for name in heading.__slots__}}
        places.send(descriptor, (json_line(first) + "\n").encode("utf-8"))
        yield journal
    finally:
        if not journal.needed:
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _opened(output: Path, path: Path, say: Callable[[str], None]) -> int:
    """Return a descriptor of the journal, ours alone and empty. Raises ``UsageError`` when another one writes it."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    places = Places("--output", ())
    while True:
        with places.usable(path):
            descriptor = os.open(path, flags, 0o600)
        ours = False
        try:
            if _taken(descriptor, path):
                if not os.fstat(descriptor).st_size:
                    os.fchmod(descriptor, 0o600)
                    ours = True
                    return descriptor
                _recover_one(output, path, say)
        except OSError as exc:
            raise places.failed(path, exc) from exc
        finally:
            if not ours:
                os.close(descriptor)


def _taken(descriptor: int, path: Path) -> bool:
    """Lock the journal and return whether it is still the one at ``path``: a run that ended may have removed it between
    our opening it and locking it, and what is written to it then is nobody's. Raises ``UsageError`` when it is locked.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise _busy(path) from exc
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _busy(path: Path) -> UsageError:
    return UsageError(
        f"another voxctl is writing {path.name.removeprefix('.').removesuffix('.voxctl-journal')}",
        hint="wait for it, or name another file with --output.",
    )


def recover(outputs: Sequence[Path], say: Callable[[str], None]) -> None:
    """Make documents of the journals that commands left behind which wrote to ``outputs`` and were cut off.

    Raises ``UsageError`` when a journal's command still runs, and ``OutputError`` when the document cannot be written;
    the journal stays then.
    """
    for output in outputs:
        path = journal_of(output)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            continue  # there is none, or none of ours
        try:
            if _taken(descriptor, path):  # else its own run has ended well meanwhile
                _recover_one(output, path, say)
        except OSError as exc:
            raise Places("--output", ()).failed(path, exc) from exc
        finally:
            os.close(descriptor)


def _recover_one(output: Path, journal: Path, say: Callable[[str], None]) -> None:
    heading, transcript = read_journal(journal)
    if heading and transcript.words:
        target = free_name(output, "recovered")
        document = export(transcript, heading.format, target=heading.target, timestamps=heading.timestamps)
        places = Places("--output", ())
        with places.usable(target):
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            write_all(descriptor, document.encode("utf-8", errors="backslashreplace"))
        except OSError as exc:
            raise places.failed(target, exc) from exc
        finally:
            os.close(descriptor)
        n_words = len(transcript.words)
        say(f"an earlier run was cut off: its {n_words} words of {heading.source} are in {target}")
    if heading or not journal.stat().st_size:
        journal.unlink(missing_ok=True)
        return
    kept = free_name(output.with_suffix(".voxctl-journal"), "recovered")
    journal.rename(kept)
    say(f"an earlier run was cut off, and its journal cannot be read; it is kept as {kept}")


def read_journal(path: Path) -> tuple[Heading | None, Transcript | Conversation]:
    """Return what a journal holds, as far as it can be read: its last line may have been cut."""
    lines = [line for text in path.read_bytes().split(b"\n") if (line := _parsed(text)) is not None]
    heading = _heading(lines[0]) if lines else None
    if heading is None:
        return None, Transcript()
    transcript: Transcript | Conversation = Transcript(heading.source)
    if heading.speakers is not None:
        transcript = Conversation(heading.speakers, heading.source)
    for line in lines[1:]:
        with suppress(KeyError, TypeError, ValueError, IndexError):
            if event := event_of(line):
                heard = transcript if isinstance(transcript, Transcript) else transcript.channels[line["channel"] - 1]
                heard.apply(event)
    return heading, transcript


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def _heading(line: dict[str, Any]) -> Heading | None:
    try:
        speakers = line["speakers"]
        names = tuple(map(str, speakers)) if speakers is not None else None
        form = Format(line["format"])
        return Heading(str(line["source"]), str(line["target"]), form, bool(line["timestamps"]), names)
    except (KeyError, TypeError, ValueError):
        return None
