"""Variables of the environment that look like settings of ours and are none: a typo that would cost an hour."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

_PREFIX = "VOXCTL_"
#: Those that are no option: the user's file, and what the Makefile reads.
_NO_OPTIONS = frozenset({"VOXCTL_CONFIG", "VOXCTL_PYTHON"})


def variables_of(commands: Iterable[Any]) -> frozenset[str]:
    """Return the variables that these commands read."""
    return _NO_OPTIONS | {str(param.envvar) for command in commands for param in command.params if param.envvar}


def unknown_in(environment: Mapping[str, str], own: Any, commands: Mapping[str, Any]) -> dict[str, str | None]:
    """Return what begins as our variables do and is none, each with the nearest that is one, if any is near.

    Commands are made to be asked only when ``own``, the one that runs, does not explain every variable.
    """
    ours = {name for name in environment if name.startswith(_PREFIX)} - variables_of([own])
    known = variables_of(commands.values()) if ours else frozenset()
    return {name: _nearest(name, known) for name in sorted(ours - known)}


def _nearest(name: str, known: Iterable[str]) -> str | None:
    bare = [one.removeprefix(_PREFIX) for one in known]
    near = difflib.get_close_matches(name.removeprefix(_PREFIX), bare, 1)
    return _PREFIX + near[0] if near else None


def unknown_text(name: str, nearest: str | None) -> str:
    """Return the line that a person reads about an unknown variable."""
    return f"{name} is no variable of voxctl; " + (f"did you mean {nearest}?" if nearest else "nothing reads it")
