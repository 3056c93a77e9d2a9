"""What the stand-in keeps between two starts: its certificates and its key, in a folder only its owner can read.

The key stays the same so that what a user exported, or wrote into a profile, still works after a restart. It opens
nothing but a server on this machine's loopback address, and lies beside a private key that is worth as much.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from voxctl.errors import UsageError
from voxctl.serving.standin.authority import Issued, is_good, issue, today
from voxctl.serving.standin.signature import Key

_AUTHORITY, _SERVER, _KEY, _LOCK = "ca.pem", "server.pem", "key.json", "lock"
_FOLDER_MODE = 0o700
_ID, _SECRET = "access_key_id", "secret_access_key"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is in the folder: ``authority`` and ``server`` are PEM files, the second holds a private key."""

    authority: Path
    server: Path
    key: Key


def default_folder() -> Path:
    """Return where it is unless told otherwise: below ``XDG_STATE_HOME``, else ``~/.local/state``."""
    home = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "state"
    except RuntimeError as exc:
        raise UsageError("there is no home folder to keep certificates in", hint="set XDG_STATE_HOME.") from exc
    return base / "voxctl" / "stand-in"


def kept_in(folder: Path) -> Kept:
    """Return what is in ``folder``, made first where it is missing, broken or too old. Raises ``UsageError``.

    One process at a time does so; readers of the files see the old or the new one, never a part.
    """
    try:
        folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        folder.chmod(_FOLDER_MODE)
        with _locked(folder):
            _renew_certificates(folder)
            return Kept(folder / _AUTHORITY, folder / _SERVER, _key(folder / _KEY))
    except OSError as exc:
        raise UsageError(
            f"the stand-in's certificates cannot be kept in {folder}: {exc.strerror or exc}",
            hint="set XDG_STATE_HOME to a folder of yours that can be written.",
        ) from exc


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _renew_certificates(folder: Path) -> None:
    now = today()
    if not is_good(Issued(_read(folder / _AUTHORITY), _read(folder / _SERVER)), now):
        issued = issue(now)
        _write(folder / _AUTHORITY, issued.authority)
        _write(folder / _SERVER, issued.server)


def _key(path: Path) -> Key:
    try:
        document = json.loads(_read(path))
        return Key(str(document[_ID]), str(document[_SECRET]))
    except (ValueError, TypeError, KeyError):
        # The id is not one that AWS could have given: nobody takes it, or its secret, for a real one.
        key = Key(f"VOXCTL{secrets.token_hex(7).upper()}", secrets.token_hex(20))
        _write(path, json.dumps({_ID: key.access_key_id, _SECRET: key.secret_access_key}).encode())
        return key


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _write(path: Path, data: bytes) -> None:
    """Replace the file as a whole; only its owner may read it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
