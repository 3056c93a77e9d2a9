"""What the configuration files say: found, read, judged by their form, and laid over each other.

A *setting* is a key such as ``chunk_ms``. At the top of a file it holds for every command that has it; in a table named
for a command, ``[serve]``, for that command; below ``[profiles.NAME]``, the same two again, while that profile is used.
"""

from __future__ import annotations

import difflib
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from voxctl.errors import UsageError

PROJECT_FILE = "voxctl.toml"
PROFILES = "profiles"
#: The setting that no shared file may hold and nobody else may read.
SECRET = "api_key"
#: What no shared file may hold, and why. A program: a cloned repository could run what it likes.
_NOT_SHARED = {
    SECRET: "a secret, and this file is for everybody in the project; if it was shared, have the key changed",
    "vllm": "a program to run, which is not for a project to choose",
}
#: Options that are no settings, as they concern one command line.
_TYPED = ("output", "events", "insecure", "json", "use", "realtime")
_MOST_BYTES = 1_000_000

type _Keys = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """One file and what is in it. ``name`` is its path as a person would write it.

    ``shared``: it belongs to a project, so others may have written it. ``found``: it exists. ``private``: nobody but
    its owner can read it.
    """

    path: Path
    name: str
    shared: bool
    found: bool = True
    private: bool = True
    table: Mapping[str, object] = field(default_factory=dict)

    @property
    def profiles(self) -> list[str]:
        """The names of its profiles, in order."""
        profiles = self.table.get(PROFILES)
        return list(profiles) if isinstance(profiles, dict) else []


@dataclass(frozen=True, slots=True)
class Entry:
    """One setting in a file. ``place`` is its name there, tables included; ``None``: for any command, no profile.

    ``fault`` is what is wrong with its value, for whoever wants to see them all.
    """

    file: ConfigFile
    place: str
    key: str
    value: object
    command: str | None = None
    profile: str | None = None
    fault: UsageError | None = None

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """The lowest is obeyed: a profile before none, the project before the user, one command's before any's."""
        return self.profile is None, not self.file.shared, self.command is None

    @property
    def where(self) -> str:
        """Where it stands, for people."""
        return self.file.name if self.profile is None else f"--use {self.profile}: {self.file.name}"


def read_files(folder: Path | None, environment: Mapping[str, str]) -> tuple[ConfigFile, ...]:
    """Return the project's file and the user's, in this order; one that is not there is empty and not ``found``.

    The project's is the nearest at or above ``folder``. The user's need not be there unless ``VOXCTL_CONFIG`` names
    it, and is left out where there is no home either. Raises ``UsageError`` for one that cannot be read or trusted.
    """
    user, named = _user_path(environment)
    files = []
    if folder is not None:
        path = _project_path(folder)
        if path is None:
            files.append(ConfigFile(folder / PROJECT_FILE, PROJECT_FILE, shared=True, found=False))
        elif user is None or not _same(path, user):
            files.append(_read(path, PROJECT_FILE if path.parent == folder else str(path), shared=True))
    if user is not None:
        found = named or os.path.lexists(user)
        files.append(_read(user, str(user), shared=False) if found else ConfigFile(user, str(user), False, found=False))
    return tuple(files)


def _user_path(environment: Mapping[str, str]) -> tuple[Path | None, bool]:
    if named := environment.get("VOXCTL_CONFIG"):
        return Path(named), True
    folder = environment.get("XDG_CONFIG_HOME", "")
    if not folder.startswith("/"):  # a relative one is to be ignored, says its specification
        home = environment.get("HOME", "")
        if not home.startswith("/"):
            return None, False
        folder = f"{home}/.config"
    return Path(folder) / "voxctl" / "config.toml", False


def _project_path(folder: Path) -> Path | None:
    for above in (folder, *folder.parents):
        if os.path.lexists(above / PROJECT_FILE):
            return above / PROJECT_FILE
    return None


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _read(path: Path, name: str, *, shared: bool) -> ConfigFile:
    try:
        with open(path, "rb", opener=_unblocked) as file:
            status = os.fstat(file.fileno())
            _check_trust(path, name, status, shared)
            data = file.read(_MOST_BYTES + 1)
    except OSError as exc:
        what = "it is a folder" if isinstance(exc, IsADirectoryError) else (exc.strerror or str(exc)).lower()
        raise UsageError(f"{name} cannot be read: {what}", hint=_READABLE) from exc
    if len(data) > _MOST_BYTES:
        raise UsageError(f"{name} is too large for a configuration file", hint=_READABLE)
    private = not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    return ConfigFile(path, name, shared, private=private, table=_parsed(data, name) if data else {})


_READABLE = "a configuration file is a text file in TOML; VOXCTL_CONFIG=/dev/null goes without the user's."


def _unblocked(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a named pipe of this name would hold the program up


def _check_trust(path: Path, name: str, status: os.stat_result, shared: bool) -> None:
    null = stat.S_ISCHR(status.st_mode) and _same(path, Path(os.devnull))
    if not stat.S_ISREG(status.st_mode) and not null:
        raise UsageError(f"{name} cannot be read: it is no file", hint=_READABLE)
    if shared and status.st_uid not in (os.geteuid(), 0):
        raise UsageError(
            f"{name} belongs to another user, who could choose where your audio is sent",
            hint=f"if you trust it, say so with VOXCTL_CONFIG={path}, or make it yours with chown.",
        )


def _parsed(data: bytes, name: str) -> dict[str, object]:
    import tomllib  # here because most runs have no file to read

    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as exc:
        raise UsageError(f"{name} is not UTF-8: byte {exc.start + 1} cannot be read", hint=_READABLE) from exc
    except (ValueError, RecursionError) as exc:
        raise UsageError(
            f"{name} is not TOML: {exc}", hint='a line of it looks like speed = 4 or model = "name".'
        ) from exc


def entries_of(file: ConfigFile, keys: Mapping[str, Collection[str]]) -> list[Entry]:
    """Return every setting in a file. ``keys`` are the settings each command has.

    Raises ``UsageError`` for what is no setting, is given twice, or is a key in the wrong place.
    """
    found = []
    for entry in _flat(file, file.table, keys):
        if file.shared and (why := _NOT_SHARED.get(entry.key)):
            hint = f"set VOXCTL_{entry.key.upper()}, or put it in your own file (`voxctl config` names it)."
            raise UsageError(f"{file.name}: {entry.place} is {why}", hint=hint)
        if entry.key == SECRET and not file.private:
            raise UsageError(
                f"{file.name}: {entry.place} is a secret, and others can read this file", hint=f"chmod 600 {file.path}"
            )
        found.append(entry)
    return found


def _flat(file: ConfigFile, table: Mapping[str, object], keys: _Keys, above: tuple[str, ...] = ()) -> Iterator[Entry]:
    """Yield what stands in a table and those in it; ``above`` is empty, (COMMAND,), (PROFILES, NAME) or all three."""
    profile = above[1] if len(above) > 1 else None
    command = above[-1] if len(above) % 2 else None
    known = set(keys[command]) if command else set().union(*keys.values())
    seen: set[str] = set()
    for written, value in table.items():
        key, place = written.replace("-", "_"), ".".join((*above, written))
        if command is None and written in keys:
            yield from _flat(file, _table(file, place, value), keys, (*above, written))
        elif written == PROFILES and not above:
            for name, inner in _table(file, place, value).items():
                yield from _flat(file, _table(file, f"{place}.{name}", inner), keys, (PROFILES, name))
        elif key not in known:
            tables = set() if command else set(keys) if above else {*keys, PROFILES}
            raise _unknown(file, place, key, known, tables)
        elif key in seen:
            raise UsageError(f"{file.name}: {place} is given twice", hint="once with _ or once with -, not both.")
        else:
            seen.add(key)
            yield Entry(file, place, key, value, command, profile)


def _table(file: ConfigFile, place: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise UsageError(f"{file.name}: {place} is a table", hint=f"begin it with a line [{place}].")
    return value


def _unknown(file: ConfigFile, place: str, key: str, names: Set[str], tables: Set[str]) -> UsageError:
    nearest = next(iter(difflib.get_close_matches(key, sorted(names | tables), n=1)), None)
    hint = f"did you mean {nearest}?" if nearest else "`voxctl config` lists them all."
    if key in _TYPED:
        hint = f"--{key} is for one command line: type it." + (" speed = 1 does the same." * (key == "realtime"))
    elif nearest in tables:
        hint = f"did you mean a table [{nearest}{'.NAME' * (nearest == PROFILES)}]?"
    return UsageError(f"{file.name}: {place} is no setting", hint=hint)


def profiles_of(files: Sequence[ConfigFile]) -> list[str]:
    """Return the names of all profiles, each once."""
    return list(dict.fromkeys(name for file in files for name in file.profiles))


def check_profile(name: str, files: Sequence[ConfigFile]) -> None:
    """Raise ``UsageError`` if no file has a profile of that name."""
    if name not in (there := profiles_of(files)):
        hint = f"there are: {', '.join(there)}" if there else f"a table [profiles.{name}] in {PROJECT_FILE} makes one."
        raise UsageError(f"no profile is named {name}", hint=hint)


def layered(entries: Iterable[Entry], command: str, keys: Collection[str], profile: str | None) -> dict[str, Entry]:
    """Return the one entry that holds for each setting of ``command`` that the files say anything about."""
    holding: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.rank):
        if entry.command in (None, command) and entry.profile in (None, profile) and entry.key in keys:
            holding.setdefault(entry.key, entry)
    return holding
