"""``voxctl serve --sagemaker``: what it prints is all that the AWS SDK needs."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shlex
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.cli.program import REPOSITORY, SHORT, Program, run, shown_error, started
from tests.fakes.sagemaker import echo_model
from tests.fakes.sagemaker_sdk import Address, SdkStream, open_sdk
from voxctl.realtime.codec import EXTENSION_KEY
from voxctl.serving.standin.signature import Key

#: Each starts processes for seconds: too long for `make test`.
pytestmark = pytest.mark.real

KEYS = {"endpoint_url", "ca_bundle", "region", "endpoint_name", "access_key_id", "secret_access_key"}


@asynccontextmanager
async def standing_in(home: Path, *arguments: str) -> AsyncIterator[tuple[dict[str, Any], Program]]:
    """Run `voxctl serve --sagemaker` on a free port; yield what it prints and the program."""
    command = ("serve", "--sagemaker", "--port", "0", "--json", *arguments)
    async with started(*command, env={"XDG_STATE_HOME": str(home)}) as program:
        await asyncio.wait_for(program.read_until("\n"), 30)
        yield json.loads(program.out), program


def address_of(printed: dict[str, Any]) -> Address:
    key = Key(printed["access_key_id"], printed["secret_access_key"])
    return Address(printed["endpoint_url"], Path(printed["ca_bundle"]), printed["region"], key)


@asynccontextmanager
async def stream_by(printed: dict[str, Any]) -> AsyncIterator[SdkStream]:
    async with open_sdk(address_of(printed)) as sdk:
        yield await (await sdk.stream(printed["endpoint_name"])).opened()


async def transcribed(stream: SdkStream, path: Path) -> str:
    """Have a file transcribed, as the protocol wants it, by nothing but the SDK."""
    pcm, rate = soundfile.read(path, dtype="int16")
    assert rate == 16_000
    created = json.loads(str(await stream.receive()))
    await stream.send(json.dumps({"type": "session.update", "model": created[EXTENSION_KEY]["model"]}))
    await stream.send(json.dumps({"type": "input_audio_buffer.commit"}))
    sound = base64.b64encode(pcm.tobytes()).decode()
    await stream.send(json.dumps({"type": "input_audio_buffer.append", "audio": sound}))
    await stream.send(json.dumps({"type": "input_audio_buffer.commit", "final": True}))
    while True:
        message = json.loads(str(await stream.receive()))
        assert message["type"] != "error", message
        if message["type"] == "transcription.done":
            return str(message["text"])


async def test_the_sdk_transcribes_with_nothing_but_what_is_printed(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as (printed, program):
        assert set(printed) == KEYS and len(program.out.splitlines()) == 1
        async with stream_by(printed) as stream:
            text = await transcribed(stream, SHORT)
        program.process.send_signal(signal.SIGINT)
        done = await asyncio.wait_for(program.end(), 10)
    direct = await run("transcribe", SHORT)
    assert text.strip() and text.strip() == direct.out.strip()
    assert done.code == 0 and "Traceback" not in done.err


async def test_the_lines_to_export_are_what_is_printed(tmp_path: Path) -> None:
    home = tmp_path / "with space"
    async with echo_model() as model, standing_in(home, "--upstream", model.url) as (printed, program):
        program.process.send_signal(signal.SIGTERM)
        done = await asyncio.wait_for(program.end(), 10)
    exported = dict(shlex.split(line)[1].split("=", 1) for line in done.err.splitlines() if line.startswith("export "))
    assert exported == {
        "AWS_ACCESS_KEY_ID": printed["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": printed["secret_access_key"],
        "AWS_REGION": printed["region"],
        "AWS_CA_BUNDLE": printed["ca_bundle"],
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2": printed["endpoint_url"],
    }
    assert "then: voxctl transcribe FILE --endpoint local --region us-east-1" in done.err.splitlines()
    assert done.code == 0


async def test_what_is_exported_and_said_to_be_typed_then_is_enough(tmp_path: Path) -> None:
    nobody = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull}
    async with standing_in(tmp_path) as (_, program):
        lines = [await program.say_until("") for _ in range(8)]
        exported = dict(shlex.split(line)[1].split("=", 1) for line in lines if line.startswith("export "))
        (typed,) = (shlex.split(line)[2:] for line in lines if line.startswith("then: voxctl "))
        words = [str(SHORT) if word == "FILE" else word for word in typed]
        through = await run(*words, env=nobody | exported)
        wrong = await run(*words, env=nobody | exported | {"AWS_SECRET_ACCESS_KEY": "wrong"})
    assert through.code == 0 and through.out == (await run("transcribe", SHORT)).out, through
    assert wrong.code == 5 and wrong.out == ""


async def test_what_was_exported_works_after_a_restart(tmp_path: Path) -> None:
    seen = []
    async with echo_model() as model:
        for _ in range(2):
            async with standing_in(tmp_path, "--upstream", model.url) as (printed, _):
                async with stream_by(printed) as stream:
                    await stream.send("hello")
                    assert await stream.receive() == "hello"
                del printed["endpoint_url"]
                seen.append(printed)
        assert seen[0] == seen[1] and model.paths == ["/v1/realtime"] * 2


async def test_a_stream_that_goes_wrong_is_told_and_cut_after_is_obeyed(tmp_path: Path) -> None:
    async with (
        echo_model() as model,
        standing_in(tmp_path, "--upstream", model.url, "--cut-after", "1") as (printed, p),
    ):
        async with stream_by(printed) as stream:
            with pytest.raises(Exception, match=r"open for 1 s"):
                await stream.receive()
        assert "ModelInvocationTimeExceeded" in await asyncio.wait_for(p.say_until("ended"), 5)


async def test_ctrl_c_lets_nobody_wait(tmp_path: Path) -> None:
    async with standing_in(tmp_path) as (printed, program), stream_by(printed) as stream:
        assert await stream.receive()
        program.process.send_signal(signal.SIGINT)
        with pytest.raises(Exception, match=r"1012|ModelStreamError|code"):
            await stream.receive()
        done = await asyncio.wait_for(program.end(), 10)
        assert done.code == 0 and "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("--upstream", "ws://127.0.0.1:8000"), "--upstream is for the stand-in", "--sagemaker"),
        (("--cut-after", "60"), "--cut-after is for the stand-in", "--sagemaker"),
        (("--sagemaker", "--host", "0.0.0.0", "--insecure"), "does not listen on 0.0.0.0", "--host"),
        (("--sagemaker", "--upstream", "ftp://x"), "not a WebSocket address", "ws://"),
    ],
)
async def test_mistakes_are_said(arguments: tuple[str, ...], message: str, hint: str) -> None:
    done = await run("serve", "--port", "0", *arguments)
    assert done.code == 2
    assert message in shown_error(done)[0] and hint in shown_error(done)[1]


async def test_a_port_that_is_taken_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = await run("serve", "--sagemaker", "--port", port, env={"XDG_STATE_HOME": str(tmp_path)})
    assert done.code == 4 and "in use" in shown_error(done)[0]


@pytest.mark.parametrize("package", ["h2", "cryptography"])
async def test_without_the_extra_the_line_that_installs_it_is_said(tmp_path: Path, package: str) -> None:
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('gone', name={package!r})")
    done = await run("serve", "--sagemaker", "--port", "0", env={"PYTHONPATH": f"{tmp_path}:{REPOSITORY}"})
    assert done.code == 2 and package in shown_error(done)[0]
    assert shown_error(done)[1] == "type: pip install 'voxctl[stand-in]'"
