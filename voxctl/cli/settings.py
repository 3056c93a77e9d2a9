"""From files and environment to options: what a command line leaves open, and where each value came from.

A setting is an option with an environment variable ``VOXCTL_…``; its declaration is the only place that lists it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from voxctl.cli.wrong import elsewhere, refused
from voxctl.config import ConfigFile, Entry, check_profile, entries_of, layered, profiles_of, read_files
from voxctl.errors import UsageError, VoxError

_META = "voxctl.settings"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the files say. ``commands`` has the options of every command that are settings, by key."""

    files: tuple[ConfigFile, ...]
    entries: tuple[Entry, ...]
    profile: str | None
    commands: Mapping[str, dict[str, Any]]

    def of(self, command: str) -> dict[str, Entry]:
        """Return the entry that holds for each setting of a command that the files say anything about."""
        return layered(self.entries, command, self.commands.get(command, {}), self.profile)

    def default_map(self, command: str) -> dict[str, Any]:
        """Return the same as the values of the command's parameters."""
        options = self.commands.get(command, {})
        held = self.of(command).items()
        return {options[key].name: typed(entry, options[key]) for key, entry in held if not entry.fault}


def key_of(option: Any) -> str:
    """Return an option's name in a file: its longest one, without dashes."""
    return str(max(option.opts, key=len)).lstrip("-").replace("-", "_")


def settings_of(command: Any) -> dict[str, Any]:
    """Return the options of a command that are settings, by key."""
    options = (p for p in command.params if str(p.envvar or "").startswith("VOXCTL_") and p.name != "use")
    return {key_of(option): option for option in options}


class _ByCommand(Mapping[str, dict[str, Any]]):
    """The settings of each command. Only a file, or somebody who wants to see them all, makes commands be loaded."""

    def __init__(self, commands: Mapping[str, Any]) -> None:
        self._commands = commands

    def __getitem__(self, name: str) -> dict[str, Any]:
        return settings_of(self._commands[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._commands)

    def __len__(self) -> int:
        return len(self._commands)


def typed(entry: Entry, option: Any) -> str | bool:
    """Return a file's value as it would be typed, so that one set of rules judges both."""
    value = entry.value
    flag = bool(option.is_flag)
    if not isinstance(value, bool if flag else str | int | float) or isinstance(value, bool) != flag:
        wanted = "true or false" if flag else "a text or a number"
        example = f"{entry.key} = true" if flag else f'{entry.key} = "text"'
        raise UsageError(f"{entry.file.name}: {entry.place} takes {wanted}", hint=f"as in {example}.")
    return value if isinstance(value, bool) else str(value)


def read_settings(ctx: typer.Context, profile: str | None, *, mark: bool = False) -> Settings:
    """Read the files and judge everything in them by the rules of the options. Raises ``UsageError``.

    With ``mark`` a wrong value does not raise: its entry has a ``fault``.
    """
    group = cast(Any, ctx.find_root().command)
    commands = _ByCommand(group.commands)
    files = read_files(_folder(), os.environ)
    if profile is not None:
        check_profile(profile, files)
    entries = []
    for file in files:
        for entry in entries_of(file, commands):
            for command in [entry.command] if entry.command else list(commands):
                if option := commands[command].get(entry.key):
                    entry = _judged(ctx, entry, option, mark)
            entries.append(entry)
    return Settings(files, tuple(entries), profile, commands)


def _folder() -> Path | None:
    try:
        return Path.cwd()
    except OSError:  # it was removed while we stand in it
        return None


def _judged(ctx: typer.Context, entry: Entry, option: Any, mark: bool) -> Entry:
    try:
        value = _accepted(ctx, entry, option)
    except UsageError as exc:
        if not mark:
            raise
        return replace(entry, fault=entry.fault or exc)
    if isinstance(value, Path):  # a path in a file is meant from where the file is
        return replace(entry, value=str(entry.file.path.absolute().parent / value.expanduser()))
    return entry


def _accepted(ctx: typer.Context, entry: Entry, option: Any) -> Any:
    text = typed(entry, option)
    where = f"{entry.file.name}: {entry.place}"
    try:
        return option.process_value(ctx, text) if text != "" else text
    except typer.BadParameter as exc:
        said = f"{entry.key} = {{}}" if isinstance(entry.value, int | float) else f'{entry.key} = "{{}}"'
        raise refused(option, where, entry.value, said) from exc
    except UsageError as exc:
        raise elsewhere(exc, option.opts[0], where, entry.key) from exc


def _use(ctx: typer.Context, profile: str | None) -> str | None:
    if not ctx.resilient_parsing:
        settings = read_settings(ctx, profile or None, mark=ctx.info_name == "config")
        ctx.meta[_META] = settings
        ctx.default_map = settings.default_map(str(ctx.info_name))
    return profile


def _profiles(incomplete: str) -> list[str]:
    """Return the names of profiles for a shell; a file that cannot be read has none, and must not be told of here."""
    try:
        names = profiles_of(read_files(_folder(), os.environ))
    except VoxError:
        return []
    return [name for name in names if name.startswith(incomplete) and name.isprintable()]


#: Its callback must run before the options it is for are read, and after --help has left: it is declared first.
UseOpt = Annotated[
    str | None,
    typer.Option(
        "--use",
        envvar="VOXCTL_USE",
        show_envvar=False,
        metavar="PROFILE",
        callback=_use,
        autocompletion=_profiles,
        help="Take the settings of this profile; `voxctl config` shows them.",
    ),
]


def settings_read(ctx: typer.Context) -> Settings:
    """Return what the files of this command line say. Raises ``KeyError`` where they were not asked."""
    return cast(Settings, ctx.meta[_META])


def are_read(ctx: typer.Context) -> bool:
    """Return whether the command has the option ``--use``, given or not."""
    return _META in ctx.meta
