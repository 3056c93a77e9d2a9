"""A session's events as JSON Lines, for ``--events`` and for journals: what happened, in order, as it happened."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from voxctl.errors import VoxError
from voxctl.events import Event, Usage, Word, Words
from voxctl.transcript.text import json_line


def event_line(event: Event, elapsed_s: float, *, source: str | None = None, channel: int | None = None) -> str:
    """Return the line of ``event``, newline included; its schema is ``events.schema.json`` beside this file.

    ``type`` is the event's name in snake_case, ``elapsed_s`` the seconds since the session began, ``source`` and
    ``channel`` say what is listened to; the rest are the event's fields. Seconds have three decimals.
    """
    return _line(type_name(type(event)), elapsed_s, source, channel, _plain(event))


def event_of(line: dict[str, Any]) -> Event | None:
    """Return the event that a line of ``event_line``, parsed, holds; ``None`` for another line.

    Raises ``KeyError``, ``TypeError`` or ``ValueError`` for a line that only looks like one.
    """
    kind = _KINDS.get(line.get("type", ""))
    if kind is None:
        return None
    values = {field.name: line[field.name] for field in fields(kind)}
    if kind is Words:
        values["words"] = tuple(Word(**word) for word in values["words"])
    if "usage" in values:
        values["usage"] = Usage(**values["usage"])
    event: Event = kind(**values)
    return event


def failure_line(error: VoxError, elapsed_s: float, *, source: str | None = None, channel: int | None = None) -> str:
    """Return the line for what ended a session early."""
    told = {"message": error.message, "hint": error.hint, "exit_code": error.exit_code}
    return _line("failed", elapsed_s, source, channel, {"error": type_name(type(error)), **told})


def _line(kind: str, elapsed_s: float, source: str | None, channel: int | None, rest: dict[str, Any]) -> str:
    return (
        json_line({"type": kind, "elapsed_s": round(elapsed_s, 3), "source": source, "channel": channel, **rest}) + "\n"
    )


def type_name(kind: type) -> str:
    """Return the name of a kind of event or error in these lines."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()


_KINDS: dict[str, type[Event]] = {type_name(kind): kind for kind in get_args(Event)}


def _plain(value: Any) -> Any:
    """Return dataclasses as objects and tuples as arrays; fields in seconds are rounded to milliseconds."""
    if is_dataclass(value):
        return {field.name: _rounded(field.name, _plain(getattr(value, field.name))) for field in fields(value)}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


def _rounded(name: str, value: Any) -> Any:
    return round(value, 3) if name.endswith("_s") and isinstance(value, float) else value
