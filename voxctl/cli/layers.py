"""A command whose options may be left to files and environment: the nearest to the user's fingers holds."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand

from voxctl.cli.parsing import format_named_by
from voxctl.cli.settings import are_read, key_of, settings_read
from voxctl.cli.variables import unknown_in, unknown_text
from voxctl.cli.wrong import elsewhere, refused
from voxctl.config import SECRET
from voxctl.errors import UsageError, VoxError
from voxctl.ui.plain import show_note
from voxctl.ui.streams import weather

#: Option → what cannot hold beside it, when each has the value it is tested for.
_CONTRADICTIONS: tuple[tuple[str, Callable[[Any], bool], str, Callable[[Any], bool]], ...] = (
    ("realtime", bool, "speed", lambda speed: speed is not None),
    ("timestamps", bool, "format", lambda format_: format_ not in (None, "txt")),
    ("url", bool, "endpoint", bool),
    ("url", bool, "region", bool),
    ("url", bool, "aws_profile", bool),
    ("url", bool, "endpoint_url", bool),
)
#: Option → what a typed value of it says of another one that nobody gave, if anything.
_IMPLIED: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (("output", "format", format_named_by),)
#: Options that errors of a session speak of, whose value may stand somewhere else.
_SPOKEN_OF = ("url", "ca_bundle")
#: Options that describe what another one asks for, and are no more than a note without it.
_DETAILS: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    ("encoding", "raw", bool),
    ("rate", "raw", bool),
    ("channels", "raw", bool),
    ("speakers", "channel", lambda channel: channel == "all"),
)
#: Columns below which a table of options has no room for words.
_NARROW = 100


class Configured(TyperCommand):
    """A command whose options may be left to files and environment."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line, and lay over each other what it, the environment and the files say."""
        typed = list(args)
        try:
            rest = super().parse_args(ctx, args)
        except typer.BadParameter as exc:
            raise self._refused(ctx, exc, typed) from exc
        if not ctx.resilient_parsing and are_read(ctx):
            _Layers(ctx).settle()
            if self.name not in ("config", "doctor"):  # which show them among the others
                unknown = unknown_in(os.environ, self, ctx.find_root().command.commands)
                for name, nearest in unknown.items():
                    show_note(unknown_text(name, nearest), weather(sys.stderr))
        return rest

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error that speaks of an option names the place where its value stands."""
        try:
            return super().invoke(ctx)
        except VoxError as exc:
            if are_read(ctx):
                _Layers(ctx).name_places(exc)
            raise

    def _refused(self, ctx: Any, error: typer.BadParameter, args: list[str]) -> UsageError:
        param: Any = error.param
        if param is None:
            return UsageError(error.message, hint=f"{ctx.command_path} --help")
        if param.param_type_name == "argument":
            hint = f"{ctx.command_path} {param.metavar}, or {ctx.command_path} --help"
            return UsageError(f"{ctx.command_path} needs a {param.metavar}", hint=hint)
        if _source(ctx, param) == "ENVIRONMENT":
            return refused(param, param.envvar, os.environ.get(param.envvar, ""), f"{param.envvar}={{}}")
        given, _, _ = self.make_parser(ctx).parse_args(args=args)
        return refused(param, param.opts[0], given.get(param.name), f"{param.opts[0]} {{}}")

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help: a table, or on a narrow terminal each option above its words."""
        with self._without_negations():
            columns = shutil.get_terminal_size().columns
            if columns >= _NARROW:
                return super().format_help(ctx, formatter)
            formatter.width = columns
            self.format_usage(ctx, formatter)
            self.format_help_text(ctx, formatter)
            for param in self.get_params(ctx):
                if record := param.get_help_record(ctx):
                    formatter.write(f"\n{record[0]}\n")
                    with formatter.indentation():
                        formatter.write_text(record[1])

    @contextmanager
    def _without_negations(self) -> Iterator[None]:
        # --no-raw would take a column of the table from the words of all the others.
        before = [(param, param.secondary_opts) for param in self.params]
        for param in self.params:
            param.secondary_opts = []
        yield
        for param, opts in before:
            param.secondary_opts = opts


def _source(ctx: Any, param: Any) -> str:
    return str(getattr(ctx.get_parameter_source(param.name), "name", "DEFAULT"))


class _Layers:
    """The options of a command line once read, each with how far from the user's fingers its value came."""

    def __init__(self, ctx: Any) -> None:
        self._ctx = ctx
        self._params = {key_of(p): p for p in ctx.command.params if p.param_type_name == "option"}
        self._held = settings_read(ctx).of(str(ctx.info_name))

    def settle(self) -> None:
        """Let the nearer of two that contradict each other hold. Raises ``UsageError`` where neither is nearer."""
        for key, entry in self._held.items():
            if entry.value == "" and self._distance(key)[0] == 2:
                self._forget(key)  # an empty text in a file takes back what a file below it says
        for one, other, implied_by in _IMPLIED:
            if {one, other} <= set(self._params) and (implied := implied_by(self._value(one))):
                self._imply(one, other, implied)
        for one, holds, other, contradicts in _CONTRADICTIONS:
            if {one, other} <= set(self._params) and holds(self._value(one)) and contradicts(self._value(other)):
                self._choose(one, other)
        for detail, whole, asked in _DETAILS:
            if {detail, whole} <= set(self._params) and self._distance(detail)[0] and not asked(self._value(whole)):
                self._forget(detail)
        self._guard_key()

    def name_places(self, error: VoxError) -> None:
        """Let an error that speaks of a flag name the variable or the file that it was not typed for."""
        for key in _SPOKEN_OF:
            if key in self._params and self._distance(key)[0] in (1, 2):
                param = self._params[key]
                near = str(param.envvar) if self._distance(key)[0] == 1 else f"{key} in {self._held[key].file.name}"
                moved = elsewhere(UsageError(error.message, hint=error.hint), param.opts[0], near, near)
                if param.opts[0] in error.message:
                    error.message = moved.message
                error.hint = moved.hint

    def _imply(self, one: str, other: str, implied: Any) -> None:
        param = self._params[other]
        match self._distance(other)[0]:
            case 3:
                self._ctx.params[param.name] = implied
                self._ctx.set_parameter_source(param.name, self._ctx.get_parameter_source(self._params[one].name))
            case 0 if self._value(other) != implied:
                raise UsageError(
                    f"{param.opts[0]} {self._value(other)} and {self._params[one].opts[0]} {self._value(one)} "
                    "contradict each other",
                    hint=f"leave {param.opts[0]} out for {implied}, or give the file another suffix.",
                )

    def _value(self, key: str) -> Any:
        return self._ctx.params.get(self._params[key].name)

    def _distance(self, key: str) -> tuple[int, ...]:
        source = ("COMMANDLINE", "ENVIRONMENT", "DEFAULT_MAP", "DEFAULT").index(_source(self._ctx, self._params[key]))
        return (source, *map(int, self._held[key].rank)) if source == 2 else (source,)

    def _choose(self, one: str, other: str) -> None:
        near, far = sorted((one, other), key=self._distance)
        if self._distance(near) != self._distance(far):
            self._forget(far)
        elif self._distance(near)[0] == 2:
            held, beside = self._held[one], self._held[other]
            raise UsageError(
                f"{held.file.name}: {held.place} and {beside.place} = {beside.value!r} contradict each other",
                hint="leave one of them out, or say on the command line which you want.",
            )

    def _forget(self, key: str) -> None:
        param = self._params[key]
        (self._ctx.default_map or {}).pop(param.name, None)
        self._ctx.params[param.name] = param.process_value(self._ctx, param.get_default(self._ctx))

    def _guard_key(self) -> None:
        """A repository that names its own server must not be given the key of whoever tries it."""
        if not {"url", SECRET} <= set(self._params) or not self._value("url"):
            return
        if self._distance("url")[0] != 2 or self._distance(SECRET)[0] != 2 or not self._held["url"].file.shared:
            return
        url = self._held["url"]
        entries = settings_read(self._ctx).entries
        if not any(e.key == "url" and e.value == url.value for e in entries if not e.file.shared):
            raise UsageError(
                f"{url.file.name} names the server; it is not given your key from {self._held[SECRET].file.name}",
                hint="if the server is yours, say so: --url, VOXCTL_URL, or url beside the key in your own file.",
            )
