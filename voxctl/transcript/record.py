"""A session's events as JSON Lines, for ``--events``: what happened, in order, as it happened."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from typing import Any

from voxctl.events import Event
from voxctl.transcript.text import json_line


def event_line(event: Event, elapsed_s: float) -> str:
    """Return the line of ``event``, newline included; its schema is ``events.schema.json`` beside this file.

    ``type`` is the event's name in snake_case, ``elapsed_s`` the seconds since the session began; the rest are the
    event's fields. Seconds have three decimals.
    """
    return json_line({"type": type_name(type(event)), "elapsed_s": round(elapsed_s, 3), **_plain(event)}) + "\n"


def type_name(event: type) -> str:
    """Return the ``type`` of an event's lines."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower()


def _plain(value: Any) -> Any:
    """Return dataclasses as objects and tuples as arrays; fields in seconds are rounded to milliseconds."""
    if is_dataclass(value):
        return {field.name: _rounded(field.name, _plain(getattr(value, field.name))) for field in fields(value)}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


def _rounded(name: str, value: Any) -> Any:
    return round(value, 3) if name.endswith("_s") and isinstance(value, float) else value
