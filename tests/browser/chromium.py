"""Debian's Chromium with a file for a microphone, driven by Playwright, and what a test asks of it.

A page's policy forbids code made of text, so tests wait with locators and look with ``evaluate``, which goes past it.
"""

from __future__ import annotations

import io
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
import soxr
from numpy.typing import NDArray

from tests.cli.program import REPOSITORY
from voxctl.demo.wire import HEADER

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page, WebSocket

AXE = REPOSITORY / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = REPOSITORY / "build" / "browser" / "screenshots"
SIZES = ((390, 780), (1100, 760), (1920, 1080))
DEADLINE_MS = 30_000
FILE_RATE_HZ = 48_000
QUIET_S = 0.3

type Samples = NDArray[np.float64]


@asynccontextmanager
async def chromium(microphone: Path | None) -> AsyncIterator[Browser]:
    """Run a browser; without a file its microphone is refused."""
    from playwright.async_api import async_playwright  # the quick suite collects these tests without it

    options = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream"]
    if microphone:
        options += ["--use-fake-ui-for-media-stream", f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    else:
        options += ["--deny-permission-prompts"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=options)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Tab:
    """One page, what went wrong in it or left this machine, and the pieces of sound that it sent, by number."""

    page: Page
    faults: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    pieces: dict[int, bytes] = field(default_factory=dict)
    n_sent: int = 0

    @property
    def sent(self) -> bytes:
        """All of the sound that it sent, each piece once."""
        assert sorted(self.pieces) == list(range(len(self.pieces)))
        return b"".join(self.pieces[number] for number in sorted(self.pieces))

    def watch(self, socket: WebSocket) -> None:
        """Take note of what is sent."""
        socket.on("framesent", self._sent)

    def _sent(self, data: bytes | str) -> None:
        if isinstance(data, bytes):
            number = HEADER.unpack_from(data)[0]
            assert self.pieces.setdefault(number, data[HEADER.size :]) == data[HEADER.size :]
            self.n_sent += 1

    def check(self) -> None:
        assert self.faults == [] and self.foreign == []

    async def start(self) -> None:
        await self.page.keyboard.press("Space")

    async def stop(self) -> None:
        await self.page.locator("#record[aria-pressed=true]").wait_for(timeout=DEADLINE_MS)
        await self.page.keyboard.press("Space")
        await self.state("Done")

    async def state(self, words: str) -> None:
        await self.page.locator("#state", has_text=words).wait_for(timeout=DEADLINE_MS)

    async def said(self, words: str) -> None:
        """Wait until the page has said this of a problem."""
        await self.page.locator("#problem", has_text=words).wait_for(timeout=DEADLINE_MS)

    async def words(self, text: str) -> None:
        """Wait until this is part of the transcript."""
        await self.page.locator("#log", has_text=text).wait_for(timeout=DEADLINE_MS)

    @property
    async def text(self) -> str:
        return " ".join((await self.page.locator("#log").inner_text()).split())

    async def shoot(self, name: str) -> None:
        """Keep screenshots of the page as it is, at every size."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        for width, height in SIZES:
            await self.page.set_viewport_size({"width": width, "height": height})
            await self.page.screenshot(path=SHOTS / f"{name}-{width}.png")

    async def barriers(self) -> list[str]:
        """Return what axe-core finds, rule by rule."""
        await self.page.evaluate(AXE.read_text("utf-8"))
        found: dict[str, Any] = await self.page.evaluate("axe.run()")
        return [f"{rule['id']}: {[node['html'] for node in rule['nodes']]}" for rule in found["violations"]]


@asynccontextmanager
async def window(browser: Browser, **options: Any) -> AsyncIterator[BrowserContext]:
    """Open a window that shares nothing with others."""
    context = await browser.new_context(**options)
    try:
        yield context
    finally:
        await context.close()


@asynccontextmanager
async def tab(browser: Browser, url: str, **options: Any) -> AsyncIterator[Tab]:
    """Open the page in a window of its own; in the end nothing broke in it and nothing has left this machine."""
    async with window(browser, **options) as context:
        opened = await tab_in(context, url)
        yield opened
        opened.check()


async def tab_in(context: BrowserContext, url: str) -> Tab:
    """Open the page in one more tab of a window."""
    page = await context.new_page()
    opened = Tab(page)
    home = urlsplit(url).netloc
    page.on("pageerror", lambda error: opened.faults.append(str(error)))
    page.on("request", lambda request: _note(opened, request.url, home))
    page.on("websocket", lambda socket: _note(opened, socket.url, home))
    page.on("websocket", opened.watch)
    await page.goto(url)
    return opened


def _note(opened: Tab, url: str, home: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("blob", "data") and parts.netloc != home:
        opened.foreign.append(url)


def write_wav(path: Path, sound: Samples, rate_hz: int) -> Path:
    """Write a mono file at 48 kHz, whatever the rate of the sound, with silence around it.

    The browser's file begins when its microphone is opened, some 20 ms before any page can listen to it.
    """
    quiet = np.zeros(round(rate_hz * QUIET_S))
    high = soxr.resample(np.concatenate([quiet, sound, quiet]), rate_hz, FILE_RATE_HZ, "VHQ")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, FILE_RATE_HZ, 0, "NONE", ""))
        file.writeframes(np.round(np.clip(high, -1, 1) * 32767).astype("<i2").tobytes())
    return path


def read_wav(path: Path) -> tuple[Samples, int]:
    with wave.open(io.BytesIO(path.read_bytes())) as file:
        pcm = file.readframes(file.getnframes())
        return samples_of(pcm), file.getframerate()


def samples_of(pcm: bytes | bytearray) -> Samples:
    return np.frombuffer(bytes(pcm), "<i2") / 32768


def noise(seed: int, seconds: float) -> Samples:
    """Sound at 16 kHz that is like nothing else, up to 5 kHz, at full strength from its first sample to its last."""
    white = np.fft.rfft(np.random.default_rng(seed).standard_normal(round(seconds * 16_000)))
    white[int(len(white) * 0.625) :] = 0
    sound = np.fft.irfft(white)
    return np.asarray(0.3 * sound / np.abs(sound).max())


def offset_of(part: Samples, whole: Samples) -> int:
    """Return where in ``whole`` the ``part`` fits best; negative where it begins before it."""
    size = len(part) + len(whole)
    score = np.fft.irfft(np.fft.rfft(whole, size) * np.conj(np.fft.rfft(part, size)), size)
    best = int(np.argmax(score))
    return best if best < len(whole) else best - size


def likeness(one: Samples, other: Samples) -> float:
    """Return the correlation of two sounds of one length, moved against each other by less than a sample at best."""
    best = 0.0
    spectrum, turn = np.fft.rfft(other), 2j * np.pi * np.fft.rfftfreq(len(other))
    for shift in np.arange(-0.6, 0.601, 0.02):
        moved = np.fft.irfft(spectrum * np.exp(turn * shift), len(other))
        best = max(best, float(np.corrcoef(one, moved)[0, 1]))
    return best
