"""Lengths of time as people type them: ``90s``, ``30m``, ``4h``, ``1h30m``, ``2d``."""

from __future__ import annotations

import re

from voxctl.errors import UsageError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_PART = re.compile(r"(\d+)([smhd])")


def parse_duration(text: str, option: str, *, least_s: int = 1, most_s: int = 365 * 86_400) -> int:
    """Return the seconds that ``option`` says. Raises ``UsageError`` for no time, or one that is out of range."""
    parts = _PART.findall(text.lower())
    if not parts or "".join(n + unit for n, unit in parts) != text.lower():
        raise UsageError(
            f"{option} {text!r:.40} is no length of time", hint=f"as in {option} 90s, 30m, 4h, 1h30m or 2d."
        )
    found = sum(int(n) * _UNITS_S[unit] for n, unit in parts)
    if not least_s <= found <= most_s:
        raise UsageError(
            f"{option} takes {shown_duration(least_s)} to {shown_duration(most_s)}, not {text}",
            hint=f"as in {option} {shown_duration(max(least_s, 3600))}.",
        )
    return found


def shown_duration(seconds: float) -> str:
    """Return a length of time in its two largest units: ``3h 5m``."""
    left, parts = max(0, round(seconds)), []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        n, left = divmod(left, size)
        if n:
            parts.append(f"{n}{unit}")
    return " ".join(parts[:2]) or "0s"
