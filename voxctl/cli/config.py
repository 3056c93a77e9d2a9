"""``voxctl config``: every setting, its value, and where that came from."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import typer

from voxctl.cli.options import JsonOpt
from voxctl.cli.settings import Settings, UseOpt, settings_read
from voxctl.cli.variables import unknown_in, unknown_text
from voxctl.cli.wrong import refused
from voxctl.config import SECRET, ConfigFile, Entry, profiles_of
from voxctl.errors import UsageError
from voxctl.ui.plain import PlainView, show_error
from voxctl.ui.streams import product, weather
from voxctl.ui.table import table

_HIDDEN = "set, hidden"
_NOT_SET = "-"
#: Settings that are a number or one word.
_PERHAPS_NUMBERS = ("speed", "channel")

type _Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class _Row:
    """One setting of one command. ``source`` is ``env``, ``profile``, ``project``, ``user`` or ``default``.

    ``value`` is ``None`` where it is not set; ``stands_for`` says in words what holds then. A value with a ``fault`` is
    the text as it was given.
    """

    key: str
    command: str
    value: _Value
    source: str
    where: str
    stands_for: str
    fault: UsageError | None = None


def config(ctx: typer.Context, use: UseOpt = None, json_: JsonOpt = False) -> None:
    """Show every setting and where it came from: an option, VOXCTL_…, ./voxctl.toml, the user's file, the default.

    A setting is the option of the same name: --chunk-ms is VOXCTL_CHUNK_MS in the environment and chunk_ms in a file.
    """
    settings = settings_read(ctx)
    rows = [row for command in settings.commands for row in _rows(ctx, settings, command)]
    group: Any = ctx.find_root().command
    unknown = unknown_in(os.environ, ctx.command, group.commands)
    view = PlainView(product(sys.stdout), weather(sys.stderr), live=False)
    view.document(_json(settings, rows, unknown) if json_ else _text(settings, rows, unknown))
    # Those of profiles that are not in use too.
    faults = [entry.fault for entry in settings.entries if entry.fault] + [row.fault for row in rows if row.fault]
    *others, last = list({fault.message: fault for fault in faults}.values()) or (None,)
    for fault in others:
        show_error(fault, weather(sys.stderr))
    if last is not None:
        raise last


def _rows(ctx: typer.Context, settings: Settings, name: str) -> Iterator[_Row]:
    group: Any = ctx.find_root().command
    inner: Any = type(ctx)(group.commands[name], parent=ctx.parent, info_name=name)
    inner.default_map = settings.default_map(name)
    held = settings.of(name)
    for key, option in settings.commands[name].items():
        given, found = option.consume_value(inner, {})
        entry = held.get(key)
        fault, stands_for = None, option.show_default if isinstance(option.show_default, str) else _NOT_SET
        if found.name == "ENVIRONMENT":
            inner.set_parameter_source(option.name, found)
            source, where = "env", str(option.envvar)
        elif entry:
            source, where, fault = _source_of(entry), entry.where, entry.fault
        else:
            source = where = "default"
        try:
            value = _shown(key, entry.value if entry and fault else option.process_value(inner, given))
        except typer.BadParameter:
            value, fault = str(given), refused(option, where, given, f"{where}={{}}")
        except UsageError as exc:
            value, fault = str(given), exc
        yield _Row(key, name, value, source, where, stands_for, fault)


def _source_of(entry: Entry) -> str:
    return "profile" if entry.profile is not None else "project" if entry.file.shared else "user"


def _shown(key: str, value: Any) -> _Value:
    if key == SECRET:
        return _HIDDEN if value else None
    if value is None or value == "":
        return None
    if key == "url":
        return _without_secrets(str(value))
    if key in _PERHAPS_NUMBERS:
        with suppress(ValueError):
            value = float(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return value if isinstance(value, bool | int) else str(value.value if isinstance(value, Enum) else value)


def _without_secrets(url: str) -> str:
    try:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=place, query="", fragment=""))
    except ValueError:  # no URL at all, which `voxctl transcribe` says
        return url


def _text(settings: Settings, rows: list[_Row], unknown: dict[str, str | None]) -> str:
    lines = []
    for key in dict.fromkeys(row.key for row in rows):
        same = [row for row in rows if row.key == key]
        if len({(_plain(row), row.where) for row in same}) == 1:
            lines.append((key, _plain(same[0]), _where(same[0])))
        else:
            lines += [(f"{row.command}.{key}", _plain(row), _where(row)) for row in same]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    read = [(file.name, _kind(file), "read" if file.found else "not there") for file in settings.files] or [
        ("no files", "", "")
    ]
    profiles = [f"{n} (in use)" if n == settings.profile else n for n in profiles_of(settings.files)]
    parts = [table(lines, width), table(read, width), [f"profiles: {', '.join(profiles) or 'none'}"]]
    parts.append([unknown_text(name, nearest) for name, nearest in unknown.items()])
    return "\n\n".join("\n".join(part) for part in parts if part)


def _plain(row: _Row) -> str:
    if row.value is None:
        return row.stands_for
    return str(row.value).lower() if isinstance(row.value, bool) else str(row.value)


def _where(row: _Row) -> str:
    return f"{row.where}: wrong, see below" if row.fault else row.where


def _kind(file: ConfigFile) -> str:
    if not file.shared:
        return "yours"
    return "the project's" if file.found else "the project's, here or above"


def _json(settings: Settings, rows: list[_Row], unknown: dict[str, str | None]) -> str:
    document = {
        "use": settings.profile,
        "settings": [
            {
                "name": row.key,
                "command": row.command,
                "value": row.value,
                "source": row.source,
                "where": row.where,
                "fault": row.fault.message if row.fault else None,
            }
            for row in rows
        ],
        "files": [
            {"path": os.fspath(file.path), "kind": "project" if file.shared else "user", "found": file.found}
            for file in settings.files
        ],
        "profiles": profiles_of(settings.files),
        "unknown_variables": list(unknown),
    }
    return json.dumps(document, ensure_ascii=False)
