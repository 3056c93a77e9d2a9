"""The Typer app, the order of its commands, and the one error boundary."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from voxctl._version import __version__
from voxctl.cli.commands import SETTINGS, SUMMARIES, Commands
from voxctl.errors import Interrupted, OutputError, VoxError
from voxctl.ui.plain import show_error
from voxctl.ui.streams import let_go, renamed, weather


class ErrorBoundary(TyperGroup):
    """Turns every ``VoxError`` into its lines and its exit code; anything else is a bug and keeps its traceback."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        if not self.commands:  # none of its own, as in tests
            self.commands: Any = Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands in the order of a beginner's needs."""
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help, no wider than the terminal: by itself it would take 50 columns at least."""
        formatter.width = min(formatter.width, shutil.get_terminal_size().columns)
        super().format_help(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands and their summaries, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))

    def invoke(self, ctx: Any) -> Any:  # the true type is private to typer
        """Run the command."""
        with _boundary():
            return super().invoke(ctx)

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """Read the command line; ``--help`` and ``--version`` write here."""
        with _boundary():
            try:
                return super().make_context(*args, **kwargs)
            except OSError as exc:
                raise renamed(exc) from exc


@contextlib.contextmanager
def _boundary() -> Iterator[None]:
    try:
        yield
    except VoxError as exc:
        shown = _told(exc)
        if isinstance(exc, OutputError) and sys.stdout is not None:
            let_go(sys.stdout)
        if shown is not None:
            show_error(shown, weather(sys.stderr))
        raise typer.Exit(shown.exit_code if shown else exc.exit_code) from exc
    except SystemExit as exc:
        if isinstance(exc.__context__, BrokenPipeError):  # how Rich leaves when its reader has gone
            raise typer.Exit(0) from exc
        raise
    except KeyboardInterrupt as exc:
        show_error(Interrupted("interrupted"), weather(sys.stderr))
        raise typer.Exit(Interrupted.exit_code) from exc


def _told(error: VoxError) -> VoxError | None:
    """Return what a person must hear of: a reader that went away hides no failure that came before it."""
    told: BaseException | None = error
    while told is not None:
        if isinstance(told, VoxError) and told.exit_code:
            return told
        told = told.__context__
    return None


app = typer.Typer(
    cls=ErrorBoundary,
    no_args_is_help=True,
    # Plain, as drawing tables takes longer than everything else that `voxctl --help` does.
    rich_markup_mode=None,
    help="Real-time speech transcription you run yourself: on a laptop, on a GPU, on SageMaker.",
    epilog="Exit codes: 0 done, 1 a bug of ours, 2 usage, 3 audio input, 4 stream or server, 5 AWS, "
    "6 incomplete, 130 interrupted.",
    **SETTINGS | {"add_completion": True},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"voxctl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run voxctl."""
    if "_VOXCTL_COMPLETE" in os.environ:
        # A shell takes each line for a candidate, and typer would break the words about one at the terminal's width.
        os.environ["TERMINAL_WIDTH"] = "10000"
    for stream in (sys.stdout, sys.stderr):
        # A terminal without the characters of a transcript shows their codes; it does not end the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    # The library logs and shows nothing; what it warns of is for the person at the terminal.
    warnings = logging.StreamHandler(weather(sys.stderr))
    warnings.setLevel(logging.WARNING)
    logging.getLogger("voxctl").addHandler(warnings)
    app(prog_name="voxctl")
