"""A `docker` or `podman` that answers as it was told: for what a real one does only on a bad day.

What it says is what the real ones were heard to say.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from tests.image.test_output import RECORDED


@dataclass
class Scripted:
    """A program in ``folder``. ``reply`` says what it answers to arguments that begin with such words.

    Of several that fit the last counts. What fails says so on stderr.
    """

    folder: Path
    name: str = "docker"
    replies: dict[str, tuple[str, int]] = field(default_factory=dict)

    def reply(self, arguments: str, said: str = "", code: int = 0) -> None:
        """Answer so from now on; ``said`` may be the name of a recording."""
        self.replies.pop(arguments, None)
        self.replies[arguments] = (said, code)
        cases = []
        for number, (begin, (text, exit_code)) in enumerate(reversed(self.replies.items())):
            place = RECORDED / text
            if not text.endswith(".txt"):
                place = self.folder / f"{self.name}-{number}"
                place.write_text(f"{text}\n" if text else "")
            where = " >&2" if exit_code else ""
            cases.append(f'"{begin}"|"{begin} "*) cat {shlex.quote(str(place))}{where}; exit {exit_code};;')
        path = self.folder / self.name
        calls = shlex.quote(str(self.folder / "calls"))
        path.write_text(
            f'#!/bin/sh\necho "{self.name} $*" >> {calls}\n'
            f'case "$*" in *--password-stdin*) cat >> {calls}; echo >> {calls};; esac\n'
            f'case "$*" in\n{chr(10).join(cases)}\n*) echo "unknown: $*" >&2; exit 125;;\nesac\n'
        )
        path.chmod(0o755)

    @property
    def calls(self) -> list[str]:
        """What it was called with, and what it read."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []


def scripted_docker(folder: Path, *, buildx: bool = True) -> Scripted:
    """Return a Docker that works and pushes what was recorded."""
    made = Scripted(folder)
    made.reply("--version", "Docker version 26.1.5, build a72d7cd")
    made.reply("version", "26.1.5")
    made.reply("context show", "default")
    made.reply("info", '[["Backing Filesystem","extfs"]]')
    made.reply("buildx version", "github.com/docker/buildx 0.13.1" if buildx else "", 0 if buildx else 1)
    made.reply("buildx build", "buildx-0.13-build.txt")
    made.reply("build", "docker-26-build.txt")
    made.reply("login", "Login Succeeded")
    made.reply("push", "docker-26-push.txt")
    made.reply("image inspect", "sha256:" + "1" * 64)
    return made
