"""Settings as a person meets them: what holds, what is shown, and what is refused."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.cli.program import REPOSITORY, SHORT, VOXCTL, Run, run, run_here, shown_error
from tests.fakes.lawful import LawfulServer
from voxctl.cli.commands import Commands

NOWHERE = "ws://127.0.0.1:9"


async def shown(folder: Path, *arguments: str, **env: str) -> dict[str, Any]:
    """Return what `voxctl config --json` says in a folder."""
    done = await run("config", "--json", *arguments, cwd=folder, env=env)
    assert done.code == 0, done.err
    document: dict[str, Any] = json.loads(done.out)
    return document


async def value(folder: Path, name: str, *arguments: str, **env: str) -> tuple[object, str]:
    """Return a setting of `voxctl transcribe` and where it came from."""
    settings = (await shown(folder, *arguments, **env))["settings"]
    (row,) = [s for s in settings if s["name"] == name and s["command"] == "transcribe"]
    return row["value"], row["where"]


async def transcribed(folder: Path, *arguments: str, **env: str) -> Run:
    return await run("transcribe", SHORT, *arguments, cwd=folder, env=env)


def write(folder: Path, text: str) -> Path:
    path = folder / "voxctl.toml"
    path.write_text(text)
    return path


def mine(tmp_path: Path, text: str) -> str:
    """Write a file of the user's own, outside the project."""
    path = tmp_path / "mine" / "config.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "project"
    path.mkdir()
    return path


@pytest.mark.real
async def test_each_layer_is_obeyed_before_those_below_it(tmp_path: Path, folder: Path) -> None:
    name = "chunk_ms"
    assert await value(folder, name) == (80, "default")
    own = {"VOXCTL_CONFIG": mine(tmp_path, "chunk_ms = 100\n[profiles.lab]\nchunk-ms = 140")}
    assert await value(folder, name, **own) == (100, own["VOXCTL_CONFIG"])
    write(folder, "chunk_ms = 110")
    assert await value(folder, name, **own) == (110, "voxctl.toml")
    write(folder, "chunk_ms = 110\n[transcribe]\nchunk_ms = 120")
    assert await value(folder, name, **own) == (120, "voxctl.toml")
    assert await value(folder, name, "--use", "lab", **own) == (140, f"--use lab: {own['VOXCTL_CONFIG']}")
    assert await value(folder, name, VOXCTL_USE="lab", **own) == (140, f"--use lab: {own['VOXCTL_CONFIG']}")
    write(folder, "chunk_ms = 110\n[profiles.lab]\nchunk_ms = 130")
    assert await value(folder, name, "--use", "lab", **own) == (130, "--use lab: voxctl.toml")
    assert await value(folder, name, "--use", "lab", VOXCTL_CHUNK_MS="150", **own) == (150, "VOXCTL_CHUNK_MS")


async def test_what_is_typed_beats_environment_and_files(folder: Path) -> None:
    write(folder, f'url = "{NOWHERE}"')
    assert "127.0.0.1:9" in (await transcribed(folder)).err
    assert "127.0.0.1:7" in (await transcribed(folder, VOXCTL_URL="ws://127.0.0.1:7")).err
    typed = await transcribed(folder, "--url", "ws://127.0.0.1:1", VOXCTL_URL="ws://127.0.0.1:7")
    assert "127.0.0.1:1/" in typed.err and typed.code == 4


@pytest.mark.real
async def test_an_empty_text_takes_back_what_a_lower_file_says(tmp_path: Path, folder: Path) -> None:
    own = mine(tmp_path, f'url = "{NOWHERE}"')
    write(folder, '[profiles.local]\nurl = ""')
    done = await transcribed(folder, "--use", "local", VOXCTL_CONFIG=own)
    assert done.code == 0 and "he was not an" in done.out


@pytest.mark.real
async def test_a_profile_describes_a_telephones_sound(folder: Path) -> None:
    write(folder, '[profiles.phone]\nraw = true\nencoding = "mulaw"\nrate = 8000\nformat = "json"\nspeed = "max"')
    (folder / "call.ulaw").write_bytes(b"\xff" * 16_000)
    done = await run("transcribe", "call.ulaw", "--use", "phone", cwd=folder)
    assert done.code == 0 and json.loads(done.out)["audio_s"] == pytest.approx(2.0)


@pytest.mark.real
async def test_a_flag_that_a_file_sets_can_be_taken_back(folder: Path) -> None:
    write(folder, "raw = true\nrate = 8000\ntimestamps = true")
    done = await transcribed(folder, "--no-raw", "--no-timestamps")
    assert done.code == 0 and done.out.startswith("he was not an")


@pytest.mark.parametrize(
    ("text", "arguments", "env", "begins"),
    [
        ('format = "srt"', ("--timestamps",), {}, "[00:00:0"),
        ("timestamps = true", ("--format", "srt"), {}, "1\n00:00:0"),
        ("timestamps = true", (), {"VOXCTL_FORMAT": "srt"}, "1\n00:00:0"),
        ('encoding = "mulaw"\nrate = 8000\nchannels = 2', (), {}, "he was not an"),
        ('speakers = "Agent,Customer"', (), {}, "he was not an"),
        ("", (), {"VOXCTL_RATE": "8000"}, "he was not an"),
        ('format = "srt"\n[transcribe]\ntimestamps = true', (), {}, "[00:00:0"),
    ],
)
@pytest.mark.real
async def test_what_contradicts_something_nearer_is_left_out(
    folder: Path, text: str, arguments: tuple[str, ...], env: dict[str, str], begins: str
) -> None:
    write(folder, text)
    done = await transcribed(folder, *arguments, **env)
    assert done.code == 0, done.err
    assert done.out.startswith(begins)


@pytest.mark.real
async def test_realtime_beats_a_speed_in_a_file_and_not_one_that_is_typed(folder: Path) -> None:
    write(folder, f'speed = 4\nurl = "{NOWHERE}"')
    assert "127.0.0.1:9" in (await transcribed(folder, "--realtime")).err
    assert "127.0.0.1:9" in (await transcribed(folder, "--realtime", VOXCTL_SPEED="2")).err
    both = await transcribed(folder, "--realtime", "--speed", "2")
    assert both.code == 2 and "contradict each other" in shown_error(both)[0]


async def test_a_file_that_contradicts_itself_is_told_of(folder: Path) -> None:
    write(folder, 'timestamps = true\nformat = "srt"')
    done = await transcribed(folder)
    assert done.code == 2
    assert shown_error(done)[0] == "voxctl.toml: timestamps and format = 'srt' contradict each other"


def said(folder: Path, *arguments: str | Path, **env: str) -> tuple[int, str, str]:
    """Run voxctl in this process; return its exit code, and the message and hint of its only error."""
    done = run_here(*arguments, cwd=folder, env=env)
    return done.code, *shown_error(done)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chunk_ms = 5", "voxctl.toml: chunk_ms takes a whole number from 10 to 1000, not '5'"),
        ("chunk_ms = true", "voxctl.toml: chunk_ms takes a text or a number"),
        ("chunk_ms = 80.5", "voxctl.toml: chunk_ms takes a whole number from 10 to 1000, not '80.5'"),
        ("[serve]\nport = 70000", "voxctl.toml: serve.port takes a whole number from 0 to 65535, not '70000'"),
        (
            '[profiles.a.transcribe]\nformat = "doc"',
            "voxctl.toml: profiles.a.transcribe.format takes txt, json, jsonl, srt or vtt, not 'doc'",
        ),
        ('speed = "fast"', "voxctl.toml: speed 'fast' is no pace"),
        ("speed = nan", "voxctl.toml: speed 'nan' is no pace"),
        ("rate = 5", "voxctl.toml: rate takes a whole number from 1000 to 192000, not '5'"),
        ("channels = 0", "voxctl.toml: channels takes a whole number from 1 to 32, not '0'"),
        ('channel = "left"', "voxctl.toml: channel: there is no channel 'left'"),
        ("rotate_every = -1", "voxctl.toml: rotate_every -1 is no sensible time"),
        ('raw = "yes"', "voxctl.toml: raw takes true or false"),
        ("raw = 1", "voxctl.toml: raw takes true or false"),
        ("url = 1979-05-27", "voxctl.toml: url takes a text or a number"),
        ("output = 'x'", "voxctl.toml: output is no setting"),
        ("use = 'x'", "voxctl.toml: use is no setting"),
    ],
)
def test_a_value_is_judged_where_it_stands(folder: Path, text: str, message: str) -> None:
    write(folder, text)
    for command in (("transcribe", SHORT), ("config",)):
        code, shown, hint = said(folder, *command)
        assert code == 2 and shown == message and hint, shown


async def test_config_shows_every_value_though_some_are_wrong_and_variables_that_nobody_reads(folder: Path) -> None:
    write(folder, 'chunk_ms = 5\nrate = 8000\n[serve]\nport = "x"')
    env = {"VOXCTL_SPEED": "fast", "VOXCTL_RAW": "maybe", "VOXCTL_FROMAT": "srt", "VOXCTL_PYTHON": "python3.13"}
    done = await run("config", cwd=folder, env=env)
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in done.out.split("\n\n")[0].splitlines()}
    assert done.code == 2
    assert rows["chunk_ms"] == ["5", "voxctl.toml: wrong, see below"] and rows["rate"] == ["8000", "voxctl.toml"]
    assert rows["port"] == ["x", "voxctl.toml: wrong, see below"] and rows["raw"][0] == "maybe"
    assert rows["speed"] == ["fast", "VOXCTL_SPEED: wrong, see below"] and rows["host"] == ["127.0.0.1", "default"]
    assert "VOXCTL_FROMAT is no variable of voxctl; did you mean VOXCTL_FORMAT?" in done.out
    assert "VOXCTL_PYTHON" not in done.out
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 4 and "error: VOXCTL_RAW takes true or false, not 'maybe'" in errors
    document = json.loads((await run("config", "--json", cwd=folder, env=env)).out)
    faults = {row["name"] for row in document["settings"] if row["fault"]}
    assert faults == {"chunk_ms", "port", "speed", "raw"} and document["unknown_variables"] == ["VOXCTL_FROMAT"]


def test_a_wrong_variable_is_named(folder: Path) -> None:
    for command in (("transcribe", SHORT), ("config",)):
        for name, text, message in (
            ("VOXCTL_CHUNK_MS", "5", "VOXCTL_CHUNK_MS takes a whole number from 10 to 1000, not '5'"),
            ("VOXCTL_SPEED", "fast", "VOXCTL_SPEED 'fast' is no pace"),
            ("VOXCTL_RATE", "x", "VOXCTL_RATE takes a whole number from 1000 to 192000, not 'x'"),
            ("VOXCTL_CHANNEL", "left", "VOXCTL_CHANNEL: there is no channel 'left'"),
        ):
            assert said(folder, *command, **{name: text})[:2] == (2, message)


def test_an_error_names_the_place_that_its_value_came_from(folder: Path) -> None:
    assert said(folder, "transcribe", SHORT, "--url", NOWHERE)[2].endswith("or check --url.")
    assert said(folder, "transcribe", SHORT, VOXCTL_URL=NOWHERE)[2].endswith("or check VOXCTL_URL.")
    assert said(folder, "transcribe", SHORT, VOXCTL_URL="ftp://x")[1].startswith("VOXCTL_URL 'ftp://x' is not")
    write(folder, f'url = "{NOWHERE}"')
    assert said(folder, "transcribe", SHORT)[2].endswith("or check url in voxctl.toml.")


def test_a_variable_that_nobody_reads_is_said_once_and_stops_nothing(folder: Path) -> None:
    env = {"VOXCTL_FROMAT": "srt", "VOXCTL_X": "1", "VOXCTL_ENGINE": "vllm"}
    done = run_here("transcribe", "none.wav", cwd=folder, env=env)
    notes = [line for line in done.err.splitlines() if line.startswith("note: ")]
    assert done.code == 3 and notes == [
        "note: VOXCTL_FROMAT is no variable of voxctl; did you mean VOXCTL_FORMAT?",
        "note: VOXCTL_X is no variable of voxctl; nothing reads it",
    ]
    assert not run_here("transcribe", "--help", cwd=folder, env=env).err


#: Option → a value that it cannot have, where its kind does not tell. ``None``: it takes any text.
WRONG: dict[str, str | None] = {
    "use": "nobody",
    "url": "ftp://x",
    "endpoint": "no name",
    "region": "nowhere",
    "profile": "nobody",
    "endpoint_url": "ftp://x",
    "variant": None,
    "invocation_path": None,
    "upstream": "ftp://x",
    "speed": "fast",
    "rotate_every": "3",
    "channel": "left",
    "speakers": "A,,B",
    "output": "no/such/folder/x.txt",
    "events": "no/such/events.jsonl",
    "redact": "card,fax",
    "redact_pattern": "MRN",
    "redact_words": "no/such/words.txt",
    "ca_bundle": "no.pem",
    "model": None,
    "api_key": "two\nlines",
    "host": None,
    "vllm": None,
}


def wrong_values(option: Any) -> Iterator[tuple[str, str]]:
    """Yield values that an option cannot have, each with what the message must say of what it can."""
    kind, info = option.type_descriptor.annotation, option.type_descriptor.parameter_info
    if isinstance(kind, type) and issubclass(kind, Enum):
        *most, last = [str(member) for member in kind]
        yield "nonsense", f"{', '.join(most)} or {last}"
    elif kind in (int, float):
        yield "nonsense", "number"
        for limit, beyond in ((info.min, -1), (info.max, 1)):
            if limit is not None:
                yield str(limit + beyond), f"{limit}"
    if (text := WRONG.get(option.name)) is not None:
        yield text, ""


@pytest.mark.parametrize("command", ["transcribe", "serve", "config"])
def test_every_wrong_value_of_every_option_is_one_line_that_says_what_is_allowed(command: str, folder: Path) -> None:
    more = [str(SHORT), "--url", "wss://127.0.0.1:9"] if command == "transcribe" else []
    options = [p for p in Commands()[command].params if p.param_type_name == "option" and not p.is_flag]
    assert options
    for option in options:
        assert list(wrong_values(option)) or WRONG[option.name] is None, f"give a wrong value for {option.name}"
        for text, allowed in wrong_values(option):
            extra = ["--channel", "all"] if option.name == "speakers" else []
            done = run_here(command, *more, *extra, option.opts[0], text, cwd=folder)
            message, _ = shown_error(done)
            assert done.code == 2 and len(done.err.splitlines()) == 2, (option.name, text, done.err)
            assert allowed in message and not re.search("Input should|Invalid|Value error|valid ", done.err)


@pytest.mark.real
async def test_what_a_file_switches_off_can_be_switched_on_again(folder: Path) -> None:
    write(folder, "no_resume = true")
    async with LawfulServer(ends_after=40).on_a_port() as url:
        assert (await transcribed(folder, "--url", url)).code == 4
        assert (await transcribed(folder, "--url", url, "--resume")).code == 0


def test_the_values_of_json_have_the_type_of_what_they_are(folder: Path) -> None:
    write(folder, 'speed = 4\nrotate_every = "60"\nchannel = 2\nraw = true\nencoding = "mulaw"\nmodel = 7')
    env = {"VOXCTL_TIMESTAMPS": "1", "VOXCTL_GPU_MEMORY_UTILIZATION": "0.5"}
    document = json.loads(run_here("config", "--json", cwd=folder, env=env).out)
    values = {f"{row['command']}.{row['name']}": row["value"] for row in document["settings"]}
    expected = {"speed": 4, "rotate_every": 60, "channel": 2, "raw": True, "encoding": "mulaw", "model": "7"}
    assert {key: values[f"transcribe.{key}"] for key in expected} == expected
    assert values["transcribe.timestamps"] is True and values["transcribe.no_resume"] is False
    assert values["serve.gpu_memory_utilization"] == 0.5 and values["serve.start_timeout"] == 1800
    unset = ("transcribe.rate", "transcribe.format", "serve.max_streams", "transcribe.url", "transcribe.api_key")
    assert [values[key] for key in unset] == [None] * 5


async def test_a_path_in_a_file_is_meant_from_where_the_file_is(folder: Path) -> None:
    write(folder, 'ca_bundle = "certs/ca.pem"')
    inner = folder / "inner"
    inner.mkdir()
    assert await value(inner, "ca_bundle") == (str(folder / "certs/ca.pem"), str(folder / "voxctl.toml"))


@pytest.mark.real
async def test_help_reads_no_file(folder: Path) -> None:
    write(folder, "this is no TOML")
    for command in (
        ("transcribe", "--help"),
        ("transcribe", "--use", "x", "--help"),
        ("config", "--help"),
        ("--help",),
    ):
        done = await run(*command, cwd=folder)
        assert done.code == 0 and not done.err


def test_a_folder_that_was_removed_has_no_project(folder: Path) -> None:
    script = f"cd {folder} && rmdir {folder} && exec {' '.join(VOXCTL)} config"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr


# Keys.


async def test_a_key_is_never_shown(tmp_path: Path, folder: Path) -> None:
    own = {"VOXCTL_CONFIG": mine(tmp_path, 'api_key = "sesame"\nurl = "wss://me:sesame@host/v1?token=sesame"')}
    for arguments in ((), ("--json",)):
        done = await run("config", *arguments, cwd=folder, env=own)
        assert "set, hidden" in done.out and "wss://host/v1" in done.out
        assert "sesame" not in done.out + done.err
    assert await value(folder, "api_key", VOXCTL_API_KEY="open") == ("set, hidden", "VOXCTL_API_KEY")
    write(folder, 'api_key = "sesame"')
    refused = await run("config", cwd=folder)
    assert refused.code == 2 and "sesame" not in refused.err


@pytest.mark.real
async def test_a_project_does_not_get_the_users_key(tmp_path: Path, folder: Path) -> None:
    write(folder, f'url = "{NOWHERE}"\n[profiles.p]\nurl = "{NOWHERE}"')
    own = {"VOXCTL_CONFIG": mine(tmp_path, 'api_key = "sesame"')}
    for arguments in ((), ("--use", "p")):
        done = await transcribed(folder, *arguments, **own)
        message, hint = shown_error(done)
        assert done.code == 2 and message.startswith("voxctl.toml names the server") and "VOXCTL_URL" in hint
    # Each of these says that the server is meant to have the key.
    own_url = {"VOXCTL_CONFIG": mine(tmp_path, f'api_key = "sesame"\n[profiles.x]\nurl = "{NOWHERE}"')}
    assert (await transcribed(folder, **own_url)).code == 4
    assert (await transcribed(folder, "--url", NOWHERE, **own)).code == 4
    assert (await transcribed(folder, VOXCTL_URL=NOWHERE, **own)).code == 4
    assert (await transcribed(folder, VOXCTL_API_KEY="other", **own)).code == 4


# What `voxctl config` looks like.


async def test_every_option_that_can_be_set_is_shown_once(folder: Path) -> None:
    done = await run("config", cwd=folder)
    names = [line.split()[0] for line in done.out.split("\n\n")[0].splitlines()]
    assert len(names) == len(set(names))
    assert {"url", "speed", "chunk_ms", "format", "raw", "rate", "engine", "host", "port", "api_key"} <= set(names)
    assert not {"files", "output", "realtime", "json", "insecure", "events", "use"} & set(names)


async def test_a_setting_that_differs_between_commands_has_a_row_for_each(folder: Path) -> None:
    write(folder, '[serve]\nmodel = "one"')
    lines = [line.split() for line in (await run("config", cwd=folder)).out.splitlines()]
    assert ["transcribe.model", "-", "default"] in lines and ["serve.model", "one", "voxctl.toml"] in lines
    write(folder, 'model = "one"')
    lines = [line.split() for line in (await run("config", cwd=folder)).out.splitlines()]
    assert ["model", "one", "voxctl.toml"] in lines


@pytest.mark.real
async def test_files_and_profiles_are_named(tmp_path: Path, folder: Path) -> None:
    own = mine(tmp_path, "[profiles.lab]")
    document = await shown(folder, "--use", "lab", VOXCTL_CONFIG=own)
    assert document["use"] == "lab" and document["profiles"] == ["lab"]
    assert document["files"] == [
        {"path": str(folder / "voxctl.toml"), "kind": "project", "found": False},
        {"path": own, "kind": "user", "found": True},
    ]
    assert "profiles: lab (in use)" in (await run("config", "--use", "lab", cwd=folder, env={"VOXCTL_CONFIG": own})).out


@pytest.mark.real
@pytest.mark.parametrize("columns", [40, 80, 200])
def test_it_fits_a_terminal_and_cannot_command_it(folder: Path, columns: int) -> None:
    write(folder, 'model = "a\\u001b[2Jb"\nurl = "天気"')
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "TERM": "xterm", "LANG": "C.UTF-8"}
    command = [sys.executable, "-m", "voxctl", "config"]
    child: pexpect.spawn[str] = pexpect.spawn(
        command[0], command[1:], cwd=str(folder), env=environment, dimensions=(200, columns), encoding="utf-8"
    )
    text = child.read()
    child.close()
    assert child.exitstatus == 0 and "\x1b" not in text and "a\ufffd[2Jb" in text
    rows = [line for line in text.splitlines() if "\\" not in line]
    assert max(map(len, rows)) <= columns, text


def test_a_narrow_terminal_has_help_that_can_be_read(folder: Path) -> None:
    environment = dict(os.environ) | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "40"}
    command = [*VOXCTL, "transcribe", "--help"]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=True, timeout=30)
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 40 and "--chunk-ms MS" in lines
    assert "  Length of the chunks sent, in" in lines
    for arguments in ((), ("serve",), ("config",)):
        text = run_here(*arguments, "--help", cwd=folder, env={"COLUMNS": "40"}).out
        assert max(map(len, text.splitlines())) <= 40 and "…" not in text.replace("VOXCTL_…", ""), text
