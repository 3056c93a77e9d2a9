"""A microphone that plays a script: blocks from a thread of its own, as PortAudio gives them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from voxctl.audio.capture import Block, Capture
from voxctl.errors import AudioError


class Plug(Enum):
    """What may happen to a microphone besides sound."""

    PULLED = "its driver says so"
    MUTE = "its driver says nothing, and gives nothing"


#: A block, or seconds to wait, or the end.
type Step = Block | float | Plug


def noise(n_samples: int, seed: int = 1) -> NDArray[np.int16]:
    """Return sound of which no two stretches are the same."""
    return np.random.default_rng(seed).integers(-20_000, 20_000, n_samples, dtype=np.int16)


def as_floats(sound: NDArray[np.int16]) -> NDArray[np.float32]:
    """Return PCM16 as PortAudio gives it."""
    floats: NDArray[np.float32] = sound.astype(np.float32) / np.float32(32768)
    return floats


def blocks(
    sound: NDArray[np.float32], rate_hz: int = 16_000, block_ms: int = 80, *, from_s: float | None = None
) -> list[Block]:
    """Cut a sound, (frames,) or (frames, channels), into blocks. They come on time, from ``from_s`` of the clock on."""
    shaped = sound.reshape(len(sound), -1)
    n_frames = rate_hz * block_ms // 1000
    begin_s = time.monotonic() if from_s is None else from_s
    return [
        Block(shaped[at : at + n_frames], rate_hz, begin_s + min(at + n_frames, len(sound)) / rate_hz)
        for at in range(0, len(sound), n_frames)
    ]


@dataclass
class ScriptedDevice:
    """Plays the next of ``scripts`` each time it is opened; ``None`` is a device that is not there.

    ``played`` is set when the thread of the last one has done all of it. A script may be endless.
    """

    scripts: Sequence[Iterable[Step] | None]
    name: str = "scripted"
    n_opened: int = 0
    n_closed: int = 0
    played: threading.Event = field(default_factory=threading.Event)

    def open(self, deliver: Callable[[Block], None], ended: Callable[[], None]) -> Capture:
        script = self.scripts[min(self.n_opened, len(self.scripts) - 1)]
        self.n_opened += 1
        if script is None:
            raise AudioError(f"{self.name} is not there", hint="plug it in")
        capture = _Playing(self)
        threading.Thread(target=capture.play, args=[iter(script), deliver, ended], daemon=True).start()
        return capture


class _Playing:
    def __init__(self, device: ScriptedDevice) -> None:
        self.name = device.name
        self._device = device
        self._closed = threading.Event()

    def play(self, script: Iterator[Step], deliver: Callable[[Block], None], ended: Callable[[], None]) -> None:
        for step in script:
            match step:
                case Block():
                    if self._closed.is_set():
                        return
                    deliver(step)
                case Plug.PULLED:
                    ended()
                case float():
                    if self._closed.wait(step):
                        return
        self._device.played.set()

    def close(self) -> None:
        if not self._closed.is_set():
            self._closed.set()
            self._device.n_closed += 1
