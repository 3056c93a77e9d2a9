"""A microphone as a source of chunks: resampled, metered, recorded, paused, and opened again when it was unplugged.

The clock of its chunks is that of the recording: time stands still while it is paused, and goes on, in silence that is
``missing``, where sound was lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from voxctl.audio.capture import Block, Device
from voxctl.audio.level import Level
from voxctl.audio.line import Line
from voxctl.audio.pcm import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ, Chunk, Rechunker, to_pcm16
from voxctl.audio.portaudio import PortAudio
from voxctl.audio.recording import Recording, open_recording
from voxctl.audio.resample import ResampleStream

#: Silence after which a recogniser has said all its words, in seconds: it follows what was said before a pause.
_SETTLE_S = 2.0
_N_SETTLE = 25  # chunks of it
#: The most silence that stands for sound that was lost, in seconds: a program may be stopped for days.
_MOST_MISSING_S = 60.0


def _unsaid(text: str) -> None:
    """Say nothing."""


class Microphone:
    """Iterate over it once, or hand it to a session; it ends after ``stop``, or raises when it is lost for good.

    ``open`` it first where errors are to be known early; otherwise it is opened when the first chunk is asked for.
    Sound is kept from that moment on, ``backlog_s`` seconds of it while nobody asks; the rest is as for ``Line``.
    ``with`` closes it; so does the end of whoever iterates. All but ``open`` belongs to one event loop.
    """

    #: A session need not be told that this source cannot wait.
    live = True

    def __init__(
        self,
        device: Device,
        *,
        recording: Recording | None = None,
        backlog_s: float = 30.0,
        gone_s: float = 2.0,
        back_s: float = 30.0,
        tell: Callable[[str], None] = _unsaid,
    ) -> None:
        self.level = Level()
        self.recording = recording
        self._tell = tell
        self._line = Line(device, backlog_s=backlog_s, gone_s=gone_s, back_s=back_s, tell=tell)
        self._resampler: ResampleStream | None = None
        self._shape: tuple[int, int] | None = None
        self._ready: deque[Chunk] = deque()
        self._n_samples = 0
        self._stopped = self._finished = self._settling = False

    @property
    def name(self) -> str:
        """What the device calls itself; empty before it was opened."""
        return self._line.name

    @property
    def trouble(self) -> str:
        """Why nothing is heard, for people; empty while all is well."""
        return self._line.trouble

    @property
    def paused(self) -> bool:
        """Whether it was told to hear nothing."""
        return self._line.deaf

    def open(self) -> Self:
        """Open the device now, if it is not open. Raises ``AudioError``."""
        self._line.open()
        return self

    def close(self) -> None:
        """Let go of the device and end the recording; may be called twice."""
        self._finished = True
        self._line.close()
        if self.recording:
            self.recording.close()

    def stop(self) -> None:
        """Hear nothing more; what was heard until now is still given out, and then the microphone ends."""
        self._stopped = True
        self._line.nudge()

    def pause(self, *, let_go: bool = False) -> None:
        """Hear nothing until ``resume``. The device stays open, so that going on costs no word, unless ``let_go``."""
        self._settling = self._settling or not self.paused
        self._line.deaf = True
        if let_go:
            self._line.close()
        self._line.nudge()

    def resume(self) -> None:
        """Go on after ``pause``; time has stood still meanwhile."""
        self._line.forget()
        self._line.deaf = False
        self._line.nudge()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk:
        """Return the next chunk, about a block long; sound that was lost is one that is ``missing``.

        After ``stop`` this does not wait: the rest is given out within one turn of the event loop.
        """
        try:
            while not self._ready:
                if self._finished:
                    raise StopAsyncIteration
                await self._advance()
            return self._ready.popleft()
        except BaseException:  # it has ended, it is broken, or nobody wants it any more
            self.close()
            raise

    async def _advance(self) -> None:
        """Take a block, or wait for something to happen."""
        if heard := self._line.take():
            if heard.lost_s:
                self._miss(heard.lost_s, heard.reason)
            self._hear(heard.block)
        elif self._stopped:
            self._flush()
            self._finished = True
        elif self._settling:
            self._settling = False
            self._flush()
            for _ in range(_N_SETTLE):
                self._give(_silence(_SETTLE_S / _N_SETTLE))
        else:
            await self._line.wait()

    def _hear(self, block: Block) -> None:
        shape = block.rate_hz, block.samples.shape[1]
        if shape != self._shape:  # another device may have taken its place
            self._flush()
            self._shape = shape
        self._resampler = self._resampler or ResampleStream(*shape)
        self.level.feed(block.samples, block.length_s)
        self._give(to_pcm16(self._resampler.feed(block.samples)))

    def _miss(self, lost_s: float, reason: str) -> None:
        self._flush()
        if lost_s > _MOST_MISSING_S:
            reason = f"{reason} for {lost_s:.0f} s"
        self._give(_silence(min(lost_s, _MOST_MISSING_S)), missing=reason)

    def _flush(self) -> None:
        """Give out what the resampler holds back, and begin anew."""
        if self._resampler:
            self._give(to_pcm16(self._resampler.finish()))
            self._resampler = None

    def _give(self, pcm: bytes, missing: str | None = None) -> None:
        if not pcm:
            return
        self._ready.append(Chunk(pcm, self._n_samples, missing))
        self._n_samples += len(pcm) // BYTES_PER_SAMPLE
        if self.recording and not self.recording.broken:
            self.recording.add(pcm)
            if self.recording.broken:
                self._tell(f"{self.recording.broken.message}; the transcript goes on without it")


def microphone(
    device: str | int | None = None,
    *,
    chunk_ms: int = 80,
    rate_hz: int | None = None,
    record: str | Path | None = None,
    tell: Callable[[str], None] = _unsaid,
) -> Microphone:
    """Return a microphone of this machine: by its number, a part of its name, or the default one.

    It is opened at ``rate_hz``, its own rate without one, and gives 16 kHz mono whatever that is. ``record`` is a WAV
    file that gets what is heard, ``tell`` what a person should know. Raises ``UsageError`` for a length of chunks or a
    file that cannot be; ``AudioError`` comes when it is opened.
    """
    Rechunker(chunk_ms)  # the one place that knows which lengths are possible
    recording = open_recording(record) if record is not None else None
    return Microphone(PortAudio(device, block_ms=chunk_ms, rate_hz=rate_hz), recording=recording, tell=tell)


def _silence(seconds: float) -> bytes:
    return bytes(max(1, round(seconds * SAMPLE_RATE_HZ)) * BYTES_PER_SAMPLE)
