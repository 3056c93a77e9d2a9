"""``python -m benchmarks.cpu``: what a second of sound costs one stream, with the display and without."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.measure import Child, Figure, PeerProcess, many_streams, peer, show, transcribe, write_wav

_WANTED = {False: "<= 3 ms", True: "<= 12 ms"}
_DISPLAY = {False: "no display", True: "captions"}
#: The lengths of the files, in seconds: short and long.
_LIVE = (4.0, 64.0)
_FAST = (60.0, 660.0)


def live_stream() -> list[Figure]:
    """Run everything at real time, side by side, and a bare client of the same WebSocket library with it."""
    with tempfile.TemporaryDirectory() as folder, peer() as server:
        bare_ms = 1000 * many_streams("bare", 1, server.url).busy
        costs = _costs(Path(folder), server, _LIVE, ["--speed", "1"])
    beside = f"a bare client: {bare_ms:.1f} ms"
    return [
        Figure(f"CPU per second of sound, live, {_DISPLAY[on]}", f"{costs[on]:.2f} ms", _WANTED[on], beside)
        for on in (False, True)
    ]


def fast_stream() -> list[Figure]:
    """Run as fast as the server answers."""
    with tempfile.TemporaryDirectory() as folder, peer() as server:
        costs = _costs(Path(folder), server, _FAST, [])
    return [
        Figure(f"CPU per second of sound, unpaced, {_DISPLAY[on]}", f"{costs[on]:.2f} ms", _WANTED[on])
        for on in (False, True)
    ]


def _costs(folder: Path, server: PeerProcess, lengths_s: tuple[float, float], options: list[str]) -> dict[bool, float]:
    """Return milliseconds per second of sound, by whether it was displayed: what the long file costs more."""
    short_s, long_s = lengths_s
    paths = {s: write_wav(folder / f"{s:g}.wav", s) for s in lengths_s}
    children = {}
    for on in (False, True):
        for s in lengths_s:
            children[on, s] = Child(transcribe(server.url, paths[s], *options), on_a_terminal=on)
    cpu_s = {key: child.wait().cpu_s for key, child in children.items()}
    return {on: 1000 * (cpu_s[on, long_s] - cpu_s[on, short_s]) / (long_s - short_s) for on in (False, True)}


if __name__ == "__main__":
    show([*live_stream(), *fast_stream()])
