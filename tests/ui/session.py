"""A scripted session for a terminal: ``python -m tests.ui.session SCENE``. What it shows is judged from outside."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from voxctl.events import (
    Done,
    Event,
    Gap,
    Notice,
    Opened,
    Progress,
    Reconnecting,
    Resumed,
    Rotated,
    Tail,
    Usage,
    Word,
    Words,
)
from voxctl.transcript.transcript import Transcript
from voxctl.ui.view import open_view

TEXT = (
    "It is a truth well known to all the world that an excellent cook is born, and that a kettle never boils while "
    "somebody watches it. The fire was low, the rain had not stopped since noon, and the three of them sat round the "
    "table without a word, waiting for the post."
)
CHINESE = "今天的天气非常好，我们一起去公园散步吧。孩子们在草地上奔跑，老人们坐在长椅上聊天。"
HOSTILE = "\x1b]0;x\x07\x1b[35m[bold red]hi\x9b2J"
DURATION_S = 30.0


@dataclass
class Scene:
    """``events`` are shown one by one, ``step_s`` apart; ``pause`` values among them are seconds to wait."""

    events: Callable[[], Iterator[Event | float]]
    step_s: float = 0.004
    pace: float | None = 1.0
    names: tuple[str | None, ...] = (None,)
    fails: type[BaseException] | None = None
    target: str = "ws://127.0.0.1:8000/v1/realtime"
    duration_s: float | None = DURATION_S
    live: bool = field(default=True)


def spoken(text: str, start_s: float = 0.0) -> Iterator[Event | float]:
    """Say ``text``: every word is a tail first, in two steps, and committed when the next one begins."""
    words = text.split(" ")
    for n, word in enumerate(words):
        space = " " if n else ""
        at_s = start_s + 0.3 * (n + 1)
        yield Tail(space + word[: len(word) // 2])
        yield Progress(at_s, at_s + 0.5)
        yield Tail(space + word)
        yield Progress(at_s + 0.08, at_s + 0.56)
        yield Words(space + word, (Word(word, at_s - 0.3, at_s),))
        yield Tail("")


def plain_session() -> Iterator[Event | float]:
    yield 0.1
    yield Opened("mistralai/Voxtral-Mini-4B-Realtime-2602")
    yield from spoken(TEXT)
    yield Done(Usage(), DURATION_S, 0.87)


def held_session() -> Iterator[Event | float]:
    """Stop in the middle of a word until a line comes on standard input; then go on to the end."""
    yield Opened("model")
    head, rest = TEXT[:180].rsplit(" ", 1)[0], TEXT[len(TEXT[:180].rsplit(" ", 1)[0]) :]
    yield from spoken(head)
    yield Tail(" the three of")
    yield float("inf")
    yield Tail("")
    yield Words(rest, tuple(Word(word, 15.0, 15.0) for word in rest.split()))
    yield Done(Usage(), DURATION_S, 0.87)


def troubled_session() -> Iterator[Event | float]:
    yield Opened("model")
    yield from spoken(TEXT[:60].rsplit(" ", 1)[0])
    yield Reconnecting(2, 1.3, "the server closed the connection")
    yield float("inf")
    yield Progress(5.0, 5.5)
    yield Notice("the clock of the server jumped")
    rest = TEXT[len(TEXT[:60].rsplit(" ", 1)[0]) :]
    yield Words(rest, tuple(Word(word, 15.0, 15.0) for word in rest.split()))
    yield Done(Usage(), DURATION_S, None)


def survived_session() -> Iterator[Event | float]:
    """Stop, until a line comes on standard input: without a connection, with a new one, with another, far behind."""
    yield Opened("model")
    yield from spoken(TEXT[:60].rsplit(" ", 1)[0])
    yield Reconnecting(2, 1.3, "the server went silent at 3.6 s of audio (5 s without an answer)")
    yield float("inf")
    yield Resumed(2.4)
    yield Progress(5.0, 5.5)
    yield float("inf")
    yield Rotated(6.0)
    yield Progress(8.0, 8.5)
    yield float("inf")
    yield Progress(9.0, 11.0, 21.5)
    yield Gap(9.0, 9.5, "no server was there")
    yield float("inf")
    yield Done(Usage(), DURATION_S, None)


def hostile_session() -> Iterator[Event | float]:
    yield Opened("model")
    yield Words(HOSTILE, (Word(HOSTILE, 0.0, 1.0),))
    yield Tail(HOSTILE)
    yield Reconnecting(1, 0.5, HOSTILE)
    yield float("inf")
    yield Done(Usage(), 1.0, None)


def chinese_session() -> Iterator[Event | float]:
    yield Opened("model")
    for n, character in enumerate(CHINESE):
        yield Words(character, (Word(character, n * 0.3, n * 0.3 + 0.3),))
        yield Tail(CHINESE[n + 1 : n + 3])
        yield Progress(n * 0.3, n * 0.3 + 0.5)
    yield Tail("")
    yield Done(Usage(), DURATION_S, None)


def fast_session() -> Iterator[Event | float]:
    yield Opened("model")
    for _ in range(20):
        yield from spoken(TEXT)
        yield Words(" ", ())
    yield Done(Usage(), 20 * 25.0, None)


SCENES: dict[str, Scene] = {
    "plain": Scene(plain_session),
    "slow": Scene(plain_session, step_s=0.05),
    "connecting": Scene(lambda: iter([float("inf"), Opened("model"), Done(Usage(), 0.0)])),
    "held": Scene(held_session),
    "held-max": Scene(held_session, pace=None),
    "troubled": Scene(troubled_session),
    "survived": Scene(survived_session, target="ws://gpu:8000"),
    "hostile": Scene(hostile_session, names=(HOSTILE, "other"), target=HOSTILE),
    "chinese": Scene(chinese_session, duration_s=None),
    "fast": Scene(fast_session, step_s=0.0, pace=None),
    "several": Scene(plain_session, names=("monday.wav", "tuesday.wav"), pace=None, step_s=0.0),
    "several-json": Scene(plain_session, names=("monday.wav", "tuesday.wav"), live=False),
    "error": Scene(plain_session, fails=ValueError),
    "interrupt": Scene(plain_session, fails=KeyboardInterrupt),
}


async def play(scene: Scene) -> None:
    """Show a scene as the command does."""
    view = open_view(sys.stdout, sys.stderr, os.environ, live=scene.live)
    for name in scene.names:
        transcript = Transcript()
        view.begin(name, target=scene.target, duration_s=scene.duration_s, pace=scene.pace)
        try:
            await _play_events(scene, view.show, transcript)
        finally:
            view.end(transcript.complete)
        if not scene.live:
            view.document('{"text": "…"}')
        view.summary(transcript, 7.5)


async def _play_events(scene: Scene, show: Callable[[Event], None], transcript: Transcript) -> None:
    for n, event in enumerate(scene.events()):
        if isinstance(event, float):
            await _wait(event)
            continue
        transcript.apply(event)
        show(event)
        if scene.fails and n == 100:
            raise scene.fails("as the scene demands")
        await asyncio.sleep(scene.step_s)


async def _wait(pause_s: float) -> None:
    if pause_s == float("inf"):
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    else:
        await asyncio.sleep(pause_s)


def main() -> None:
    """Play the scene named on the command line; with a second argument say on stderr what it cost."""
    scene = SCENES[sys.argv[1]]
    started_s = time.process_time()
    asyncio.run(play(scene))
    if len(sys.argv) > 2:
        n_events = sum(1 for _ in scene.events())
        print(f"{n_events} events, {time.process_time() - started_s:.3f} s of CPU", file=sys.stderr)


if __name__ == "__main__":
    main()
