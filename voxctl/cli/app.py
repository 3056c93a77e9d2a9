"""The Typer app, the order of its commands, and the one error boundary."""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from voxctl._version import __version__
from voxctl.errors import Interrupted, VoxError
from voxctl.ui.plain import show_error


class ErrorBoundary(TyperGroup):
    """Turns every ``VoxError`` into two lines and its exit code; anything else is a bug and keeps its traceback."""

    def invoke(self, ctx: Any) -> Any:  # the true type is private to typer
        """Run the command."""
        try:
            return super().invoke(ctx)
        except VoxError as exc:
            show_error(exc, sys.stderr)
            raise typer.Exit(exc.exit_code) from exc
        except KeyboardInterrupt as exc:
            raise typer.Exit(Interrupted.exit_code) from exc
        except BrokenPipeError as exc:
            # Whoever read our output has seen enough (`| head`). Keep the interpreter from flushing into it at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from exc


app = typer.Typer(
    cls=ErrorBoundary,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Real-time speech transcription you run yourself: on a laptop, on a GPU, on SageMaker.",
    epilog="Exit codes: 0 done, 1 a bug of ours, 2 usage, 3 audio input, 4 stream or server, 5 AWS, "
    "6 incomplete but saved, 130 interrupted.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"voxctl {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def _register() -> None:
    from voxctl.cli import serve, transcribe

    app.command("transcribe")(transcribe.transcribe)
    app.command("serve")(serve.serve)


_register()


def main() -> None:
    """Run voxctl."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal without the characters of a transcript shows their codes; it does not end the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    # The library logs and shows nothing; what it warns of is for the person at the terminal.
    warnings = logging.StreamHandler()
    warnings.setLevel(logging.WARNING)
    logging.getLogger("voxctl").addHandler(warnings)
    app(prog_name="voxctl")
