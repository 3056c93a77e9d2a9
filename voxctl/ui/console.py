"""How to show: the one place that looks at what the streams and the environment can do."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Display:
    """``screen`` is the terminal that captions are drawn on, ``None`` for plain output. ``colour``: it may be used.

    ``reflows``: the terminal breaks rows that no longer fit when it becomes narrower, as all but a few do.
    """

    screen: TextIO | None
    colour: bool = False
    reflows: bool = True


def display_for(out: TextIO, err: TextIO, environment: Mapping[str, str]) -> Display:
    """Decide between captions and plain output.

    Captions need a terminal that obeys and can show UTF-8. With stdout going to a file, stderr's terminal shows the
    status line; with stdout going to a pipe nothing is drawn, because its reader may write to the same terminal.
    """
    if environment.get("TERM", "") in ("", "dumb", "unknown"):
        return Display(None)
    screen = out if out.isatty() else err if err.isatty() and not _is_piped(out) else None
    if screen is None or not _is_utf8(screen):
        return Display(None)
    return Display(screen, colour=not environment.get("NO_COLOR"), reflows=_reflows(environment))


def _is_piped(stream: TextIO) -> bool:
    try:
        mode = os.fstat(stream.fileno()).st_mode
    except (OSError, ValueError):  # no file at all: text kept in memory
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


def _reflows(environment: Mapping[str, str]) -> bool:
    """Return whether rows are broken, not cut, when the terminal becomes narrower. None says so itself."""
    if "TMUX" in environment:
        return True
    return "XTERM_VERSION" not in environment and not environment["TERM"].startswith(("screen", "st", "linux", "rxvt"))


def _is_utf8(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "").replace("_", "") == "utf8"
