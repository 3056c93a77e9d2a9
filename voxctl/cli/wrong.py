"""A wrong value, in one line: where it stands, what is allowed there, and what to say instead."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

from voxctl.errors import UsageError


def allowed(option: Any) -> str:
    """Return what an option takes, in words."""
    kind, info = option.type_descriptor.annotation, option.type_descriptor.parameter_info
    if issubclass(kind, Enum):
        *names, last = (str(member.value) for member in kind)
        return f"{', '.join(names)} or {last}"
    if kind is bool:
        return "true or false"
    if kind not in (int, float):
        return "a text"
    what = "a whole number" if kind is int else "a number"
    if info.min is None:
        return what
    return f"{what} from {info.min} to {info.max}" if info.max is not None else f"{what}, {info.min} or more"


def refused(option: Any, where: str, value: object, said: str) -> UsageError:
    """Return the error for a value of the wrong kind or out of range.

    ``where`` is the place it stands at, and ``said`` how a value is given there: ``VOXCTL_RATE={}``.
    """
    example = _example(option)
    about = (option.help or "").partition(". ")[0].rstrip(".")
    hint = said.format(example) if example else f"{option.opts[0]}: {about}."
    return UsageError(f"{where} takes {allowed(option)}, not {str(value)!r:.80}", hint=hint)


def _example(option: Any) -> str:
    kind, usual = option.type_descriptor.annotation, option.default
    if issubclass(kind, Enum):
        return str(usual.value if usual else next(iter(kind)).value)
    if kind is bool:
        return "true"
    usual = usual if usual is not None else option.show_default
    try:
        return f"{float(usual):g}" if not isinstance(usual, bool) else ""
    except (TypeError, ValueError):
        return ""


def elsewhere(error: UsageError, flag: str, where: str, name: str) -> UsageError:
    """Return an error that speaks of ``flag`` as one that speaks of ``where`` the value stands, ``name`` for short."""
    spoken_of = re.compile(re.escape(flag) + r"(?![\w-])")
    message = spoken_of.sub(lambda _: where, error.message)
    if message == error.message:
        message = f"{where}: {message}"
    return UsageError(message, hint=spoken_of.sub(lambda _: name, error.hint or "") or None)
