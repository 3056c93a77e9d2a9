"""Runs voxctl as a person does: its own process, real files, real pipes, real signals."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from voxctl.cli.app import app

VOXCTL = (sys.executable, "-m", "voxctl")
REPOSITORY = Path(__file__).parents[2]
CLIP = REPOSITORY / "examples" / "sense-and-sensibility.wav"
#: 3 s, for tests to which it does not matter what is said.
SHORT = REPOSITORY / "tests" / "data" / "ill-disposed.wav"


@dataclass
class Run:
    """What a finished run left: its exit code, what it wrote, and how long it took, in seconds."""

    code: int
    out: str
    err: str
    took_s: float


@dataclass
class Program:
    """A voxctl that runs. ``writes`` are its writes to stdout with the seconds since its start."""

    process: asyncio.subprocess.Process
    started_s: float = field(default_factory=time.monotonic)
    writes: list[tuple[float, str]] = field(default_factory=list)

    @property
    def out(self) -> str:
        return "".join(text for _, text in self.writes)

    async def read_until(self, wanted: str) -> None:
        """Read stdout until ``wanted`` has appeared in it."""
        while wanted not in self.out:
            assert await self._read_some(), f"stdout ended without {wanted!r}: {self.out!r}"

    async def say_until(self, wanted: str) -> str:
        """Read lines of stderr until one has ``wanted`` in it; return that line."""
        assert self.process.stderr
        while line := (await self.process.stderr.readline()).decode():
            if wanted in line:
                return line
        raise AssertionError(f"stderr ended without {wanted!r}")

    async def end(self) -> Run:
        """Read to the end."""
        assert self.process.stderr
        err = asyncio.create_task(self.process.stderr.read())
        while await self._read_some():
            pass
        code = await self.process.wait()
        return Run(code, self.out, (await err).decode(), time.monotonic() - self.started_s)

    async def _read_some(self) -> bool:
        assert self.process.stdout
        data = await self.process.stdout.read(65_536)
        self.writes.append((time.monotonic() - self.started_s, data.decode()))
        return bool(data)


@asynccontextmanager
async def started(
    *arguments: str | Path, stdin: int | None = None, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> AsyncIterator[Program]:
    """Start voxctl, in an environment without settings but with ``env``; it is ended when the context is left."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("VOXCTL_")}
    environment |= {"PYTHONPATH": str(REPOSITORY), "VOXCTL_CONFIG": os.devnull} | dict(env or {})
    process = await asyncio.create_subprocess_exec(
        *VOXCTL,
        *map(str, arguments),
        stdin=stdin if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=cwd,
        env=environment,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        process._transport.close()  # type: ignore[attr-defined]  # asyncio offers no other way to let go of its pipes


async def run(
    *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, limit_s: float = 50
) -> Run:
    """Run voxctl to its end, which must come within ``limit_s``."""
    async with started(*arguments, cwd=cwd, env=env) as program:
        return await asyncio.wait_for(program.end(), limit_s)


def run_here(*arguments: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> Run:
    """Run voxctl in this process, for what ends before it begins: a dozen wrong values cost what one program does."""
    began_s, out, err, code = time.monotonic(), io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(cwd)
        for name in [name for name in os.environ if name.startswith("VOXCTL_")]:
            patch.delenv(name)
        for name, value in {"VOXCTL_CONFIG": os.devnull, **(env or {})}.items():
            patch.setenv(name, value)
        try:
            app([str(argument) for argument in arguments], prog_name="voxctl")
        except SystemExit as exc:
            code = int(exc.code or 0)
    return Run(code, out.getvalue(), err.getvalue(), time.monotonic() - began_s)


def shown_error(run: Run) -> tuple[str, str]:
    """Return the message and the hint a person reads: the last two lines of stderr."""
    lines: Sequence[str] = run.err.splitlines()
    assert len(lines) >= 2, run.err
    message, hint = lines[-2], lines[-1]
    assert message.startswith("error: ") and hint.startswith("  try: "), run.err
    return message.removeprefix("error: "), hint.removeprefix("  try: ")
