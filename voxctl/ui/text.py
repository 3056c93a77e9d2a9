"""Text of others on our screen: file names and servers' words are data, never terminal commands."""

from __future__ import annotations

import re

# C0 and C1 controls, DEL, and the characters that reorder a line; new line and tab stay.
_UNSAFE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return ``text`` with everything that could command a terminal replaced by U+FFFD."""
    return _UNSAFE.sub("\ufffd", text)


def counted(n: int, what: str) -> str:
    """Return ``1 stream`` or ``2 streams``."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def soon(delay_s: float) -> str:
    """Return when something happens, for somebody who waits for it."""
    return "in a moment" if delay_s < 1 else f"in {delay_s:.1f} s"


def one_line(text: str) -> str:
    """Return ``text`` safe for a terminal and on one line."""
    return printable(" ".join(text.split()))
