"""pocketsphinx as a stream: PCM in, words that never change again out. Synchronous, and only ever run in a worker.

An endpointer finds stretches of speech, and each is one utterance of the decoder. While a stretch is going on, the
decoder's best guess is read off at every tick, and the words that end before the tick's time are taken as final: by
then the decoder has heard the whole delay after them. Later words stay open to revision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from pocketsphinx import Decoder, Endpointer, Segment

from voxctl.audio.pcm import BYTES_PER_SAMPLE, SAMPLE_RATE_HZ
from voxctl.serving.engine import HeardWord

#: Within this the endpointer decides that speech has begun or ended; it is also what a pause must last.
ENDPOINTER_WINDOW_S = 0.5
#: A stretch of speech without a pause is cut at this length: the work at its end grows with it.
LONGEST_STRETCH_S = 12.0
#: A silence inside a stretch of at least this is the best place for that cut.
GOOD_CUT_S = 0.1
#: At most so much of a stretch is recognised again after its cut.
LONGEST_RETRY_S = 4.0
SAMPLES_PER_FRAME = 160

# Without these two bounds, noise and several voices at once take up to six times as long as clean speech, and the end
# of a stretch holds everything up for seconds. They change next to nothing in what is understood.
MOST_HMMS_PER_FRAME = 5000
MOST_WORDS_PER_FRAME = 10

_VARIANT = re.compile(r"\(\d+\)$")
_FILLER_MARKS = ("<", "[", "+")


@dataclass(frozen=True, slots=True)
class Guess:
    """A word of the decoder's best guess, in samples of the stream."""

    text: str
    start: int
    end: int
    posterior: float | None

    @property
    def middle(self) -> int:
        return (self.start + self.end) // 2


class Recogniser:
    """Recognises one stream of 16 kHz PCM16. What it says depends on the audio and the ticks alone."""

    def __init__(self) -> None:
        self._decoder = Decoder(
            samprate=SAMPLE_RATE_HZ,
            # A second pass over each stretch takes a third longer and finds nothing more.
            fwdflat=False,
            maxhmmpf=MOST_HMMS_PER_FRAME,
            maxwpf=MOST_WORDS_PER_FRAME,
            loglevel="FATAL",
        )
        self._endpointer = Endpointer(sample_rate=SAMPLE_RATE_HZ, window=ENDPOINTER_WINDOW_S)
        self._pending = bytearray()
        # The stretch that is going on: its audio, and where in the stream it began.
        self._stretch: bytearray | None = None
        self._stretch_start = 0
        # Words of stretches that are over, which wait for their tick.
        self._settled: list[Guess] = []
        # Up to here, in samples, everything has been told.
        self._told = 0
        self._n_words = 0
        self._posterior_sum = 0.0

    @property
    def confidence(self) -> float | None:
        """The mean posterior of the words in finished stretches; ``None`` before there is any."""
        return min(1.0, self._posterior_sum / self._n_words) if self._n_words else None

    @property
    def voice(self) -> str:
        """What was learnt of the voice and its microphone: the mean of the sound's features, as text.

        It is learnt within some ten seconds of speech, and counts: cut every 15 s and each time begun anew, two minutes
        of a reader had 34 % of errors instead of 25 %, and 26 to 27 % when it was passed on. Set it before any audio.
        """
        return str(self._decoder.get_cmn(False))

    @voice.setter
    def voice(self, voice: str) -> None:
        self._decoder.set_cmn(voice)

    def feed(self, pcm: bytes, until_s: float) -> list[HeardWord]:
        """Take audio, and return the words that ended by ``until_s`` and were not returned before."""
        self._listen(pcm)
        until = round(until_s * SAMPLE_RATE_HZ)
        words = self._settled if self._stretch is None else self._settled + self._guesses()
        return self._tell(word for word in words if word.end <= until)

    def finish(self, pcm: bytes) -> list[HeardWord]:
        """Take the last audio, and return all words that were not returned before."""
        self._listen(pcm)
        if self._pending and self._endpointer.in_speech:
            self._hear(self._endpointer.end_stream(bytes(self._pending)))
        self._end_stretch()
        return self._tell(self._settled)

    def _listen(self, pcm: bytes) -> None:
        self._pending += pcm
        n_bytes = self._endpointer.frame_bytes
        # One frame stays behind for ``end_stream``, which wants the last one.
        while len(self._pending) > n_bytes:
            frame = bytes(self._pending[:n_bytes])
            del self._pending[:n_bytes]
            was_in_speech = self._endpointer.in_speech
            speech = self._endpointer.process(frame)
            if speech and not was_in_speech:
                self._stretch_start = round(self._endpointer.speech_start * SAMPLE_RATE_HZ)
            self._hear(speech)
            if not self._endpointer.in_speech:
                self._end_stretch()

    def _hear(self, speech: bytes | None) -> None:
        # pocketsphinx raises IndexError when it is given no audio at all.
        if not speech:
            return
        if self._stretch is None:
            self._decoder.start_utt()
            self._stretch = bytearray()
        self._decoder.process_raw(speech)
        self._stretch += speech
        if len(self._stretch) >= LONGEST_STRETCH_S * SAMPLE_RATE_HZ * BYTES_PER_SAMPLE:
            self._cut_stretch()

    def _end_stretch(self) -> None:
        if self._stretch is None:
            return
        self._settle(self._finished_guesses())
        self._stretch = None

    def _cut_stretch(self) -> None:
        """End a long stretch where a word ends, and begin another with the audio after that."""
        assert self._stretch is not None
        words = self._finished_guesses()
        end = self._stretch_start + len(self._stretch) // BYTES_PER_SAMPLE
        cut = best_cut([word for word in words if word.middle > self._told], end)
        self._settle(word for word in words if word.middle < cut)
        rest = bytes(self._stretch[(cut - self._stretch_start) * BYTES_PER_SAMPLE :])
        self._stretch, self._stretch_start = None, cut
        self._hear(rest)

    def _finished_guesses(self) -> list[Guess]:
        # Where speech breaks off in mid-word the final search can come to nothing (at 4 of 130 places tried in a clip):
        # what was guessed until then stands, without a posterior.
        last = [replace(word, posterior=None) for word in self._guesses()]
        self._decoder.end_utt()
        return self._guesses() or last

    def _settle(self, words: Iterable[Guess]) -> None:
        for word in words:
            if word.posterior is not None:
                self._n_words += 1
                self._posterior_sum += word.posterior
            self._settled.append(word)

    def _tell(self, words: Iterable[Guess]) -> list[HeardWord]:
        # A revision may have moved a word that was told by a little: its middle says whether it is the same one.
        told = [word for word in words if word.middle > self._told]
        if told:
            self._told = told[-1].end
        self._settled = [word for word in self._settled if word.middle > self._told]
        return [HeardWord(word.text, word.end / SAMPLE_RATE_HZ) for word in told]

    def _guesses(self) -> list[Guess]:
        if self._decoder.hyp() is None:
            return []
        return [self._guess(segment) for segment in self._decoder.seg() if not segment.word.startswith(_FILLER_MARKS)]

    def _guess(self, segment: Segment) -> Guess:
        return Guess(
            _VARIANT.sub("", segment.word),
            self._stretch_start + segment.start_frame * SAMPLES_PER_FRAME,
            self._stretch_start + (segment.end_frame + 1) * SAMPLES_PER_FRAME,
            segment.prob,
        )


def best_cut(untold: list[Guess], end: int) -> int:
    """Return where to cut speech that reaches to ``end``, losing no word that was not told yet.

    In the middle of its last real silence; without one, where what was told ends.
    """
    silences = [
        (left.end + right.start) // 2
        for left, right in pairwise(untold)
        if right.start - left.end >= GOOD_CUT_S * SAMPLE_RATE_HZ
    ]
    cut = max([word.start for word in untold[:1]] + silences, default=end)
    # What is cut off is recognised again, so it must be short or the next cut would come at once.
    return cut if end - cut <= LONGEST_RETRY_S * SAMPLE_RATE_HZ else end
