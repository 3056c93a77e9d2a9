"""What configuration files say: which are read and trusted, what they may hold, and which of them is obeyed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxctl.config import ConfigFile, Entry, check_profile, entries_of, layered, profiles_of, read_files
from voxctl.errors import UsageError

KEYS = {"transcribe": {"url", "model", "speed", "chunk_ms", "api_key"}, "serve": {"port", "model", "api_key", "vllm"}}
AS_ROOT = os.geteuid() == 0


def project(folder: Path, text: str | bytes) -> Path:
    path = folder / "voxctl.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def entries(folder: Path) -> list[Entry]:
    return [entry for file in read_files(folder, {}) for entry in entries_of(file, KEYS)]


def refused(folder: Path, environment: dict[str, str] | None = None) -> UsageError:
    """Return the error with which the files are refused."""
    with pytest.raises(UsageError) as caught:
        for file in read_files(folder, environment or {}):
            entries_of(file, KEYS)
    assert caught.value.hint and "\n" not in caught.value.message
    return caught.value


def test_the_nearest_file_at_or_above_the_folder_is_the_projects(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    far = project(tmp_path, "speed = 1")
    assert [(f.path, f.name, f.found) for f in read_files(inner, {})] == [(far, str(far), True)]
    near = project(inner, "speed = 2")
    assert [(f.path, f.name, f.found) for f in read_files(inner, {})] == [(near, "voxctl.toml", True)]


def test_without_any_file_the_places_that_were_looked_at_are_told(tmp_path: Path) -> None:
    files = read_files(tmp_path, {"HOME": str(tmp_path)})
    assert [(file.path, file.found) for file in files] == [
        (tmp_path / "voxctl.toml", False),
        (tmp_path / ".config" / "voxctl" / "config.toml", False),
    ]
    assert not any(entries_of(file, KEYS) for file in files)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HOME": "/home/me"}, ["/home/me/.config/voxctl/config.toml"]),
        ({"HOME": "/home/me", "XDG_CONFIG_HOME": "/etc/me"}, ["/etc/me/voxctl/config.toml"]),
        ({"HOME": "/home/me", "XDG_CONFIG_HOME": "relative"}, ["/home/me/.config/voxctl/config.toml"]),
        ({}, []),
        ({"HOME": ""}, []),
        ({"HOME": "/home/me", "VOXCTL_CONFIG": os.devnull}, [os.devnull]),
    ],
)
def test_where_the_users_file_is(environment: dict[str, str], expected: list[str]) -> None:
    assert [str(file.path) for file in read_files(None, environment)] == expected


def test_a_file_that_is_named_must_exist(tmp_path: Path) -> None:
    error = refused(tmp_path, {"VOXCTL_CONFIG": str(tmp_path / "none.toml")})
    assert "none.toml cannot be read: no such file" in error.message


def test_a_file_in_the_project_that_the_user_names_is_the_users(tmp_path: Path) -> None:
    path = project(tmp_path, 'api_key = "k"')
    path.chmod(0o600)
    (file,) = read_files(tmp_path, {"VOXCTL_CONFIG": str(path)})
    assert not file.shared and entries_of(file, KEYS)


@pytest.mark.skipif(not AS_ROOT, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = project(tmp_path, "speed = 1")
    os.chown(path, 12345, 12345)
    error = refused(tmp_path)
    assert "belongs to another user" in error.message and f"VOXCTL_CONFIG={path}" in str(error.hint)
    assert read_files(tmp_path, {"VOXCTL_CONFIG": str(path)})


@pytest.mark.skipif(AS_ROOT, reason="root can read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    project(tmp_path, "speed = 1").chmod(0)
    assert "permission denied" in refused(tmp_path).message


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    place = tmp_path / "voxctl.toml"
    place.mkdir()
    assert "it is a folder" in refused(tmp_path).message
    place.rmdir()
    os.mkfifo(place)
    assert "it is no file" in refused(tmp_path).message
    place.unlink()
    place.symlink_to("nowhere")
    assert "no such file" in refused(tmp_path).message


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (b"speed = \xff", "is not UTF-8: byte 9"),
        (b"speed 4", r"is not TOML: .*line 1, column 7"),
        (b"speed = 1\nspeed = 2\n", "is not TOML: .*line 2"),
        (b"speed = " + b"[" * 100_000, "is not TOML"),
        (b"speed = " + b"9" * 10_000, "is not TOML"),
        (b"#" * 1_000_001, "too large"),
    ],
)
def test_what_is_no_toml_is_refused_with_its_place(tmp_path: Path, text: bytes, wanted: str) -> None:
    project(tmp_path, text)
    assert re.search(wanted, refused(tmp_path).message.replace("\n", " "))


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    project(tmp_path, "\ufeffspeed = 4")
    assert [entry.value for entry in entries(tmp_path)] == [4]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('modle = "x"', "voxctl.toml: modle is no setting", "did you mean model?"),
        ("zzz = 1", "voxctl.toml: zzz is no setting", "voxctl config"),
        ("[transcribe]\nport = 1", "transcribe.port is no setting", "voxctl config"),
        ("[transcrib]\nspeed = 1", "transcrib is no setting", "a table [transcribe]?"),
        ("[serve.profiles.a]", "serve.profiles is no setting", ""),
        ("[profiles.a]\nsped = 1", "profiles.a.sped is no setting", "did you mean speed?"),
        ("[profiles.a.profiles.b]\nspeed = 1", "profiles.a.profiles is no setting", ""),
        ("[profile.a]\nspeed = 1", "profile is no setting", "a table [profiles.NAME]?"),
        ("realtime = true", "realtime is no setting", "speed = 1"),
        ("[transcribe]\noutput = 'x'", "transcribe.output is no setting", "--output is for one command line"),
        ("serve = 1", "serve is a table", "[serve]"),
        ("profiles = 1", "profiles is a table", "[profiles]"),
        ("[profiles]\na = 1", "profiles.a is a table", "[profiles.a]"),
        ("chunk-ms = 80\nchunk_ms = 90", "chunk_ms is given twice", "not both"),
        ('api_key = "k"', "api_key is a secret", "VOXCTL_API_KEY"),
        ("[serve]\nvllm = './x'", "serve.vllm is a program to run", "your own file"),
        ('[profiles.a.serve]\napi-key = "k"', "profiles.a.serve.api-key is a secret", "VOXCTL_API_KEY"),
    ],
)
def test_what_a_projects_file_may_not_hold_is_named(tmp_path: Path, text: str, message: str, hint: str) -> None:
    project(tmp_path, text)
    error = refused(tmp_path)
    assert message in error.message and hint in str(error.hint)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[profiles.a]\napi_key = "k"')
    path.chmod(mode)
    error = refused(tmp_path, {"VOXCTL_CONFIG": str(path)})
    assert "others can read" in error.message and error.hint == f"chmod 600 {path}"
    path.chmod(0o600)
    assert [e.value for f in read_files(None, {"VOXCTL_CONFIG": str(path)}) for e in entries_of(f, KEYS)] == ["k"]


def test_an_unknown_profile_is_answered_with_those_there_are(tmp_path: Path) -> None:
    project(tmp_path, "[profiles.lab]\n[profiles.prod]")
    files = read_files(tmp_path, {})
    check_profile("lab", files)
    with pytest.raises(UsageError, match="no profile is named prd") as caught:
        check_profile("prd", files)
    assert caught.value.hint == "there are: lab, prod"
    assert profiles_of(files) == ["lab", "prod"]


def test_where_a_value_stands_is_told_with_its_profile(tmp_path: Path) -> None:
    project(tmp_path, "speed = 1\n[profiles.lab]\nspeed = 2")
    held = {p: layered(entries(tmp_path), "transcribe", KEYS["transcribe"], p)["speed"] for p in (None, "lab")}
    assert held[None].where == "voxctl.toml" and held["lab"].where == "--use lab: voxctl.toml"


#: Every place that can hold a setting, the one that is obeyed first. PROFILE, shared, COMMAND.
PLACES = [
    (profile, shared, command) for profile in ("lab", None) for shared in (True, False) for command in ("serve", None)
]


@given(st.dictionaries(st.sampled_from(PLACES), st.integers()), st.randoms(use_true_random=False))
def test_the_highest_layer_that_has_a_value_is_obeyed(values: dict[tuple[str, bool, str], int], random: object) -> None:
    files = {shared: ConfigFile(Path("f"), "f", shared) for shared in (True, False)}
    every = [
        Entry(files[s], "model", "model", value, command, profile) for (profile, s, command), value in values.items()
    ]
    # What is for another command, another profile or another key must not matter.
    every += [
        Entry(files[True], "model", "model", -1, "transcribe", None),
        Entry(files[True], "m", "model", -2, None, "x"),
    ]
    every += [Entry(files[True], "port", "port", -3, "serve", "lab")]
    random.shuffle(every)  # type: ignore[attr-defined]
    for profile in ("lab", None):
        held = layered(every, "serve", {"model"}, profile)
        wanted = [values[place] for place in PLACES if place in values and place[0] in (None, profile)]
        assert [entry.value for entry in held.values()] == wanted[:1]
