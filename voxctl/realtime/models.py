"""The model table: all that differs between realtime models, as data. No code path names a model.

Sources: the Voxtral numbers were measured on vLLM 0.32 (one delta per 80 ms, the count law exact from 1 ms to 240 s);
Qwen3-ASR's segment length is vLLM's; the embedded recogniser's delay is the one its own server keeps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

SAMPLE_RATE_HZ = 16_000
TICK_SAMPLES = 1_280
#: One token of a model with a clock, 12.5 a second.
TICK_S = TICK_SAMPLES / SAMPLE_RATE_HZ
#: The audio a server looks ahead of a tick (2.5 ms), in samples.
LOOK_AHEAD_SAMPLES = 40
#: Tokens that come after the audio has ended, beyond those of the audio itself.
TAIL_TICKS = 11

#: What a session asks for when neither the user nor the server names a model.
DEFAULT_MODEL = "mistralai/Voxtral-Mini-4B-Realtime-2602"


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What a client must know of a model. ``delay_s`` is audio heard before the token that speaks of it is given.

    ``max_delay_s``: the largest delay a server may be configured with (the client is not told which).
    ``marks_groups``: an empty token opens each group of sub-words, so words in one unbroken run of tokens share the
    time of its first. ``guessed``: the served name told nothing.
    ``segment_s``: without a clock, the audio the model takes before it gives text. ``rotate_s``: audio after which a
    connection's cost has grown enough to begin another, ``None`` where it does not grow; connections of a model without
    a clock are not rotated, as nothing says where to join them.
    """

    family: str
    pattern: str
    has_clock: bool
    delay_s: float
    max_delay_s: float
    segment_s: float = 0.0
    rotate_s: float | None = None
    marks_groups: bool = False
    low_accuracy: bool = False
    guessed: bool = False

    @property
    def window_s(self) -> float:
        """Audio that may be sent beyond what the deltas acknowledge, in seconds."""
        return self.delay_s + 2.0

    @property
    def widest_window_s(self) -> float:
        """The window for a server configured with the largest delay."""
        return self.max_delay_s + 2.0

    @property
    def owed_s(self) -> float:
        """Unacknowledged audio, in seconds, from which a silent server owes us a delta."""
        return max(self.delay_s, self.segment_s) + 1.0

    def deltas_for(self, n_samples: int) -> int:
        """Return how many deltas ``n_samples`` of 16 kHz audio give in all, once ended by a final commit."""
        return (n_samples - LOOK_AHEAD_SAMPLES) // TICK_SAMPLES + TAIL_TICKS


EMBEDDED = ModelFacts("pocketsphinx", r"pocketsphinx", True, delay_s=2.4, max_delay_s=2.4, low_accuracy=True)
QWEN3_ASR = ModelFacts("qwen3-asr", r"qwen3?[-_ ]?asr", False, delay_s=0.0, max_delay_s=0.0, segment_s=5.0)
# vLLM hands its worker the list of all audio so far with each token, so a token costs more the longer a connection
# lasts. With 60 s every later minute of a session costs about 1.3 times the first at most; with 120 s it does not, and
# the sound that is heard twice at each change counted in, costs as much: benchmarks/README.md.
VOXTRAL = ModelFacts(
    "voxtral-realtime", r"voxtral", True, delay_s=0.48, max_delay_s=2.4, rotate_s=60.0, marks_groups=True
)
#: What a served name that tells nothing is taken for.
GUESSED = replace(VOXTRAL, guessed=True)

MODELS = (EMBEDDED, QWEN3_ASR, VOXTRAL)


def facts_for(model: str) -> ModelFacts:
    """Return the facts of a served model by its name; a name that tells nothing is taken for Voxtral's."""
    for facts in MODELS:
        if re.search(facts.pattern, model, re.IGNORECASE):
            return facts
    return GUESSED
