"""One tree of errors: each says what happened, what to type next, and how the program exits.

    VoxError
    ├── UsageError              2    the command line cannot be carried out as typed
    ├── AudioError              3    the sound cannot be read: missing, a folder, empty, not audio
    ├── StreamError             4    a stream, a server or a model failed, on any transport
    │   ├── ConnectFailed            no connection: refused, unknown host, TLS, no answer in time
    │   ├── HandshakeRefused         an HTTP answer instead of a stream (``status``)
    │   ├── ConnectionLost           an open connection ended when it should not have (``code``)
    │   ├── Stalled                  connected, but nothing comes back
    │   ├── ContextFull              the model's context ended before the audio did
    │   ├── ProtocolError            the server said something outside the protocol
    │   ├── EngineUnavailable        our own server's recogniser cannot run
    │   └── ServerError              the server said ``error`` (``code``)
    │       ├── ModelNotFound
    │       ├── ModelNotValidated
    │       ├── InvalidAudio
    │       ├── ProcessingError
    │       ├── RequestRejected      invalid_json, invalid_event, unknown_event
    │       └── ServerFull
    ├── AwsError                5    AWS said no: credentials, permission, endpoint state
    ├── Incomplete              6    saved, but part of the audio is not in the transcript
    ├── Untrustworthy           6    it was measured, and the figures are worth nothing
    ├── OutputError             6    the transcript could not be written, or not all of it
    │   └── OutputClosed             whoever read it has seen enough: no failure, exit code 0
    └── Interrupted           130    the user stopped it

Exit code 0 is success and 1 is a bug of ours, which keeps its traceback.
README.md documents the codes under "Exit codes".
"""

from __future__ import annotations

from typing import ClassVar


class VoxError(Exception):
    """Something a user can act on. ``hint`` says what to type or change next; one line each."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(VoxError):
    """The command line cannot be carried out as typed."""

    exit_code = 2


class AudioError(VoxError):
    """The sound cannot be read; nothing is wrong with any server."""

    exit_code = 3


class StreamError(VoxError):
    """A stream, a server or a model failed, whatever the transport."""

    exit_code = 4


class ConnectFailed(StreamError):
    """No connection was made. ``timed_out`` is true when nobody answered at all.

    ``passing``: somebody did, and broke off; the next attempt may meet another server.
    """

    def __init__(
        self, message: str, *, hint: str | None = None, timed_out: bool = False, passing: bool = False
    ) -> None:
        super().__init__(message, hint=hint)
        self.timed_out = timed_out
        self.passing = passing


class HandshakeRefused(StreamError):
    """The server answered with a plain HTTP ``status`` instead of a stream.

    From AWS it has ``code``, the error's machine-readable name, and ``request_id``.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        hint: str | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.request_id = request_id


class ConnectionLost(StreamError):
    """An open connection ended. ``code`` is the close code, ``None`` when it broke without a goodbye.

    ``reason`` is the machine-readable name that AWS gave to the end, if it gave one, such as ``StreamBroken``.
    """

    def __init__(
        self, message: str, *, code: int | None = None, hint: str | None = None, reason: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.reason = reason


class Stalled(StreamError):
    """The connection is open and nothing useful comes back within the deadline."""


class ContextFull(StreamError):
    """The model's context ended before the audio did; ``n_deltas`` is how many tokens it held."""

    def __init__(self, message: str, *, n_deltas: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.n_deltas = n_deltas


class ProtocolError(StreamError):
    """The server said something that is not the vLLM Realtime protocol."""


class EngineUnavailable(StreamError):
    """The recogniser behind our own server cannot be started or has died."""


class ServerError(StreamError):
    """The server sent an ``error`` message; ``code`` is its machine-readable name."""

    def __init__(self, message: str, *, code: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.code = code


class ModelNotFound(ServerError):
    """The server does not serve the model that was asked for."""


class ModelNotValidated(ServerError):
    """Generation was asked for before the session named a model."""


class InvalidAudio(ServerError):
    """The server dropped a chunk; that audio is lost to the transcript."""


class ProcessingError(ServerError):
    """The server's engine failed while transcribing."""


class RequestRejected(ServerError):
    """The server did not understand a message of ours."""


class ServerFull(ServerError):
    """Every stream of the server is taken; trying again later can work."""


class AwsError(VoxError):
    """AWS refused: credentials, permission, endpoint state or the control plane.

    ``status``, ``code`` and ``request_id`` are those of its answer, ``None`` where there was none.
    """

    exit_code = 5

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.code = code
        self.request_id = request_id


class Incomplete(VoxError):
    """The transcript was saved, but part of the audio is not in it."""

    exit_code = 6


class Untrustworthy(VoxError):
    """Something was measured by a client that was too slow itself: the figures say nothing of the server."""

    exit_code = 6


class OutputError(VoxError):
    """The transcript, or a part of it, could not be written."""

    exit_code = 6


class OutputClosed(OutputError):
    """Whoever read our output has closed it, as ``head`` does. The program ends quietly, as for a success."""

    exit_code = 0


class Interrupted(VoxError):
    """The user stopped the program."""

    exit_code = 130
