"""What docker, buildx and podman write while they work: how far they are, and what was pushed. Pure."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

#: Lines shown when it fails; each is cut to a length that a person may read.
TAIL_LINES = 20
LINE_CHARS = 300

#: Colours, and the moves of a cursor that draws bars.
_CONTROLS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")

#: A step of the Dockerfile: BuildKit's, the older builder's, podman's.
_STEPS = (
    re.compile(r"#\d+ \[(?:\S+ )?(?P<n>\d+)/(?P<of>\d+)\] (?P<what>\S.*)"),
    re.compile(r"Step (?P<n>\d+)/(?P<of>\d+) : (?P<what>\S.*)"),
    re.compile(r"STEP (?P<n>\d+)/(?P<of>\d+): (?P<what>\S.*)"),
)
_STAGES = (
    (re.compile(r"#\d+ exporting to image|COMMIT\b|Successfully built\b"), "writing the image"),
    (re.compile(r"The push refers to repository"), "pushing"),
)
_SIZE = r"(?P<{}>[\d.]+) ?(?P<{}_unit>[kKMGT]?i?B)"
_OF = _SIZE.format("done", "done") + r" ?/ ?" + _SIZE.format("all", "all")
#: A layer that is on its way: BuildKit's, Docker's, podman's.
_LAYERS = (
    re.compile(rf"#\d+ sha256:(?P<layer>[0-9a-f]{{12}})[0-9a-f]* {_OF}"),
    re.compile(rf"(?P<layer>[0-9a-f]{{12}}): (?:Pushing|Downloading)\s+(?:\[.*\]\s+)?{_OF}"),
    re.compile(rf"Copying blob (?P<layer>[0-9a-f]{{12}}) \[.*\] {_OF}"),
)
_LAYER_DONE = re.compile(
    r"(?:(?P<docker>[0-9a-f]{12}): (?:Pushed|Layer already exists|Mounted from|Pull complete|Download complete)"
    r"|Copying blob (?P<podman>[0-9a-f]{12}) (?:done|skipped))"
)
#: What only redraws a bar, and would fill a log.
_BAR = re.compile(r"[0-9a-f]{12}: (?:Pushing|Downloading|Extracting)\s+[\d.\[]|Copying (?:blob|config) \S+ \[")
_DIGEST = re.compile(r"(?:^|\s)digest: (?P<digest>sha256:[0-9a-f]{64}) size: \d+")
#: An image by name and digest is long; the name is enough.
_PINNED = re.compile(r"@sha256:[0-9a-f]{64}")
_UNITS = {"B": 1, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def plain(line: str) -> str:
    """Return a line of a terminal as text."""
    return _CONTROLS.sub("", line).rstrip()


def is_bar(line: str) -> bool:
    """Return whether a line does nothing but draw a bar anew."""
    return bool(_BAR.match(line))


class Output:
    """Reads the output of one command line by line, and keeps its end.

    ``began`` is called with each new stage. ``digest`` is that of the manifest that was pushed, where the command says.
    """

    def __init__(self, began: Callable[[str], None]) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.digest: str | None = None
        self._began = began
        self._stage = ""
        self._layers: dict[str, tuple[float, float]] = {}

    def feed(self, line: str) -> None:
        """Take one line, as ``plain`` has made it."""
        if not line:
            return
        if found := _DIGEST.search(line):
            self.digest = found["digest"]
        if found := _first(_LAYERS, line):
            self._layers[found["layer"]] = _bytes(found, "done"), _bytes(found, "all")
        elif found := _LAYER_DONE.match(line):
            layer = found["docker"] or found["podman"]
            size = self._layers.get(layer, (0.0, 0.0))[1]
            self._layers[layer] = size, size
        if is_bar(line):
            return
        self.tail.append(line if len(line) <= LINE_CHARS else line[: LINE_CHARS - 1] + "…")
        if found := _first(_STEPS, line):
            self._begin(f"step {found['n']} of {found['of']}: {_PINNED.sub('', found['what'])}")
        for pattern, stage in _STAGES:
            if pattern.match(line):
                self._begin(stage)

    @property
    def progress(self) -> str:
        """How much of the stage's layers has come or gone, empty where nobody says; ``1.2 of 9.8 GB``."""
        done, size = (sum(sizes) for sizes in zip(*self._layers.values(), strict=True)) if self._layers else (0, 0)
        if not size:
            return ""
        unit, name = (1e9, "GB") if size >= 1e9 else (1e6, "MB")
        return f"{done / unit:.1f} of {size / unit:.1f} {name}"

    def _begin(self, stage: str) -> None:
        if stage != self._stage:
            self._stage = stage
            self._layers.clear()
            self._began(stage)


def _first(patterns: tuple[re.Pattern[str], ...], line: str) -> re.Match[str] | None:
    return next((found for pattern in patterns if (found := pattern.match(line))), None)


def _bytes(found: re.Match[str], name: str) -> float:
    # Docker counts in thousands; podman's KiB and so on differ by less than a person sees.
    return float(found[name]) * _UNITS[found[f"{name}_unit"][0]]
