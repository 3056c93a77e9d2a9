"""Text of others in our files: what a server says is data, never the structure of a document."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

# What JSON allows raw inside a string and readers stumble over: DEL, C1 controls, line separators, lone surrogates.
_NOT_RAW = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def json_line(value: Any) -> str:
    """Return ``value`` as JSON on one line, in every script, without a raw control character."""
    return _NOT_RAW.sub(lambda match: f"\\u{ord(match.group()):04x}", json.dumps(value, ensure_ascii=False))


def one_line(text: str) -> str:
    """Return ``text`` on one line, with runs of white space as one space and controls as U+FFFD."""
    return _CONTROL.sub("\ufffd", " ".join(text.split()))


def encodable(text: str) -> str:
    """Return ``text`` with lone surrogates, which UTF-8 cannot hold, as U+FFFD."""
    return _SURROGATE.sub("\ufffd", text)


def columns(text: str) -> int:
    """Return the width of ``text``: East Asian wide characters count 2, every other character 1."""
    if text.isascii():
        return len(text)
    return len(text) + sum(unicodedata.east_asian_width(character) in "WF" for character in text)


def cut(text: str, most: int) -> list[str]:
    """Cut ``text`` into pieces of at most ``most`` columns (2 or more), not between a letter and its marks."""
    pieces = []
    while columns(text) > most:
        end = width = 0
        while width + columns(text[end]) <= most:
            width += columns(text[end])
            end += 1
        whole = end
        while whole > 0 and unicodedata.combining(text[whole]):
            whole -= 1
        end = whole or end
        pieces.append(text[:end])
        text = text[end:]
    return [*pieces, text]
