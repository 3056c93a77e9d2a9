"""One decoder for several readers, each with its own channel and its own pace, in bounded memory."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

from voxctl.audio.decoder import Decoder
from voxctl.audio.pcm import Chunk
from voxctl.audio.pipe import PipeSource
from voxctl.errors import AudioError

#: How far the fastest reader may be ahead of the slowest: long enough for a lost connection to be made again.
WINDOW_MS = 30_000


class Lanes:
    """Lane *n* is what one reader takes. Whoever finds its lane empty decodes the next block, for all of them.

    A block is decoded only when every lane still read holds less than ``WINDOW_MS``, so the slowest reader holds up
    the others and no lane keeps more than the window and one block. A lane given up holds up nobody. All methods may
    be called from any thread; ``next_batch`` blocks.
    """

    def __init__(
        self, decoder: Decoder, source: PipeSource, resources: ExitStack, *, n_lanes: int, chunk_ms: int
    ) -> None:
        self._decoder = decoder
        self._source = source
        self._resources = resources
        self._most_chunks = WINDOW_MS // chunk_ms
        self._kept: list[deque[list[Chunk]]] = [deque() for _ in range(n_lanes)]
        self._n_kept = [0] * n_lanes
        self._live = set(range(n_lanes))
        self._failure: AudioError | None = None
        self._ended = self._decoding = self._closed = False
        self._changed = threading.Condition()
        self.threads: ThreadPoolExecutor | None = None
        if n_lanes > 1:
            # Readers that wait for a slower one would fill the event loop's own pool, and keep that one out of it.
            self.threads = ThreadPoolExecutor(n_lanes, "voxctl-lane")

    def next_batch(self, lane: int) -> list[Chunk] | None:
        """Return what comes next in a lane, or ``None`` at its end or when it was given up; raise what broke off."""
        while True:
            with self._changed:
                while not self._has_news(lane) and (self._decoding or not self._has_room()):
                    self._changed.wait()
                if lane not in self._live:
                    return None
                if self._kept[lane]:
                    return self._take(lane)
                if self._failure is not None:
                    raise self._failure
                if self._ended:
                    return None
                self._decoding = True
            self._decode()

    def give_up(self, lane: int) -> None:
        """Take nothing more from a lane; with the last one, every wait for a pipe ends. Never blocks."""
        with self._changed:
            self._live.discard(lane)
            self._kept[lane].clear()
            if not self._live:
                self._source.stop()
            self._changed.notify_all()

    def close(self, lane: int) -> None:
        """Give up a lane; the last one lets go of the file. May be called twice."""
        self.give_up(lane)
        with self._changed:
            if self._live or self._closed:
                return
            self._closed = True
            while self._decoding:
                self._changed.wait()
        if self.threads is not None:
            self.threads.shutdown()
        self._resources.close()

    def _has_news(self, lane: int) -> bool:
        return lane not in self._live or bool(self._kept[lane]) or self._ended

    def _has_room(self) -> bool:
        return all(self._n_kept[lane] < self._most_chunks for lane in self._live)

    def _take(self, lane: int) -> list[Chunk]:
        batch = self._kept[lane].popleft()
        self._n_kept[lane] -= len(batch)
        self._changed.notify_all()
        return batch

    def _decode(self) -> None:
        batches: list[list[Chunk]] | None = None
        failure: AudioError | None = None
        try:
            batches = self._decoder.next_chunks()
        except AudioError as exc:
            failure = exc
        finally:
            with self._changed:
                for lane in self._live if batches else ():
                    self._keep(lane, (batches or [])[lane])
                self._failure = failure
                self._ended = not batches
                self._decoding = False
                self._changed.notify_all()

    def _keep(self, lane: int, batch: list[Chunk]) -> None:
        if batch:
            self._kept[lane].append(batch)
            self._n_kept[lane] += len(batch)
