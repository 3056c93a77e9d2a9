"""The gateway knows how much sound waits in the server, whatever it is sent and however that is written."""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode, b64encode
from binascii import Error
from contextlib import suppress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.account import Account, Bounds, Model
from gateway.asgi import Message
from gateway.figures import Figures, Lags
from gateway.frames import Commit, parsed, sound_bytes
from gateway.stream import Stream
from tests.container.gate import QueueServer

SECOND = 16_000
BOUNDS = Bounds(ahead_s=2.0, uncommitted_s=2.0, message_s=3.0)
APPEND = "input_audio_buffer.append"
Frame = str | bytes


def append(sound: bytes, how: str = "compact") -> Frame:
    """An append as different programs write it."""
    audio = b64encode(sound).decode()
    match how:
        case "compact":
            return json.dumps({"type": APPEND, "audio": audio}, separators=(",", ":"))
        case "spaced":
            return json.dumps({"type": APPEND, "audio": audio})
        case "turned":
            return json.dumps({"audio": audio, "type": APPEND})
        case "escaped":
            return json.dumps({"type": APPEND, "audio": audio}, separators=(",", ":")).replace("/", "\\/")
        case "more":
            return json.dumps({"type": APPEND, "audio": audio, "event_id": "e"}, separators=(",", ":"))
        case "twice":
            return f'{{"type":"{APPEND}","audio":"A","audio":"{audio}"}}'
        case "binary":
            return json.dumps({"type": APPEND, "audio": audio}).encode()
        case _:
            raise AssertionError(how)


FORMS = ("compact", "spaced", "turned", "escaped", "more", "twice", "binary")


@example(b"\xff" * 30, "escaped")
@given(st.binary(min_size=0, max_size=300), st.sampled_from(FORMS))
def test_the_sound_of_a_message_is_counted_to_the_byte(sound: bytes, how: str) -> None:
    frame = append(sound, how)
    text = frame.decode() if isinstance(frame, bytes) else frame
    counted = sound_bytes(text)
    if how in ("compact", "spaced"):
        assert counted is not None, "the usual forms are not parsed"
    assert (parsed(text) if counted is None else counted) == len(sound)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ('{"type":"input_audio_buffer.commit"}', Commit(final=False)),
        ('{"final":"yes","type":"input_audio_buffer.commit"}', Commit(final=True)),
        ('{"type":"input_audio_buffer.commit","final":0}', Commit(final=False)),
        ('{"type":"input_audio_buffer.commit","final":"perhaps"}', None),
        ('{"type":"input_audio_buffer.append","audio":5}', None),
        ('{"type":"input_audio_buffer.append","audio":"AAA"}', 2),
        ('{"type":"session.update","model":"m"}', None),
        ("[" * 100_000, None),
        ("null", None),
        ("", None),
    ],
)
def test_what_is_not_written_in_the_usual_way_is_parsed(text: str, content: object) -> None:
    assert sound_bytes(text) is None
    assert parsed(text) == content


@given(st.text("AB+/=! .-_", max_size=24))
def test_what_is_no_base64_is_never_counted_as_less_than_a_server_takes(audio: str) -> None:
    text = f'{{"type":"{APPEND}","audio":"{audio}"}}'
    with suppress(Error):
        taken = b64decode(audio)
        counted, looked_at = sound_bytes(text), parsed(text)
        assert isinstance(looked_at, int) and looked_at >= len(taken)
        assert counted is None or counted >= len(taken)


def test_a_message_cut_short_is_not_taken_for_sound() -> None:
    whole = append(bytes(30))
    assert isinstance(whole, str)
    for at in range(len(whole)):
        assert sound_bytes(whole[:at]) is None
        assert parsed(whole[:at]) is None


FRAMES = st.one_of(
    st.builds(append, st.integers(1, SECOND // 2 * 5).map(lambda n: bytes(2 * n)), st.sampled_from(FORMS)),
    st.sampled_from(
        [
            '{"type":"session.update","model":"m"}',
            '{"type":"input_audio_buffer.commit"}',
            '{"type":"input_audio_buffer.commit"}',
            '{"type":"input_audio_buffer.commit","final":true}',
            '{"type": "input_audio_buffer.commit", "final": true}',
            f'{{"type":"{APPEND}","audio":""}}',
            f'{{"type":"{APPEND}","audio":"QUI"}}',
            f'{{"type":"{APPEND}","audio":"A!!!"}}',
            f'{{"type":"{APPEND}","audio":"AAAAA!=="}}',
            append(b"abc"),
            "{nope",
            "",
            '{"type":"session.update","model":null}',
        ]
    ),
    st.text(max_size=5),
)


class _Told:
    """The client's side of a stream in memory: it sends everything at once."""

    def __init__(self, frames: list[Frame]) -> None:
        self._left = [{"type": "websocket.connect"}, *map(_received, frames), {"type": "websocket.disconnect"}]
        self.refused = 0

    async def receive(self) -> Message:
        await asyncio.sleep(0)
        return dict(self._left.pop(0))

    async def send(self, message: Message) -> None:
        self.refused += "is dropped." in message.get("text", "")


def _received(frame: Frame) -> Message:
    return {"type": "websocket.receive", "bytes" if isinstance(frame, bytes) else "text": frame}


async def play(frames: list[Frame]) -> None:
    """Send frames through a stream and compare what it believes of the server with what is there."""
    told, server = _Told(frames), QueueServer()
    stream = Stream(told.receive, told.send, Model(), BOUNDS, Figures())
    async with asyncio.timeout(10):
        await stream.run(server, {"type": "websocket", "path": "/v1/realtime"})
    assert (stream.account.n_samples, stream.account.n_deltas) == (server.n_put, server.n_deltas)
    assert stream.account.generating == server.generating
    texts = [frame.decode() if isinstance(frame, bytes) else frame for frame in frames]
    assert len(server.texts) == len(texts) - told.refused
    left = iter(texts)
    assert all(text in left for text in server.texts), "what was let through is what was sent, in order"
    assert server.most_ahead <= (BOUNDS.ahead_s + BOUNDS.message_s) * SECOND
    assert server.most_uncommitted <= (BOUNDS.uncommitted_s + BOUNDS.message_s) * SECOND


def play_many(n: int) -> None:
    with asyncio.Runner() as runner:

        @settings(max_examples=n)
        @given(st.lists(FRAMES, max_size=12))
        def sequences(frames: list[Frame]) -> None:
            opening: list[Frame] = ['{"type":"session.update","model":"m"}', '{"type":"input_audio_buffer.commit"}']
            for played in (frames, [*opening, *frames]):
                runner.run(play(played))

        sequences()


@pytest.mark.real
def test_hundreds_of_random_sequences_are_followed_and_bounded() -> None:
    play_many(300)


@pytest.mark.real
@pytest.mark.timeout(300)
def test_ten_thousand_random_sequences_are_followed_and_bounded() -> None:
    play_many(5_000)


def test_quantiles_are_read_between_the_bounds_that_hold_them() -> None:
    lags = Lags()
    assert lags.quantile_s(0.5) is None
    for _ in range(90):
        lags.count(0.06)
    before = lags.copy()
    for _ in range(10):
        lags.count(0.8)
    assert lags.quantile_s(0.5) == pytest.approx(0.05 + 50 / 90 * 0.025)
    assert lags.quantile_s(0.95) == pytest.approx(0.75 + 0.5 * 0.25)
    assert lags.since(before).quantile_s(0.5) == pytest.approx(0.875)
    lags.count(99.0)
    assert lags.quantile_s(1.0) == 10.0
    assert lags.sum_s == pytest.approx(90 * 0.06 + 10 * 0.8 + 99)


def test_the_lag_of_a_delta_is_from_the_end_of_its_own_sound() -> None:
    account = Account(Model(), Bounds())
    commit = '{"type":"input_audio_buffer.commit"}'
    chunk, delta = append(bytes(2560)), '{"type":"transcription.delta","delta":""}'
    assert isinstance(chunk, str)
    account.take(commit, 10.0)
    for i in range(1, 9):
        account.take(chunk, 10.0 + i * 0.08)
    # The first delta needs 9,000 samples, the end of which is in the eighth chunk; the second is not due yet.
    assert account.said(delta, 10.7) == pytest.approx(0.06)
    assert account.said(delta, 10.71) is None


def test_sound_faster_than_speech_has_no_lag() -> None:
    account = Account(Model(), Bounds())
    chunk, delta = append(bytes(2560)), '{"type":"transcription.delta","delta":""}'
    assert isinstance(chunk, str)
    account.take('{"type":"input_audio_buffer.commit"}', 10.0)
    for _ in range(12):
        account.take(chunk, 10.01)
    assert account.said(delta, 13.0) is None


def test_a_model_without_a_clock_is_never_waited_for() -> None:
    model = Model()
    model.learn(n_samples=2 * SECOND, n_deltas=5, n_prompt=100)
    account = Account(model, Bounds())
    chunk = append(bytes(2 * SECOND))
    assert isinstance(chunk, str)
    account.take('{"type":"input_audio_buffer.commit"}', 0.0)
    for _ in range(60):
        assert account.take(chunk, 0.0) is None
    assert not account.full


def test_the_first_utterance_tells_the_delay() -> None:
    model = Model()
    model.learn(n_samples=2 * SECOND, n_deltas=35, n_prompt=45)
    assert model.clocked
    assert model.delay_samples == 960 * 16
