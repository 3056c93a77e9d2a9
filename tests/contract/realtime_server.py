"""What a vLLM Realtime server does, as tests.

``tests/vllm`` holds the real server to it, so that every line is true of vLLM 0.32.0, and ``tests/serving`` holds ours.
A subclass gives a ``server`` fixture (``RealtimeServerUnderTest``); pytest collects the subclass, not this class.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any
from urllib.request import Request, urlopen

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.contract.wire import (
    COMMIT,
    DEADLINE_S,
    FINAL,
    Message,
    RealtimeServerUnderTest,
    append,
    open_wire,
    pcm,
    update,
    varied_audio,
)

SECOND = 16000
APPEND = "input_audio_buffer.append"

# What a client can send wrong before it has named a model, and the code that comes back.
MISTAKES = {
    "text that is not JSON": ("{nope", "invalid_json"),
    "empty text": ("", "invalid_json"),
    "a JSON list": ("[1]", "processing_error"),
    "a JSON null": ("null", "processing_error"),
    "a JSON string": ('"append"', "processing_error"),
    "an unknown type": ('{"type": "response.create"}', "unknown_event"),
    "no type": ("{}", "unknown_event"),
    "a type that is a number": ('{"type": 5}', "unknown_event"),
    "no model": ('{"type": "session.update"}', "invalid_event"),
    "a null model": ('{"type": "session.update", "model": null}', "invalid_event"),
    "a model nested in a session": ('{"type": "session.update", "session": {"model": "m"}}', "invalid_event"),
    "another model": ('{"type": "session.update", "model": "no-such-model"}', "model_not_found"),
    "a model that is a number": ('{"type": "session.update", "model": 5}', "model_not_found"),
    "no audio": (json.dumps({"type": APPEND}), "processing_error"),
    "null audio": (json.dumps({"type": APPEND, "audio": None}), "processing_error"),
    "audio that is a number": (json.dumps({"type": APPEND, "audio": 5}), "processing_error"),
    "empty audio": (json.dumps({"type": APPEND, "audio": ""}), "invalid_audio"),
    "audio that is not base64": (json.dumps({"type": APPEND, "audio": "!!!!"}), "invalid_audio"),
    "base64 without its padding": (json.dumps({"type": APPEND, "audio": "QUI"}), "invalid_audio"),
    "an odd number of bytes": (json.dumps(append(b"abc")), "invalid_audio"),
    "a commit before the model": (json.dumps(COMMIT), "model_not_validated"),
    "a final commit before the model": (json.dumps(FINAL), "model_not_validated"),
}


class RealtimeServerContract:
    """The behaviour of ``/v1/realtime``."""

    # -- greeting and model ------------------------------------------------------------------------------------

    async def test_it_greets_at_once_with_a_session_of_its_own(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as one, open_wire(server) as other:
            assert one.greeting.keys() >= {"type", "id", "created"}  # ours adds one
            assert one.greeting["type"] == "session.created"
            assert one.greeting["id"].startswith("sess-")
            assert one.greeting["id"] != other.greeting["id"]
            assert isinstance(one.greeting["created"], int)
            assert abs(one.greeting["created"] - time.time()) < 60
            assert await one.stays_quiet()

    async def test_a_good_session_update_gets_no_reply(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            await wire.send(update(server.model), update(server.model))
            assert await wire.stays_quiet()

    async def test_a_query_and_fields_it_does_not_know_are_ignored(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server, "?model=no-such-model&intent=transcription") as wire:
            extra = {"event_id": "e1", "session": {"language": "fr"}}
            await wire.send(update(server.model) | extra, append(pcm(SECOND)) | extra, COMMIT | extra, FINAL | extra)
            assert len((await wire.until_done()).deltas) == server.deltas_in_all(SECOND)

    # -- the token clock ---------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "n_samples", [1, 39, 40, 1319, 1320, 1321, 8999, 9000, 10280, SECOND, 3 * SECOND + 7, 10 * SECOND, 60 * SECOND]
    )
    async def test_the_length_alone_says_how_many_deltas_come(
        self, server: RealtimeServerUnderTest, n_samples: int
    ) -> None:
        async with open_wire(server) as wire:
            utterance = await wire.say(pcm(n_samples))
            assert len(utterance.deltas) == server.deltas_in_all(n_samples)

    @pytest.mark.parametrize("chunk_ms", [1, 33, 80, 1000])
    async def test_the_size_of_the_chunks_changes_nothing(self, server: RealtimeServerUnderTest, chunk_ms: int) -> None:
        async with open_wire(server) as wire:
            whole = await wire.say(server.speech[:SECOND], chunk_ms=10_000)
            pieces = await wire.say(server.speech[:SECOND], chunk_ms)
            assert pieces == whole

    @pytest.mark.parametrize("extra_samples", [-9000, -1, 0, 1279, 1280, 23000])
    async def test_a_delta_comes_as_soon_as_its_audio_has_and_not_before(
        self, server: RealtimeServerUnderTest, extra_samples: int
    ) -> None:
        n_samples = round((0.0825 + server.delay_s) * SECOND) + extra_samples
        n_early = server.deltas_so_far(n_samples)
        assert n_early == (extra_samples // 1280 + 1 if extra_samples >= 0 else 0)
        async with open_wire(server) as wire:
            if n_samples:
                await wire.send(update(server.model), append(pcm(n_samples)), COMMIT)
            await wire.deltas(n_early)
            assert await wire.stays_quiet()

    async def test_each_80_ms_of_audio_gives_one_more_delta(self, server: RealtimeServerUnderTest) -> None:
        first = round((0.0825 + server.delay_s) * SECOND)
        async with open_wire(server) as wire:
            await wire.send(update(server.model), append(pcm(first)), COMMIT)
            await wire.deltas(1)
            for _ in range(5):
                await wire.send(append(pcm(1280)))
                await wire.deltas(1)
            assert await wire.stays_quiet()
            await wire.send(FINAL)
            rest = await wire.until_done()
            assert 6 + len(rest.deltas) == server.deltas_in_all(first + 5 * 1280)

    # -- an utterance ------------------------------------------------------------------------------------------

    async def test_done_carries_the_joined_deltas_and_counts_them(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            utterance = await wire.say(server.speech)
        n_deltas = server.deltas_in_all(len(server.speech) // 2)
        assert utterance.text.strip(), "the audio was chosen to have words in it"
        assert len(utterance.deltas) == n_deltas
        assert "" in utterance.deltas
        assert utterance.done.keys() == {"type", "text", "usage"}
        assert utterance.done["text"] == utterance.text
        usage: dict[str, Any] = utterance.done["usage"]
        assert usage["prompt_tokens"] == server.prompt_tokens
        assert usage["completion_tokens"] == n_deltas
        assert usage["total_tokens"] == server.prompt_tokens + n_deltas

    async def test_one_connection_takes_one_utterance_after_another(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            first, second, third = [await wire.say(server.speech[:n]) for n in (2 * SECOND, 4 * SECOND, 2 * SECOND)]
        assert len(second.deltas) == server.deltas_in_all(2 * SECOND)
        assert first == third

    @pytest.mark.parametrize("order", ["append first", "commit first", "update last"])
    async def test_audio_before_the_commit_is_kept(self, server: RealtimeServerUnderTest, order: str) -> None:
        model, audio = update(server.model), append(pcm(SECOND))
        opening = {
            "append first": [model, audio, COMMIT],
            "commit first": [model, COMMIT, audio],
            "update last": [audio, model, COMMIT],
        }[order]
        async with open_wire(server) as wire:
            await wire.send(*opening, FINAL)
            assert len((await wire.until_done()).deltas) == server.deltas_in_all(SECOND)

    async def test_an_utterance_without_audio_is_done_at_once(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            await wire.send(update(server.model), COMMIT, FINAL)
            utterance = await wire.until_done()
            assert (utterance.deltas, utterance.done["text"]) == ([], "")
            assert utterance.done["usage"]["prompt_tokens"] == utterance.done["usage"]["total_tokens"] == 0
            assert len((await wire.say(pcm(SECOND))).deltas) == server.deltas_in_all(SECOND)

    async def test_a_commit_said_twice_counts_once(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            wire.burst(update(server.model), append(pcm(2 * SECOND)), COMMIT, COMMIT, FINAL, FINAL)
            assert len((await wire.until_done()).deltas) == server.deltas_in_all(2 * SECOND)
            assert await wire.stays_quiet()
            assert len((await wire.say(pcm(2 * SECOND))).deltas) == server.deltas_in_all(2 * SECOND)

    # -- what is lost without a word ---------------------------------------------------------------------------

    async def test_audio_after_the_final_commit_is_lost(self, server: RealtimeServerUnderTest) -> None:
        late = append(pcm(SECOND))
        async with open_wire(server) as wire:
            wire.burst(update(server.model), append(pcm(2 * SECOND)), COMMIT, FINAL, late)
            assert len((await wire.until_done()).deltas) == server.deltas_in_all(2 * SECOND)
            assert len((await wire.say(pcm(2 * SECOND))).deltas) == server.deltas_in_all(2 * SECOND)

    async def test_audio_after_done_heads_the_next_utterance(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            await wire.say(pcm(SECOND))
            await wire.send(append(pcm(SECOND)))
            assert await wire.stays_quiet()
            assert len((await wire.say(pcm(SECOND))).deltas) == server.deltas_in_all(2 * SECOND)

    async def test_an_utterance_sent_before_done_is_lost(self, server: RealtimeServerUnderTest) -> None:
        early = [append(pcm(SECOND)), COMMIT, FINAL]
        async with open_wire(server) as wire:
            wire.burst(update(server.model), append(pcm(2 * SECOND)), COMMIT, FINAL, *early)
            assert len((await wire.until_done()).deltas) == server.deltas_in_all(2 * SECOND)
            assert await wire.stays_quiet()
            assert len((await wire.say(pcm(2 * SECOND))).deltas) == server.deltas_in_all(2 * SECOND)

    async def test_a_final_commit_with_nothing_begun_ends_the_next_utterance_at_once(
        self, server: RealtimeServerUnderTest
    ) -> None:
        async with open_wire(server) as wire:
            await wire.send(update(server.model), FINAL)
            assert await wire.stays_quiet()
            await wire.send(append(pcm(2 * SECOND)), COMMIT)
            lost = await wire.until_done()
            assert (lost.deltas, lost.done["text"]) == ([], "")
            assert len((await wire.say(pcm(2 * SECOND))).deltas) == server.deltas_in_all(2 * SECOND)

    # -- mistakes ----------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("mistake", MISTAKES)
    async def test_a_mistake_is_named_and_the_connection_goes_on(
        self, server: RealtimeServerUnderTest, mistake: str
    ) -> None:
        text, code = MISTAKES[mistake]
        async with open_wire(server) as wire:
            await wire.send(text)
            assert await wire.fails_with() == code
            assert len((await wire.say(pcm(1600))).deltas) == server.deltas_in_all(1600)

    async def test_a_wrong_model_does_not_unseat_the_right_one(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            await wire.send(update(server.model), update("no-such-model"))
            assert await wire.fails_with() == "model_not_found"
            await wire.send(append(pcm(SECOND)), COMMIT, FINAL)
            assert len((await wire.until_done()).deltas) == server.deltas_in_all(SECOND)

    @pytest.mark.parametrize(
        ("bad", "code"),
        [
            ({"type": APPEND, "audio": ""}, "invalid_audio"),
            (append(b"abc"), "invalid_audio"),
            ({"type": "response.cancel"}, "unknown_event"),
            ({"type": "input_audio_buffer.commit", "final": "perhaps"}, "processing_error"),
        ],
    )
    async def test_a_mistake_in_mid_utterance_costs_only_itself(
        self, server: RealtimeServerUnderTest, bad: Message, code: str
    ) -> None:
        async with open_wire(server) as wire:
            # Half a second alone gives no delta, so the error is the next thing to come.
            await wire.send(update(server.model), append(pcm(4000)), COMMIT, bad)
            assert await wire.fails_with() == code
            await wire.send(append(pcm(SECOND)), FINAL)
            assert len((await wire.until_done()).deltas) == server.deltas_in_all(4000 + SECOND)

    async def test_a_binary_message_ends_the_connection(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            await wire.send(pcm(1600))
            with pytest.raises(ConnectionClosed):
                await wire.receive()

    async def test_a_message_over_16_mib_is_closed_with_1009(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            await wire.send("x" * 2**24)
            assert await wire.fails_with() == "invalid_json"
            with pytest.raises(ConnectionClosed) as closed:
                await wire.send("x" * (2**24 + 1))
                await wire.receive()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009

    # -- connections -------------------------------------------------------------------------------------------

    async def test_two_streams_at_once_do_not_mix(self, server: RealtimeServerUnderTest) -> None:
        other_audio = varied_audio(3.0, seed=7)
        async with open_wire(server) as one, open_wire(server) as other:
            alone = await one.say(server.speech), await other.say(other_audio)
            together = await asyncio.gather(one.say(server.speech, 80), other.say(other_audio, 80))
        assert tuple(together) == alone

    async def test_the_closing_code_and_reason_are_echoed(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            await wire.send(update(server.model), append(pcm(10 * SECOND)), COMMIT)
            await wire.deltas(1)
            await wire.socket.close(3001, "had enough")
            echoed = wire.socket.protocol.close_rcvd
            assert echoed is not None
            assert (echoed.code, echoed.reason) == (3001, "had enough")

    async def test_a_connection_that_is_cut_does_not_disturb_the_next(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire:
            await wire.send(update(server.model), append(pcm(5 * SECOND)), COMMIT)
            await wire.deltas(1)
            wire.socket.transport.abort()
        async with open_wire(server) as wire:
            assert len((await wire.say(pcm(SECOND))).deltas) == server.deltas_in_all(SECOND)

    async def test_a_ping_is_answered(self, server: RealtimeServerUnderTest) -> None:
        async with open_wire(server) as wire, asyncio.timeout(DEADLINE_S):
            await (await wire.socket.ping())

    @pytest.mark.parametrize("path", ["/", "/v1/realtime/", "/v1/audio"])
    async def test_no_other_path_is_a_stream(self, server: RealtimeServerUnderTest, path: str) -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(server.url.removesuffix(server.path) + path):
                pass
        assert refused.value.response.status_code == 403

    # -- beside the stream -------------------------------------------------------------------------------------

    @pytest.mark.parametrize(("method", "path"), [("GET", "/health"), ("GET", "/ping"), ("POST", "/ping")])
    async def test_it_says_that_it_is_alive(self, server: RealtimeServerUnderTest, method: str, path: str) -> None:
        assert await asyncio.to_thread(_fetch, server, path, method) == b""

    async def test_it_lists_the_model_it_serves(self, server: RealtimeServerUnderTest) -> None:
        listing = json.loads(await asyncio.to_thread(_fetch, server, "/v1/models", "GET"))
        assert listing["object"] == "list"
        assert [(card["object"], card["id"]) for card in listing["data"]] == [("model", server.model)]


def _fetch(server: RealtimeServerUnderTest, path: str, method: str) -> bytes:
    """The body of a 200 answer; anything else raises."""
    request = Request(server.http_url + path, headers=dict(server.headers), method=method)
    with urlopen(request, timeout=DEADLINE_S) as answer:
        assert answer.status == 200
        return bytes(answer.read())
