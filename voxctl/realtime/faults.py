"""The server's ``error`` codes, each as an error of ours that says what to type next."""

from __future__ import annotations

from voxctl.errors import (
    InvalidAudio,
    ModelNotFound,
    ModelNotValidated,
    ProcessingError,
    RequestRejected,
    ServerError,
    ServerFull,
)

_NEWER = "client and server disagree on the protocol: use vLLM 0.32 or newer, and the newest voxctl."

#: code → (error, what happened, what to do). ``{model}`` is the name that was sent.
FAULTS: dict[str, tuple[type[ServerError], str, str]] = {
    "model_not_found": (
        ModelNotFound,
        "the server does not serve the model {model!r}",
        "name one it serves with --model (GET /v1/models on the server lists them).",
    ),
    "model_not_validated": (
        ModelNotValidated,
        "the server refused to start: no model was agreed on",
        "name the model it serves with --model.",
    ),
    "invalid_audio": (
        InvalidAudio,
        "the server dropped audio it could not read",
        "this is a bug in voxctl or a proxy that alters messages; please report it.",
    ),
    "processing_error": (
        ProcessingError,
        "the server failed while transcribing",
        "look at the server's log; it may be out of memory or shutting down.",
    ),
    "server_full": (
        ServerFull,
        "every stream of the server is taken",
        "try again later, or start the server with a higher --max-streams.",
    ),
    "invalid_json": (RequestRejected, "the server could not read a message of ours", _NEWER),
    "invalid_event": (RequestRejected, "the server rejected a message of ours", _NEWER),
    "unknown_event": (RequestRejected, "the server does not know a message of ours", _NEWER),
}


def server_error(said: str, code: str, model: str) -> ServerError:
    """Return the error for a server's ``error`` message; an unknown code keeps the server's words."""
    kind, what, hint = FAULTS.get(
        code, (ServerError, "the server reported an error", "look at the server's log for the reason.")
    )
    return kind(f"{what.format(model=model)}: {said}", code=code, hint=hint)
