"""Real-time speech transcription you run yourself.

The public names load what they need when they are first used; ``import voxctl`` itself costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from voxctl._version import __version__
from voxctl.errors import VoxError

if TYPE_CHECKING:
    from voxctl.session.session import open_session as open_session
    from voxctl.transcript.transcript import Transcript as Transcript

_LAZY = {"open_session": "voxctl.session.session", "Transcript": "voxctl.transcript.transcript"}

__all__ = ["Transcript", "VoxError", "__version__", "open_session"]


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
