"""``python -m benchmarks.demo``: the page in a real browser: how old its sound gets, how soon its words are seen.

Needs what ``make test-real`` installs. The server behind is ``benchmarks.peer``, in a process of its own.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.measure import ROOT, VOXCTL, Figure, peer, show
from tests.browser.chromium import chromium, noise, write_wav
from voxctl.demo.wire import HEADER

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page, WebSocket

_TABS = 6
_LISTEN_S = 15.0
_OPENINGS = 7
_PIECE_MS = 32.0
#: When words reached the page's tree, and the frame after that: both on the clock that the server has too.
_WATCH = """
window.shown = [];
addEventListener('DOMContentLoaded', () => new MutationObserver((all) => {
  if (!all.some(({ addedNodes }) => [...addedNodes].some(({ nodeName }) => nodeName === 'SPAN'))) return;
  const tree = performance.timeOrigin + performance.now();
  requestAnimationFrame(() => shown.push([tree, performance.timeOrigin + performance.now()]));
}).observe(document.getElementById('log'), { childList: true, subtree: true }));
"""
_OPENED = """() => {
  const [page] = performance.getEntriesByType('navigation'), files = performance.getEntriesByType('resource');
  const sizes = [page, ...files].map(({ transferSize }) => transferSize);
  return [page.domContentLoadedEventEnd, sizes.reduce((a, b) => a + b), sizes.length];
}"""


@dataclass
class _Traffic:
    """What went over a page's socket: pieces by number, and when the server said that it had them or had words."""

    captured_ms: dict[int, float] = field(default_factory=dict)
    taken_ms: dict[int, float] = field(default_factory=dict)
    words_ms: list[float] = field(default_factory=list)

    def watch(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._received)

    def _sent(self, data: bytes | str) -> None:
        if isinstance(data, bytes):
            number, _, captured_ms = HEADER.unpack_from(data)
            self.captured_ms[number] = captured_ms

    def _received(self, data: bytes | str) -> None:
        message = json.loads(data)
        if message["type"] == "ack":
            self.taken_ms[message["number"]] = message["at_ms"]
        elif message["type"] == "news" and message["words"]:
            self.words_ms.append(message["at_ms"])

    def ages_ms(self) -> list[float]:
        """Return the age of the middle sample of each piece when the server had it."""
        return [at - self.captured_ms[n] + _PIECE_MS / 2 for n, at in self.taken_ms.items() if n in self.captured_ms]


@asynccontextmanager
async def _process(url: str) -> AsyncIterator[tuple[int, str]]:
    """Run ``voxctl demo`` in front of a server; yield its process and its address."""
    command = [*VOXCTL, "demo", "--no-open", "--port", "0", "--json", "--url", url]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout
        yield process.pid, json.loads(await process.stdout.readline())["url"]
    finally:
        process.terminate()
        await process.wait()


def _rss_mb(pid: int, key: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith(key)).split()[1]) / 1000


async def _opened(browser: Browser, url: str) -> tuple[float, int, int]:
    """Open the page without anything in a cache: milliseconds until it can be used, its bytes, its requests."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(url)
    ready_ms, n_bytes, n_requests = await page.evaluate(_OPENED)
    await context.close()
    return ready_ms, n_bytes, n_requests


async def _talk(browser: Browser, url: str, traffic: _Traffic) -> Page:
    context = await browser.new_context()
    page = await context.new_page()
    page.on("websocket", traffic.watch)
    await page.add_init_script(_WATCH)
    await page.goto(url)
    await page.keyboard.press("Space")
    await page.locator("#state", has_text="Live").wait_for()
    return page


async def _measured(url: str, wav: Path) -> list[Figure]:
    async with AsyncExitStack() as stack:
        pid, address = await stack.enter_async_context(_process(url))
        browser = await stack.enter_async_context(chromium(wav))
        idle_mb = _rss_mb(pid, "VmRSS")
        openings = [await _opened(browser, address) for _ in range(_OPENINGS)]
        traffic = _Traffic()
        page = await _talk(browser, address, traffic)
        await asyncio.sleep(_LISTEN_S)
        shown: Sequence[Sequence[float]] = await page.evaluate("window.shown")
        alone = _page_figures(traffic, shown, openings)
        for _ in range(_TABS - 1):
            await _talk(browser, address, _Traffic())
        await asyncio.sleep(_LISTEN_S)
        beside = f"peak {_rss_mb(pid, 'VmHWM'):.0f} MB, without a tab {idle_mb:.0f} MB"
        return [*alone, Figure(f"RSS of the demo, {_TABS} tabs", f"{_rss_mb(pid, 'VmRSS'):.0f} MB", "<= 80 MB", beside)]


def _page_figures(traffic: _Traffic, shown: Sequence[Sequence[float]], openings: Sequence[Any]) -> list[Figure]:
    ages = sorted(traffic.ages_ms())
    pairs = list(zip(traffic.words_ms, shown, strict=False))
    tree = [at[0] - sent for sent, at in pairs]
    frame = [at[1] - sent for sent, at in pairs]
    ready = [one[0] for one in openings]
    age_beside = f"p95 {ages[int(0.95 * len(ages))]:.0f} ms of {len(ages)} pieces; 16 ms of it is half a piece"
    return [
        Figure("sample age at the server, p50", f"{median(ages):.1f} ms", "<= 40 ms", age_beside),
        Figure(
            "text event → screen, p50",
            f"{median(frame):.1f} ms",
            "<= 15 ms",
            f"until the frame that shows it; {median(tree):.1f} ms until the page has it; {len(pairs)} events",
        ),
        Figure(
            "page ready, p50",
            f"{median(ready):.0f} ms",
            "<= 500 ms",
            f"best {min(ready):.0f}, worst {max(ready):.0f} ms, nothing in a cache",
        ),
        Figure(
            "page, over the wire",
            f"{openings[0][1] / 1000:.1f} kB",
            "<= 30 kB",
            f"{openings[0][2]} requests; 2 more files with the first Start",
        ),
    ]


def page() -> list[Figure]:
    """Measure the page."""
    with tempfile.TemporaryDirectory() as folder, peer() as server:
        wav = write_wav(Path(folder, "noise.wav"), noise(1, 60.0), 16_000)
        return asyncio.run(_measured(server.url, wav))


if __name__ == "__main__":
    show(page())
