"""Real-time speech transcription you run yourself.

The public names load what they need when they are first used; ``import voxctl`` itself costs next to nothing. The
events that a session gives are in ``voxctl.events``, the errors in ``voxctl.errors``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from voxctl._version import __version__
from voxctl.errors import VoxError

if TYPE_CHECKING:
    from voxctl.audio.decode import open_audio as open_audio
    from voxctl.audio.mic import microphone as microphone
    from voxctl.audio.pace import paced as paced
    from voxctl.connect import embedded as embedded
    from voxctl.connect import sagemaker as sagemaker
    from voxctl.connect import websocket as websocket
    from voxctl.demo.server import open_demo as open_demo
    from voxctl.redact.wrapping import redacted as redacted
    from voxctl.session.session import open_session as open_session
    from voxctl.transcript.export import Format as Format
    from voxctl.transcript.export import export as export
    from voxctl.transcript.transcript import Transcript as Transcript

_LAZY = {
    "Format": "voxctl.transcript.export",
    "Transcript": "voxctl.transcript.transcript",
    "embedded": "voxctl.connect",
    "export": "voxctl.transcript.export",
    "microphone": "voxctl.audio.mic",
    "open_audio": "voxctl.audio.decode",
    "open_demo": "voxctl.demo.server",
    "open_session": "voxctl.session.session",
    "paced": "voxctl.audio.pace",
    "redacted": "voxctl.redact.wrapping",
    "sagemaker": "voxctl.connect",
    "websocket": "voxctl.connect",
}

__all__ = [
    "Format",
    "Transcript",
    "VoxError",
    "__version__",
    "embedded",
    "export",
    "microphone",
    "open_audio",
    "open_demo",
    "open_session",
    "paced",
    "redacted",
    "sagemaker",
    "websocket",
]


if not TYPE_CHECKING:  # a misspelt name is for a type checker to find

    def __getattr__(name: str) -> object:
        if name in _LAZY:
            return getattr(import_module(_LAZY[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
