"""The options that say what is masked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voxctl.cli.parsing import judged_by
from voxctl.errors import UsageError
from voxctl.redact.choice import Choice
from voxctl.redact.kinds import Kind

_ALL = "all"
_KINDS = ", ".join([*Kind, _ALL])
#: A list that is longer is not one that a person has written.
_MOST_WORDS = 10_000


def parse_kinds(text: str) -> frozenset[Kind]:
    """Return the kinds of a list with commas; ``all`` is each of them, nothing none."""
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if _ALL in names:
        return frozenset(Kind)
    for name in names:
        if name not in list(Kind):
            raise UsageError(f"--redact {name!r} is nothing that can be masked", hint=f"there are {_KINDS}.")
    return frozenset(map(Kind, names))


def _kinds(incomplete: str) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [before + comma + kind for kind in [*Kind, _ALL] if kind.startswith(last)]


RedactOpt = Annotated[
    str | None,
    typer.Option(
        "--redact",
        metavar="KINDS",
        envvar="VOXCTL_REDACT",
        show_envvar=False,
        callback=judged_by(parse_kinds),
        autocompletion=_kinds,
        help="Mask these before anything is shown or written: card, phone, email, ssn, iban, ip, digits (every number "
        "of four digits or more), or all.",
    ),
]
RedactPatternOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--redact-pattern",
        metavar="NAME=REGEX",
        show_default=False,
        help="Mask what matches as [NAME] too; may be given several times.",
    ),
]
RedactWordsOpt = Annotated[
    Path | None,
    typer.Option(
        "--redact-words",
        metavar="FILE",
        envvar="VOXCTL_REDACT_WORDS",
        show_envvar=False,
        help="Mask the words and phrases of this file too, one a line.",
    ),
]


def parse_redaction(kinds: str | None, patterns: list[str] | None, words: Path | None) -> Choice | None:
    """Return what is to be masked, ``None`` for nothing. Raises ``UsageError``."""
    named: dict[str, str] = {}
    for pattern in patterns or ():
        name, equals, expression = pattern.partition("=")
        if not equals or not expression:
            raise UsageError(
                f"--redact-pattern {pattern!r} is no NAME=REGEX", hint="as in --redact-pattern MRN='MRN-?[0-9]{6}'."
            )
        named[name] = expression
    chosen = Choice(parse_kinds(kinds or ""), _words_of(words), named)
    return chosen if chosen.kinds or chosen.words or chosen.patterns else None


def _words_of(path: Path | None) -> tuple[str, ...]:
    if path is None or path == Path():  # an empty text takes back what a file says
        return ()
    try:
        lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as exc:
        reason = (exc.strerror if isinstance(exc, OSError) else None) or "it is no UTF-8 text"
        raise UsageError(f"--redact-words {path} cannot be read: {reason}", hint="name a file of words.") from exc
    words = tuple(line for line in lines if line and not line.startswith("#"))
    if len(words) > _MOST_WORDS or not words:
        how_many = f"{len(words)} lines" if words else "no words"
        raise UsageError(f"--redact-words {path} has {how_many}", hint=f"it takes 1 to {_MOST_WORDS}.")
    return words
