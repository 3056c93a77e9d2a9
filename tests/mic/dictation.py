"""`voxctl mic` but for its microphone and its recogniser, which are scripted: ``python -m tests.mic.dictation SCRIPT``.

Somebody says sentences of four words, without end: ``s1a s1b s1c s1d.`` in two seconds, and two of silence after it.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.fakes.microphone import Plug, ScriptedDevice, Step, as_floats, blocks, noise
from tests.fakes.scripted import ScriptedEngine
from voxctl.audio.mic import Microphone
from voxctl.audio.recording import open_recording
from voxctl.cli.app import _boundary
from voxctl.cli.interrupt import Interrupts, run_interruptible
from voxctl.cli.listening import Listening, Wish
from voxctl.cli.targets import Target
from voxctl.connect import websocket
from voxctl.serving.server import open_server
from voxctl.session.policy import Policy
from voxctl.transcript.export import Format
from voxctl.ui.streams import product, weather
from voxctl.ui.view import open_view

SENTENCE_S = 4.0


def sentences(n: int) -> list[tuple[str, float]]:
    """Return what is said in the first ``n`` of them, and when each word ends."""
    return [
        (f"s{s}{letter}{'.' if letter == 'd' else ''}", round((s - 1) * SENTENCE_S + 0.5 * k, 3))
        for s in range(1, n + 1)
        for k, letter in enumerate("abcd", 1)
    ]


def speaking(speed: float, then: list[Step]) -> Iterator[Step]:
    """Speak ``speed`` times as fast as people do; ``then`` is what follows after two sentences."""
    sound = itertools.cycle(blocks(as_floats(noise(16_000) // 2)))
    for n in itertools.count():
        yield next(sound)
        yield 0.08 / speed
        if n == 100:
            yield from then


def main() -> None:
    """Listen until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--format", default="txt")
    parser.add_argument("--output")
    parser.add_argument("--record")
    parser.add_argument("--speed", type=float, default=4.0)
    parser.add_argument("--script", choices=["endless", "unplugged", "fails", "stalls"], default="endless")
    asked = parser.parse_args()
    out = product(sys.stdout)
    wish = Wish(None, Policy(), Format(asked.format), False, asked.output, None)
    view = open_view(out, weather(sys.stderr), os.environ, live=wish.is_plain or out.isatty())
    pulled = asked.script in ("unplugged", "fails")
    again = None if asked.script == "fails" else speaking(asked.speed, [])
    scripts = [speaking(asked.speed, [Plug.PULLED, 60.0] if pulled else []), again]
    recording = open_recording(Path(asked.record)) if asked.record else None
    microphone = Microphone(ScriptedDevice(scripts), recording=recording, back_s=1.0, tell=view.say)
    work = Listening(wish, microphone, view)

    async def run(interrupts: Interrupts) -> None:
        engine = ScriptedEngine(sentences(100))
        with engine.stall_after(20 if asked.script == "stalls" else 10**9):
            await listen(engine, interrupts)

    async def listen(engine: ScriptedEngine, interrupts: Interrupts) -> None:
        async with open_server(engine) as server:
            await work.run(Target("scripted", websocket(server.url)), interrupts)

    with ExitStack() as kept:
        work.prepare(kept)
        run_interruptible(run, view.say)
    work.finish()


if __name__ == "__main__":
    import typer

    try:
        with _boundary():
            main()
    except typer.Exit as exc:
        sys.exit(exc.exit_code)
