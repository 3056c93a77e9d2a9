"""A person reads for more than three minutes, and every connection is cut after 15 s: the words stay the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from tests.session.human import Reading, damage, error_rate, folded, reading
from voxctl.audio.pcm import Chunk
from voxctl.connect import websocket
from voxctl.events import Done, Event, Gap, Seam, Word, Words
from voxctl.realtime.models import TICK_S
from voxctl.serving.pocketsphinx import PocketSphinxEngine
from voxctl.serving.server import open_server
from voxctl.session.policy import Policy
from voxctl.session.session import open_session

_DELTA = b"transcription.delta"


@dataclass
class Cutter:
    """A TCP proxy that cuts the connection whenever ``after_s`` more seconds of sound were answered on it, not counting
    what all connections but the first are given again."""

    port: int
    after_s: float
    n_cut: int = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Yield the address."""
        async with await asyncio.start_server(self._pass_on, "127.0.0.1", 0) as server:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        up = asyncio.create_task(self._up(reader, far_writer))
        try:
            n_left = round((self.after_s + (Policy().replay_s if self.n_cut else 0.0)) / TICK_S)
            while n_left > 0 and (data := await far_reader.read(4096)):
                *parts, rest = data.split(_DELTA)  # what servers send is not masked
                writer.write(_DELTA.join([*parts[:n_left], b""] if len(parts) >= n_left else [*parts, rest]))
                n_left -= len(parts)
            self.n_cut += n_left <= 0
        finally:
            up.cancel()
            writer.close()
            far_writer.transport.abort()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()


async def _source(speech: Reading) -> AsyncIterator[Chunk]:
    for chunk in speech.chunks():
        yield chunk


async def _heard(url: str, speech: Reading) -> list[Event]:
    async with open_session(websocket(url), _source(speech)) as session:
        return [event async for event in session]


def _words(events: list[Event]) -> list[Word]:
    return [word for event in events if isinstance(event, Words) for word in event.words]


def _error_rate(speech: Reading, events: list[Event]) -> float:
    return error_rate(speech.words, folded(" ".join(word.text for word in _words(events))))


TEXT = (
    "had he married a more amiable woman he might have been made still more respectable than he was unless to be "
    "rather cold hearted and rather selfish is to be ill disposed and he was not an ill disposed young man"
)
SAID = [Word(text, 0.4 * i, 0.4 * i + 0.3) for i, text in enumerate(TEXT.split())]


def heard_anew(cut: int, texts: str) -> list[Word]:
    """Return what is said up to word ``cut``, then ``texts``, then all that is said from there on."""
    new = [Word(text, SAID[cut].start_s, SAID[cut].start_s + 0.1) for text in texts.split()]
    return [*SAID[:cut], *new, *SAID[cut:]]


@pytest.mark.parametrize("cut", range(4, len(SAID) - 6))
def test_the_instrument_sees_three_words_lost_and_any_doubled(cut: int) -> None:
    seam_s = SAID[cut].start_s
    assert damage(SAID, SAID, [seam_s]) == []
    assert damage(SAID, [*SAID[:cut], *SAID[cut + 3 :]], [seam_s]), "three words are lost"
    assert damage(SAID, [*SAID[:cut], *SAID[cut + 3 :]], [seam_s + 9]) == [], "not near the seam"
    for n in (1, 2, 3):
        again = " ".join(word.text for word in SAID[cut - n : cut])
        assert damage(SAID, heard_anew(cut, again), [seam_s]), f"{again!r} stands twice"


def test_the_instrument_takes_other_words_for_the_same_sound_as_neither() -> None:
    at = TEXT.split().index("respectable")
    otherwise = [*SAID[:at], *heard_anew(at, "a real spectre bell")[at : at + 4], *SAID[at + 1 :]]
    assert damage(SAID, otherwise, [SAID[at].start_s]) == []
    assert error_rate(TEXT.split(), [word.text for word in otherwise]) == pytest.approx(4 / len(SAID))


@pytest.mark.real
@pytest.mark.timeout(900)
async def test_cut_every_15_s_the_words_are_those_of_one_connection() -> None:
    """Two readings: what this recogniser makes of the same sound varies more than seams do, so that one says little."""
    rates = []
    for seed in (1, 2):
        speech = reading(seed, 185.0)
        async with open_server(PocketSphinxEngine()) as server:
            whole = await _heard(server.url, speech)
            cutter = Cutter(int(server.url.rpartition(":")[2]), 15.0)
            async with cutter.listening() as url:
                joined = await _heard(url, speech)
        seams = [event.at_s for event in joined if isinstance(event, Seam)]
        assert isinstance(joined[-1], Done) and joined[-1].complete
        assert not any(isinstance(event, Gap) for event in joined)
        # A busy machine may make a server silent for so long that it is left.
        assert len(seams) >= cutter.n_cut >= 11
        assert damage(_words(whole), _words(joined), seams) == []
        rates.append((_error_rate(speech, whole), _error_rate(speech, joined)))
    assert sum(joined for _, joined in rates) <= sum(whole for whole, _ in rates) + 0.03 * len(rates), rates
