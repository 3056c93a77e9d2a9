"""How much sound of one stream waits in the server, from what goes in and what comes out. Pure; time is passed in.

The server takes whatever it is sent into a queue without an end. It answers each 80 ms of sound with a delta, so sound
less deltas is what waits. This follows what vLLM does with each message, its silent mistakes included.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from gateway.frames import BYTES_PER_SAMPLE, Commit, error_code, is_delta, is_done, parsed, sound_bytes

RATE_HZ = 16_000
TICK_SAMPLES = 1280
#: The first delta needs 82.5 ms of sound, and the model's delay on top.
FIRST_TICK_SAMPLES = 1320
LEFT_PADDING_TOKENS = 33
#: Sound that comes faster than this many samples a second, twice real time, is a file's: its waiting says nothing.
_LIVE = 2 * RATE_HZ


@dataclass(slots=True)
class Model:
    """What is known of the model. ``clocked``: every 80 ms of sound give one delta."""

    clocked: bool = True
    delay_samples: int = 7680

    def learn(self, n_samples: int, n_deltas: int, n_prompt: int) -> None:
        """Take what an utterance of a known length gave: so many deltas after a prompt of so many tokens."""
        self.clocked = n_deltas == (n_samples - 40) // TICK_SAMPLES + 11
        if self.clocked:
            self.delay_samples = (n_prompt - LEFT_PADDING_TOKENS) * TICK_SAMPLES


@dataclass(frozen=True, slots=True)
class Bounds:
    """Seconds of sound: ahead of the deltas, before the first commit, and in one message.

    ``stuck_s``: a server that owes deltas and gives none for this long has died behind its socket.
    """

    ahead_s: float = 5.0
    uncommitted_s: float = 5.0
    message_s: float = 30.0
    stuck_s: float = 60.0


class Account:
    """One stream's sound. The bounds are for the reader to keep: one message may go over each."""

    __slots__ = (
        "_arrived",
        "_at_s",
        "_bounds",
        "_last",
        "_model",
        "_most_ahead",
        "_most_bytes",
        "failed",
        "generating",
        "n_deltas",
        "n_samples",
        "n_sound",
    )

    def __init__(self, model: Model, bounds: Bounds) -> None:
        self._model = model
        self._bounds = bounds
        self._most_ahead = bounds.ahead_s * RATE_HZ
        self._most_bytes = bounds.message_s * RATE_HZ * BYTES_PER_SAMPLE
        #: Samples of the utterance, or since the last one.
        self.n_samples = 0
        self.n_deltas = 0
        self.generating = False
        #: The model has given up the utterance; the server would go on taking its sound.
        self.failed = False
        #: Samples of the whole stream.
        self.n_sound = 0
        self._at_s = 0.0
        # The samples up to the end of each message, and when it came; None if faster than speech.
        self._arrived: deque[tuple[int, float | None]] = deque()
        self._last: int | Commit | None = None

    @property
    def full(self) -> bool:
        """Whether to read no more until the server has caught up."""
        return (
            self.generating and self.n_samples - self.n_deltas * TICK_SAMPLES > self._most_ahead and self._model.clocked
        )

    @property
    def waiting_s(self) -> float:
        """How much sound waits for its deltas, the model's delay included; a model without a clock does not say."""
        return (self.n_samples - self.n_deltas * TICK_SAMPLES) / RATE_HZ if self._model.clocked else 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing has come of an utterance yet."""
        return not self.generating and not self.n_samples

    def take(self, text: str, now_s: float) -> str | None:
        """Take a client's message. Return what to answer if the server is not to have it."""
        content: int | Commit | None = sound_bytes(text)
        if content is None:
            content = parsed(text)
        if isinstance(content, int):
            if (content > self._most_bytes or not self.generating) and (refusal := self._refusal(content)):
                return refusal
            n_samples = content // BYTES_PER_SAMPLE
            self.n_sound += n_samples
            self.n_samples += n_samples
            if self._model.clocked:
                live = (now_s - self._at_s) * _LIVE >= n_samples
                self._arrived.append((self.n_samples, now_s if live else None))
            self._at_s = now_s
        elif isinstance(content, Commit) and not content.final:
            if self.generating:
                content = Commit(final=True)  # it changes nothing, and there is nothing to undo
            self.generating = True
        self._last = content
        return None

    def said(self, text: str, now_s: float) -> float | None:
        """Take a server's message. Return how long the sound of a delta had waited, in seconds, if it was live."""
        if is_delta(text):
            self.n_deltas += 1
            return self._lag(now_s)
        if is_done(text):
            self.n_samples = self.n_deltas = 0
            self.generating = False
            self._arrived.clear()
        elif code := error_code(text):
            self._undo(code)
        return None

    def _refusal(self, n_bytes: int) -> str | None:
        if n_bytes > self._most_bytes:
            return f"A message carries at most {self._bounds.message_s:g} s of audio; this chunk is dropped."
        if not self.generating and self.n_samples >= self._bounds.uncommitted_s * RATE_HZ:
            return f"{self.n_samples / RATE_HZ:.1f} s of audio wait for a commit; this chunk is dropped."
        return None

    def _lag(self, now_s: float) -> float | None:
        needed = FIRST_TICK_SAMPLES + self._model.delay_samples + (self.n_deltas - 1) * TICK_SAMPLES
        arrived = self._arrived
        while arrived and arrived[0][0] < needed:
            arrived.popleft()
        if not arrived or (came_s := arrived[0][1]) is None:
            return None
        return now_s - came_s

    def _undo(self, code: str) -> None:
        """Forget the last message, which the server has refused; it answers before it reads another."""
        if code == "invalid_audio" and isinstance(self._last, int):
            self.n_samples -= self._last // BYTES_PER_SAMPLE
            if self._arrived:
                self._arrived.pop()
            self._last = 0
        elif code == "model_not_validated" and isinstance(self._last, Commit) and not self._last.final:
            self.generating = False
        elif code == "processing_error" and self._last is not None:
            # What the client said was in order, so it is not what the server complains of.
            self.failed = self.generating
