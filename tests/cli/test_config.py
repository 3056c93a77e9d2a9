"""Settings as a person meets them: what holds, what is shown, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.cli.program import REPOSITORY, SHORT, VOXCTL, Run, run, shown_error

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


async def test_an_empty_text_takes_back_what_a_lower_file_says(tmp_path: Path, folder: Path) -> None:
    own = mine(tmp_path, f'url = "{NOWHERE}"')
    write(folder, '[profiles.local]\nurl = ""')
    done = await transcribed(folder, "--use", "local", VOXCTL_CONFIG=own)
    assert done.code == 0 and "he was not an" in done.out


async def test_a_profile_describes_a_telephones_sound(folder: Path) -> None:
    write(folder, '[profiles.phone]\nraw = true\nencoding = "mulaw"\nrate = 8000\nformat = "json"\nspeed = "max"')
    (folder / "call.ulaw").write_bytes(b"\xff" * 16_000)
    done = await run("transcribe", "call.ulaw", "--use", "phone", cwd=folder)
    assert done.code == 0 and json.loads(done.out)["audio_s"] == pytest.approx(2.0)


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
async def test_what_contradicts_something_nearer_is_left_out(
    folder: Path, text: str, arguments: tuple[str, ...], env: dict[str, str], begins: str
) -> None:
    write(folder, text)
    done = await transcribed(folder, *arguments, **env)
    assert done.code == 0, done.err
    assert done.out.startswith(begins)


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chunk_ms = 5", "voxctl.toml: chunk_ms = 5: "),
        ("chunk_ms = true", "voxctl.toml: chunk_ms takes a text or a number"),
        ("chunk_ms = 80.5", "voxctl.toml: chunk_ms = 80.5: "),
        ("[serve]\nport = 70000", "voxctl.toml: serve.port = 70000: "),
        ('[profiles.a.transcribe]\nformat = "doc"', "voxctl.toml: profiles.a.transcribe.format = doc: "),
        ('speed = "fast"', "voxctl.toml: speed = fast: "),
        ("speed = nan", "voxctl.toml: speed = nan: "),
        ("rate = 5", "voxctl.toml: rate = 5: "),
        ("channels = 0", "voxctl.toml: channels = 0: "),
        ('channel = "left"', "voxctl.toml: channel = left: "),
        ('raw = "yes"', "voxctl.toml: raw takes true or false"),
        ("raw = 1", "voxctl.toml: raw takes true or false"),
        ("url = 1979-05-27", "voxctl.toml: url takes a text or a number"),
        ("output = 'x'", "voxctl.toml: output is no setting"),
        ("use = 'x'", "voxctl.toml: use is no setting"),
    ],
)
async def test_a_value_is_judged_where_it_stands(folder: Path, text: str, message: str) -> None:
    write(folder, text)
    for command in (("transcribe", SHORT), ("config",)):
        done = await run(*command, cwd=folder)
        assert done.code == 2 and done.out == ""
        assert shown_error(done)[0].startswith(message), done.err


@pytest.mark.parametrize(
    ("name", "text"), [("VOXCTL_CHUNK_MS", "5"), ("VOXCTL_SPEED", "fast"), ("VOXCTL_RATE", "x"), ("VOXCTL_RATE", "5")]
)
async def test_a_wrong_variable_is_named(folder: Path, name: str, text: str) -> None:
    for command in (("transcribe", SHORT), ("config",)):
        done = await run(*command, cwd=folder, env={name: text})
        assert done.code == 2 and shown_error(done)[0].startswith(f"{name}: "), done.err


async def test_a_path_in_a_file_is_meant_from_where_the_file_is(folder: Path) -> None:
    write(folder, 'ca_bundle = "certs/ca.pem"')
    inner = folder / "inner"
    inner.mkdir()
    assert await value(inner, "ca_bundle") == (str(folder / "certs/ca.pem"), str(folder / "voxctl.toml"))


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


async def test_files_and_profiles_are_named(tmp_path: Path, folder: Path) -> None:
    own = mine(tmp_path, "[profiles.lab]")
    document = await shown(folder, "--use", "lab", VOXCTL_CONFIG=own)
    assert document["use"] == "lab" and document["profiles"] == ["lab"]
    assert document["files"] == [
        {"path": str(folder / "voxctl.toml"), "kind": "project", "found": False},
        {"path": own, "kind": "user", "found": True},
    ]
    assert "profiles: lab (in use)" in (await run("config", "--use", "lab", cwd=folder, env={"VOXCTL_CONFIG": own})).out


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
