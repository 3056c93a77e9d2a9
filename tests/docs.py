"""Writes the command reference into README.md: `python -m tests.docs`, or `make docs`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from voxctl.cli.commands import SUMMARIES

README = Path(__file__).parent.parent / "README.md"
COMMANDS = tuple(SUMMARIES)
_PLACE = re.compile(r"(?<=<!-- commands -->\n).*(?=<!-- /commands -->)", re.DOTALL)


def help_of(*arguments: str) -> str:
    """Return the help text of a command, as a plain terminal of 100 columns shows it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("VOXCTL_", "_TYPER"))}
    environment |= {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "voxctl", *arguments, "--help"]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=True, timeout=30)
    return "\n".join(line.rstrip() for line in run.stdout.strip().splitlines())


def reference() -> str:
    """Return the reference of all commands, in Markdown."""
    return "\n".join(f"### `voxctl {name}`\n\n```text\n{help_of(name)}\n```\n" for name in COMMANDS)


def written() -> str:
    """Return the README as it should be."""
    return _PLACE.sub(lambda _: reference(), README.read_text("utf-8"))


if __name__ == "__main__":
    README.write_text(written(), "utf-8")
