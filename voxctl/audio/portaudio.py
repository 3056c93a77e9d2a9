"""The microphones of this machine through PortAudio, the one place that knows it. Cheap to import.

PortAudio looks for devices once; whoever wants to see one that was plugged in later has to start it anew.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voxctl.errors import AudioError

if TYPE_CHECKING:
    from voxctl.audio.capture import Block, Capture

#: A package manager of Linux → the line with which it installs PortAudio.
_PORTAUDIO = {
    "apt-get": "sudo apt-get install libportaudio2",
    "dnf": "sudo dnf install portaudio",
    "pacman": "sudo pacman -S portaudio",
    "zypper": "sudo zypper install libportaudio2",
    "apk": "sudo apk add portaudio",
}
_LIST = "voxctl mic --list-devices shows what is there."
#: PortAudio's numbers for what a person can mend.
_UNAVAILABLE, _NO_SUCH_CHANNELS, _NO_SUCH_RATE = -9985, -9998, -9997


@dataclass(frozen=True, slots=True)
class Heard:
    """A device that hears, as PortAudio lists it; ``rate_hz`` is its own rate."""

    number: int
    name: str
    host: str
    n_channels: int
    rate_hz: int
    is_default: bool


def install_line() -> str:
    """Return the line that installs PortAudio on this machine."""
    if sys.platform == "darwin":
        return "pip install --force-reinstall sounddevice"  # its wheels for macOS carry the library
    return next((line for program, line in _PORTAUDIO.items() if shutil.which(program)), "install PortAudio.")


def microphones() -> list[Heard]:
    """Return the devices that hear, in PortAudio's order. Raises ``AudioError`` when PortAudio is not there."""
    return _listed(_loaded())


class PortAudio:
    """The device ``wanted``: a number or a part of a name, ``None`` for the default. After a first opening: that one.

    Blocks are ``block_ms`` long. ``rate_hz`` ``None`` takes the device's own rate, which spares the sound a resampler
    of unknown quality on its way to us.
    """

    def __init__(self, wanted: str | int | None = None, *, block_ms: int = 80, rate_hz: int | None = None) -> None:
        self._wanted = wanted
        self._block_ms = block_ms
        self._rate_hz = rate_hz
        self._opened_before = False

    def open(self, deliver: Callable[[Block], None], ended: Callable[[], None]) -> Capture:
        """Open the device as ``capture.Device`` says."""
        sd = _loaded()
        with _silenced():
            if self._opened_before:
                sd._terminate()
                sd._initialize()
            device = _chosen(_listed(sd), self._wanted)
            capture = _Stream(sd, device, self._rate_hz or device.rate_hz, self._block_ms, deliver, ended)
        self._opened_before = True
        if self._wanted is not None:
            self._wanted = device.name  # numbers change when something is plugged in
        return capture


class _Stream:
    """An open stream of PortAudio."""

    def __init__(
        self,
        sd: Any,
        device: Heard,
        rate_hz: int,
        block_ms: int,
        deliver: Callable[[Block], None],
        ended: Callable[[], None],
    ) -> None:
        import numpy as np

        from voxctl.audio.capture import Block

        self.name = device.name

        def take(buffer: Any, n_frames: int, when: Any, status: Any) -> None:
            at_s = time.monotonic()
            samples = np.frombuffer(bytes(buffer), np.float32).reshape(n_frames, -1)
            deliver(Block(samples, rate_hz, at_s, bool(status.input_overflow)))

        how = {
            "device": device.number,
            "samplerate": rate_hz,
            "blocksize": rate_hz * block_ms // 1000,
            "dtype": "float32",
            "latency": "high",
            "dither_off": True,
            "callback": take,
            "finished_callback": ended,
        }
        try:
            self._stream = _made(sd, device.n_channels, how)
            self._stream.start()
        except sd.PortAudioError as exc:
            raise _renamed(exc, device.name, rate_hz) from exc

    def close(self) -> None:
        """Close the stream."""
        with _silenced():
            self._stream.close(ignore_errors=True)


def _made(sd: Any, n_channels: int, how: dict[str, Any]) -> Any:
    """Return a stream of one channel, or, from a device that cannot do that, of all it has."""
    try:
        return sd.RawInputStream(channels=1, **how)
    except sd.PortAudioError as exc:
        if _code(exc) != _NO_SUCH_CHANNELS:
            raise
        return sd.RawInputStream(channels=n_channels, **how)


def _loaded() -> Any:
    try:
        with _silenced():
            import sounddevice
    except ModuleNotFoundError as exc:
        hint = "pip install 'voxctl[mic]'"
        raise AudioError("a microphone needs sounddevice, which is not installed", hint=hint) from exc
    except OSError as exc:
        raise AudioError("PortAudio, which listens to microphones, is not installed", hint=install_line()) from exc
    return sounddevice


def _listed(sd: Any) -> list[Heard]:
    try:
        hosts = [host["name"] for host in sd.query_hostapis()]
        default = sd.default.device[0]
        if default < 0 and hosts:
            default = sd.query_hostapis(0)["default_input_device"]
        return [
            Heard(
                n, d["name"], hosts[d["hostapi"]], d["max_input_channels"], int(d["default_samplerate"]), n == default
            )
            for n, d in enumerate(sd.query_devices())
            if d["max_input_channels"] > 0
        ]
    except sd.PortAudioError as exc:
        raise AudioError(f"PortAudio fails: {_words(exc)}", hint="voxctl doctor looks for the cause.") from exc


def _chosen(devices: list[Heard], wanted: str | int | None) -> Heard:
    """Return the device that was asked for. Raises ``AudioError`` for none and for several."""
    if not devices:
        raise none_found()
    if wanted is None:
        return next((device for device in devices if device.is_default), devices[0])
    if isinstance(wanted, int) or (wanted.isascii() and wanted.isdigit()):
        found = [device for device in devices if device.number == int(wanted)]
    else:
        exact = [device for device in devices if device.name == wanted]
        found = exact[:1] or [device for device in devices if wanted.casefold() in device.name.casefold()]
    if not found:
        raise AudioError(f"there is no microphone {wanted!r}", hint=_LIST)
    if len(found) > 1:
        numbers = ", ".join(f"{device.number} ({device.name})" for device in found[:3])
        raise AudioError(f"{wanted!r} is in the names of several microphones", hint=f"choose by number: {numbers}")
    return found[0]


def none_found() -> AudioError:
    """Return the error for a machine on which no device hears, with what is most likely the way out."""
    if sys.platform == "darwin":
        return AudioError("there is no microphone", hint="plug one in; System Settings › Sound › Input lists them.")
    nodes = list(Path("/dev/snd").glob("pcmC*c"))
    if nodes and not any(os.access(node, os.R_OK) for node in nodes):
        hint = "sudo usermod -aG audio $USER, and log in again."
        return AudioError("you have no permission to use the microphones in /dev/snd", hint=hint)
    if not nodes and _has_sound_server():
        hint = "sudo apt-get install libasound2-plugins" if shutil.which("apt-get") else "install ALSA's pulse plug-in."
        return AudioError("PortAudio finds no microphone, and a sound server is there that may have one", hint=hint)
    return AudioError("there is no microphone", hint="plug one in; arecord -l lists what the system sees.")


def _has_sound_server() -> bool:
    folder = os.environ.get("PULSE_RUNTIME_PATH") or f"{os.environ.get('XDG_RUNTIME_DIR', '/nonexistent')}/pulse"
    return "PULSE_SERVER" in os.environ or Path(folder, "native").exists()


def _renamed(exc: Any, name: str, rate_hz: int) -> AudioError:
    match _code(exc):
        case code if code == _UNAVAILABLE:
            hint = "end the program that uses it (fuser -v /dev/snd/* names it), or choose another: --device"
            return AudioError(f"{name} is in use, or has gone", hint=hint)
        case code if code == _NO_SUCH_RATE:
            return AudioError(f"{name} does not hear at {rate_hz} Hz", hint=_LIST)
    return AudioError(f"{name} cannot be opened: {_words(exc)}", hint=f"choose another with --device; {_LIST}")


def _code(exc: Any) -> int:
    return int(exc.args[1]) if len(exc.args) > 1 else 0


def _words(exc: Any) -> str:
    return str(exc.args[0] if exc.args else exc).removeprefix("Error opening InputStream: ").split("\n")[0]


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """Keep the libraries below PortAudio from writing to standard error, where they would spoil a screen. Whatever
    else writes there meanwhile is not read either.
    """
    try:
        kept = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
