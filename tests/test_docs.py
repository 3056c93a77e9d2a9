"""The README says what is so: its reference is generated, its commands run."""

from __future__ import annotations

import asyncio
import re
import shlex
import subprocess

import pytest

from tests.cli.program import REPOSITORY, VOXCTL, run, started
from tests.docs import README, written
from voxctl.cli.commands import SUMMARIES

CONSOLE = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
COMMANDS = [
    line.removeprefix("$ ") for block in CONSOLE.findall(README.read_text("utf-8")) for line in block.splitlines()
]
QUICK = [c for c in COMMANDS if not c.startswith(("make ", "voxctl serve")) and "--realtime" not in c]


def test_the_command_reference_is_what_help_says() -> None:
    assert README.read_text("utf-8") == written(), "README.md is stale: run `make docs`"


def test_every_command_is_in_the_reference() -> None:
    names = set(SUMMARIES)
    documented = set(re.findall(r"^### `voxctl (\S+)`$", README.read_text("utf-8"), re.MULTILINE))
    assert names == documented


def test_the_readme_has_commands_to_run() -> None:
    assert len(QUICK) >= 3 and "make try" in COMMANDS and "voxctl serve" in COMMANDS


@pytest.mark.real
@pytest.mark.parametrize("command", QUICK)
def test_a_command_of_the_readme_runs(command: str) -> None:
    voxctl = " ".join(map(shlex.quote, VOXCTL))
    line = command.replace("voxctl ", f"{voxctl} ").replace("> talk.json", "")
    shell = ["bash", "-o", "pipefail", "-c", line]
    done = subprocess.run(shell, cwd=REPOSITORY, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    assert "had he married" in done.stdout


@pytest.mark.real
async def test_voxctl_serve_of_the_readme_runs() -> None:
    async with started("serve", "--port", "0") as program:
        assert "ws://127.0.0.1:" in await asyncio.wait_for(program.say_until("serving"), 30)


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    for target in re.findall(r"make ([a-z-]+)", README.read_text("utf-8")):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"the README names `make {target}`"


async def test_the_exit_codes_are_documented_as_they_are() -> None:
    shown = await run("--help")
    codes = re.findall(r"^\| (\d+) \|", README.read_text("utf-8"), re.MULTILINE)
    assert codes == ["0", "1", "2", "3", "4", "5", "6", "130"]
    text = " ".join(shown.out.split())
    assert all(f"{code} " in text for code in codes)
