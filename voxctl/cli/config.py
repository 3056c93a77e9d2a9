"""``voxctl config``: every setting, its value, and where that came from."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import typer

from voxctl.cli.options import JsonOpt
from voxctl.cli.settings import Settings, UseOpt, settings_read
from voxctl.config import SECRET, ConfigFile, profiles_of
from voxctl.errors import UsageError
from voxctl.ui.plain import PlainView
from voxctl.ui.streams import product, weather
from voxctl.ui.table import table

_HIDDEN = "set, hidden"
_NOT_SET = "-"


@dataclass(frozen=True, slots=True)
class _Row:
    """One setting of one command. ``source`` is ``env``, ``profile``, ``project``, ``user`` or ``default``."""

    key: str
    command: str
    value: str | int | bool | None
    source: str
    where: str


def config(ctx: typer.Context, use: UseOpt = None, json_: JsonOpt = False) -> None:
    """Show every setting and where it came from: an option, VOXCTL_…, ./voxctl.toml, the user's file, the default.

    A setting is the option of the same name: --chunk-ms is VOXCTL_CHUNK_MS in the environment and chunk_ms in a file.
    """
    settings = settings_read(ctx)
    rows = [row for command in settings.commands for row in _rows(ctx, settings, command)]
    view = PlainView(product(sys.stdout), weather(sys.stderr), live=False)
    view.document(_json(settings, rows) if json_ else _text(settings, rows))


def _rows(ctx: typer.Context, settings: Settings, name: str) -> Iterator[_Row]:
    group: Any = ctx.find_root().command
    inner: Any = type(ctx)(group.commands[name], parent=ctx.parent, info_name=name)
    inner.default_map = settings.default_map(name)
    held = settings.of(name)
    for key, option in settings.commands[name].items():
        given, found = option.consume_value(inner, {})
        match found.name:
            case "ENVIRONMENT":
                inner.set_parameter_source(option.name, found)
                source, where = "env", str(option.envvar)
            case "DEFAULT_MAP":
                entry = held[key]
                source = "profile" if entry.profile is not None else "project" if entry.file.shared else "user"
                where = entry.where
            case _:
                source = where = "default"
        try:
            value = option.process_value(inner, given)
        except typer.BadParameter as exc:
            raise UsageError(f"{where}: {exc.message}", hint=f"`voxctl {name} --help`") from exc
        yield _Row(key, name, _shown(key, value, option), source, where)


def _shown(key: str, value: Any, option: Any) -> str | int | bool | None:
    if key == SECRET:
        return _HIDDEN if value else None
    if value is None or value == "":
        return option.show_default if isinstance(option.show_default, str) else None
    if key == "url":
        return _without_secrets(value)
    if isinstance(value, Enum):
        return str(value.value)
    return value if isinstance(value, bool | int) else str(value)


def _without_secrets(url: str) -> str:
    try:
        parts = urlsplit(url)
        place = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=place, query="", fragment=""))
    except ValueError:  # no URL at all, which `voxctl transcribe` says
        return url


def _text(settings: Settings, rows: list[_Row]) -> str:
    lines = []
    for key in dict.fromkeys(row.key for row in rows):
        same = [row for row in rows if row.key == key]
        if len({(row.value, row.where) for row in same}) == 1:
            lines.append((key, _plain(same[0].value), same[0].where))
        else:
            lines += [(f"{row.command}.{key}", _plain(row.value), row.where) for row in same]
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    read = [(file.name, _kind(file), "read" if file.found else "not there") for file in settings.files] or [
        ("no files", "", "")
    ]
    profiles = [f"{n} (in use)" if n == settings.profile else n for n in profiles_of(settings.files)]
    parts = [table(lines, width), table(read, width), [f"profiles: {', '.join(profiles) or 'none'}"]]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _plain(value: str | int | bool | None) -> str:
    if value is None:
        return _NOT_SET
    return str(value).lower() if isinstance(value, bool) else str(value)


def _kind(file: ConfigFile) -> str:
    if not file.shared:
        return "yours"
    return "the project's" if file.found else "the project's, here or above"


def _json(settings: Settings, rows: list[_Row]) -> str:
    document = {
        "use": settings.profile,
        "settings": [
            {"name": r.key, "command": r.command, "value": r.value, "source": r.source, "where": r.where} for r in rows
        ],
        "files": [
            {"path": os.fspath(file.path), "kind": "project" if file.shared else "user", "found": file.found}
            for file in settings.files
        ],
        "profiles": profiles_of(settings.files),
    }
    return json.dumps(document, ensure_ascii=False)
