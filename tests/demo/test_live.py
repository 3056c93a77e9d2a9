"""One tab and its session: every piece of sound once, every word once, whatever becomes of the connection."""

from __future__ import annotations

import asyncio
import base64
import json
import random

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.demo.tab import PIECE_BYTES, Demo, Tab, ended, pieces, serving
from tests.fakes.sockets import peer_server
from voxctl.connect import websocket
from voxctl.demo.recordings import Bounds
from voxctl.demo.server import open_demo

SOUND = random.Random(8).randbytes(32_000 * 4)
PIECES = pieces(SOUND)
TEXT = "w1 w2 w3 w4 w5 w6 w7 w8"


async def speak(tab: Tab, begin: int = 0, end: int = len(PIECES)) -> None:
    for number in range(begin, end):
        await tab.send(number, PIECES[number])


async def finish(tab: Tab) -> None:
    await tab.stop(len(PIECES))
    await tab.until("news", phase="done")


async def close_code(tab: Tab) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        while True:
            await tab.receive()
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


async def acked(tab: Tab, number: int) -> None:
    while tab.told.next <= number:
        await tab.receive()


async def test_what_is_said_to_a_page_comes_back_as_words_and_every_message_is_acknowledged() -> None:
    async with serving() as demo, demo.tab() as tab:
        await tab.until("ready", next=0)
        await speak(tab)
        await finish(tab)
        assert tab.text == TEXT and tab.told.acked == list(range(len(PIECES)))
        assert demo.engine.heard == [SOUND]
        assert tab.told.news["tail"] == "" and tab.told.news["error"] is None and not tab.told.news["gaps"]


async def test_a_message_that_comes_twice_is_heard_once_and_one_that_comes_too_early_is_asked_for_again() -> None:
    async with serving() as demo, demo.tab() as tab:
        for number in (0, 1, 1, 0, 3, 2, 3):
            await tab.send(number, PIECES[number])
        await acked(tab, 3)
        assert tab.told.acked == [0, 1, 1, 0, 3, 2, 3]
        await speak(tab, 4)
        await finish(tab)
        assert demo.engine.heard == [SOUND]


async def test_a_page_that_comes_back_goes_on_where_the_sound_broke_off_and_gets_each_word_once() -> None:
    async with serving() as demo:
        async with demo.tab() as tab:
            await speak(tab, 0, 70)
            await tab.until("news", phase="live")
            while not tab.told.pieces:
                await tab.receive()
            await acked(tab, 40)
            tab.socket.transport.abort()
        told = tab.told
        # Of the last pieces it does not know whether they arrived, so it sends them again.
        async with demo.tab(id=told.id, words=len(told.pieces)) as back:
            back.told.pieces = told.pieces
            ready = await back.until("ready", id=told.id)
            assert 40 < ready["next"] <= 70
            await speak(back, told.next)
            await finish(back)
            assert back.text == TEXT and demo.engine.heard == [SOUND]


async def test_a_page_that_comes_back_before_its_old_socket_is_known_to_be_dead_takes_over() -> None:
    async with serving() as demo, demo.tab() as old:
        await speak(old, 0, 50)
        await acked(old, 49)
        async with demo.tab(id=old.told.id) as new:
            assert (await new.until("ready"))["next"] == 50
            assert await close_code(old) == 4409
            await speak(new, 50)
            await finish(new)
            assert new.text == TEXT and demo.engine.heard == [SOUND]


async def test_a_page_that_reads_nothing_for_a_while_gets_what_it_missed_as_one() -> None:
    async with serving() as demo:
        async with demo.tab() as tab:
            await tab.until("ready")
        await asyncio.sleep(0)
        async with demo.tab() as tab:
            await speak(tab)
            await tab.stop(len(PIECES))
            await asyncio.sleep(0.5)
            await tab.until("news", phase="done")
            assert tab.text == TEXT


async def test_a_recording_without_its_page_is_finished_after_a_while_and_its_text_is_kept() -> None:
    async with serving(Bounds(away_s=0.2)) as demo:
        async with demo.tab() as tab:
            await speak(tab, 0, 63)
            await acked(tab, 62)
            tab.socket.transport.abort()
        await ended(demo)
        async with demo.tab(id=tab.told.id) as back:
            await back.until("news", phase="done")
            assert back.text == "w1 w2 w3 w4"
        status, _, body = await demo.fetch(f"/transcript/{tab.told.id}.txt")
        assert (status, body) == (200, b"w1 w2 w3 w4\n")


async def test_a_tab_that_is_closed_ends_its_recording_at_once() -> None:
    async with serving() as demo:
        async with demo.tab() as tab:
            await speak(tab, 0, 10)
            await acked(tab, 9)
            await tab.socket.close(1001)
        await ended(demo)


async def test_tabs_stay_apart() -> None:
    sounds = [random.Random(i).randbytes(36_000) for i in range(6)]

    async def one(demo: Demo, sound: bytes) -> str:
        async with demo.tab() as tab:
            for number, piece in enumerate(pieces(sound)):
                await tab.send(number, piece)
                await asyncio.sleep(0)
            await tab.stop(len(pieces(sound)))
            await tab.until("news", phase="done")
            return tab.text

    async with serving() as demo:
        assert await asyncio.gather(*(one(demo, sound) for sound in sounds)) == ["w1 w2"] * 6
        assert sorted(demo.engine.heard) == sorted(sounds)


async def test_one_recording_too_many_is_refused_in_words_and_one_that_ends_makes_room() -> None:
    async with serving(Bounds(most=1)) as demo:
        async with demo.tab() as tab:
            await tab.until("ready")
            async with demo.tab() as refused:
                message = await refused.receive()
                assert message["type"] == "refused" and message["message"].startswith("1 recording at a time")
                assert "--max-sessions" in message["hint"]
                assert await close_code(refused) == 1013
            await speak(tab)
            await finish(tab)
        async with demo.tab() as tab:
            await tab.until("ready")


async def test_a_recording_that_nobody_knows_is_said_to_be_gone() -> None:
    async with serving() as demo, demo.tab(id="of-another-run") as tab:
        assert (await tab.receive())["code"] == "gone"
        assert await close_code(tab) == 4410


@pytest.mark.parametrize("said", [b"\0" * 15, b"\0" * 17, b"\1" * 18, "{", "[]", '{"type":"stop","count":-1}'])
async def test_what_no_page_of_ours_says_ends_the_connection(said: bytes | str) -> None:
    async with serving() as demo, demo.tab() as tab:
        await tab.socket.send(said)
        assert await close_code(tab) == 1002


async def test_a_message_longer_than_a_second_ends_the_connection() -> None:
    async with serving() as demo, demo.tab() as tab:
        await tab.send(0, bytes(64_000))
        assert await close_code(tab) == 1009


async def test_a_model_that_cannot_be_reached_is_said_in_words() -> None:
    async with open_demo(websocket("ws://127.0.0.1:1")) as page, Demo(page, None).tab() as tab:  # type: ignore[arg-type]
        news = await tab.until("news", phase="failed")
        assert "127.0.0.1:1" in news["error"]["message"] and news["error"]["hint"]


@pytest.mark.real
async def test_a_model_that_breaks_off_is_said_and_costs_no_sound() -> None:
    async with (
        peer_server() as upstream,
        open_demo(websocket(upstream.url)) as page,
        Demo(page, None).tab() as tab,  # type: ignore[arg-type]
    ):
        first = await upstream.accepted.get()
        await first.send('{"type":"session.created","id":"a","created":1}')
        await tab.until("news", phase="live")
        await speak(tab, 0, 30)
        await acked(tab, 29)
        await first.send('{"type":"transcription.delta","delta":""}')
        await tab.until("news", heard_s=0.08)
        await first.abort()
        await tab.until("news", phase="reconnecting")
        second = await upstream.accepted.get()
        await second.send('{"type":"session.created","id":"b","created":1}')
        sent = b""
        while len(sent) < 30 * PIECE_BYTES:
            message = json.loads(await second.receive())
            sent += base64.b64decode(message.get("audio", ""))
        assert sent == SOUND[: 30 * PIECE_BYTES]


async def test_a_server_that_ends_lets_what_was_said_become_text_and_says_goodbye() -> None:
    async with serving() as demo, demo.tab() as tab:
        await speak(tab)
        await acked(tab, len(PIECES) - 1)
        stopping = asyncio.create_task(demo.page.stop())
        await tab.until("news", phase="done")
        assert tab.text == TEXT
        assert await close_code(tab) == 1012
        await stopping
        with pytest.raises(OSError):
            await connect(f"ws://{demo.address}/live")
