"""An endpoint's whole life with real processes, signals and terminals, against AWS at one address."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.aws.lifecycle import carried_out, cloud_here, to_delete
from tests.cli.program import SHORT, run, started
from tests.fakes.aws.front import LABEL, Aws
from tests.fakes.lawful import LawfulServer
from tests.fakes.sagemaker import open_sagemaker
from tests.ui.terminal import Terminal
from voxctl.aws.names import Place
from voxctl.aws.observed import observe

#: Each starts processes for seconds: too long for `make test`.
pytestmark = pytest.mark.real

SOON_S = 40.0


@pytest.fixture
def ready(aws: Aws) -> Aws:
    aws.push(labels={LABEL: "true"})
    return aws


def environment(aws: Aws) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


async def until(seen: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not seen():  # noqa: ASYNC110  # it happens on a server's thread
            await asyncio.sleep(0.005)


async def test_from_an_empty_account_to_a_transcript_and_back(ready: Aws, tmp_path: Path) -> None:
    up = await run("deploy", "mine", "--yes", "--ttl", "1h", cwd=tmp_path, env=environment(ready))
    assert up.code == 0, up
    async with LawfulServer().on_a_port() as url, open_sagemaker(url) as service:
        own = environment(ready) | {
            "AWS_ACCESS_KEY_ID": service.stand_in.access_key_id,
            "AWS_SECRET_ACCESS_KEY": service.stand_in.secret_access_key,
            "AWS_CA_BUNDLE": str(service.ca_bundle),
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME_HTTP2": service.endpoint_url,
        }
        heard = await run("transcribe", SHORT, "--region", "us-east-1", cwd=tmp_path, env=own)
    assert heard.code == 0 and heard.out.strip(), heard
    down = await run("delete", "mine", "--yes", "--logs", cwd=tmp_path, env=environment(ready))
    assert down.code == 0 and ready.holds() == [], down


@pytest.mark.parametrize("operation", ["CreateModel", "CreateSchedule", "CreateEndpoint"])
async def test_kill_9_and_another_run_come_to_the_same(ready: Aws, tmp_path: Path, operation: str) -> None:
    async with started("deploy", "mine", "--yes", "--ttl", "1h", cwd=tmp_path, env=environment(ready)) as program:
        await until(lambda: any(call.operation == operation for call in ready.calls))
        program.process.kill()
        await program.process.wait()
    again = await run("deploy", "mine", "--yes", "--ttl", "1h", "--json", cwd=tmp_path, env=environment(ready))
    assert again.code == 0 and json.loads(again.out)["status"] in ("deployed", "unchanged"), again
    seen = observe(cloud_here(), Place("123456789012", "us-east-1"), "mine")
    assert seen.endpoint and seen.endpoint.status == "InService" and len(seen.models) == len(seen.configs) == 1
    carried_out(cloud_here(), to_delete(cloud_here()))
    assert ready.holds() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_ctrl_c_while_it_is_made_takes_everything_back(
    ready: Aws, tmp_path: Path, number: signal.Signals
) -> None:
    ready.plane.takes = 1000
    async with started("deploy", "mine", "--yes", cwd=tmp_path, env=environment(ready)) as program:
        await asyncio.wait_for(program.say_until("Creating"), SOON_S)
        ready.plane.things["endpoint", "us-east-1", "mine"].left = 3
        ready.plane.takes = 2
        program.process.send_signal(number)
        done = await asyncio.wait_for(program.end(), SOON_S)
    assert done.code == 130 and "taking back: delete the endpoint mine" in done.err and "Traceback" not in done.err
    assert ready.holds(logs=False) == []


def test_a_person_is_asked_and_may_say_no(ready: Aws) -> None:
    terminal = Terminal([sys.executable, "-m", "voxctl", "deploy", "mine"], 100, 50, environment(ready))
    try:
        terminal.wait_until(lambda: any("make it so in us-east-1? [y/N]" in row for row in terminal.rows), SOON_S)
        terminal.press("n\r")
        assert terminal.finish() == 2 and not ready.changes
        assert any("price" in row and "$1.65 an hour" in row for row in terminal.everything)
    finally:
        terminal.close()


@pytest.mark.parametrize("columns", [80, 200])
def test_deploy_list_status_and_logs_in_a_terminal(ready: Aws, columns: int) -> None:
    def opened(*arguments: str) -> Terminal:
        return Terminal([sys.executable, "-m", "voxctl", *arguments], columns, 50, environment(ready))

    ready.spoken = ["Starting vLLM"]
    terminal = opened("deploy", "mine", "--ttl", "1h", "--yes")
    try:
        assert terminal.finish() == 0
        rows = terminal.everything
        assert "  | Starting vLLM" in rows and not any(row.startswith("Creating") for row in rows)
        assert "the endpoint mine is in service" in rows and terminal.cursor_visible
    finally:
        terminal.close()
    terminal = opened("list", "--region", "us-east-1")
    try:
        assert terminal.finish() == 0 and any(row.startswith("mine") for row in terminal.rows)
        assert any("$/h" in row for row in terminal.rows) and max(map(len, terminal.rows)) <= columns
    finally:
        terminal.close()
    for arguments, wanted in ((("status", "mine", "--watch"), "InService"), (("logs", "mine", "-f"), "Starting vLLM")):
        terminal = opened(*arguments)
        try:
            terminal.wait_until(lambda t=terminal, w=wanted: any(w in row for row in t.rows), SOON_S)  # type: ignore[misc]
            terminal.press("\x03")
            assert terminal.finish() == 130 and terminal.cursor_visible
            assert any(wanted in row for row in terminal.everything), "what was watched stays"
        finally:
            terminal.close()


async def test_what_is_watched_and_piped_is_written_once(ready: Aws, tmp_path: Path) -> None:
    assert (await run("deploy", "mine", "--yes", cwd=tmp_path, env=environment(ready))).code == 0
    async with started("status", "mine", "--watch", cwd=tmp_path, env=environment(ready)) as program:
        await asyncio.wait_for(program.read_until("left: no end"), SOON_S)
        ready.plane.things["endpoint", "us-east-1", "mine"].status = "SystemUpdating"
        await asyncio.wait_for(program.read_until("status: SystemUpdating"), SOON_S)
        program.process.send_signal(signal.SIGINT)
        done = await asyncio.wait_for(program.end(), SOON_S)
    assert done.code == 130 and done.out.count("image:") == 1 and "\x1b" not in done.out
    async with started("logs", "mine", "-f", "--json", cwd=tmp_path, env=environment(ready)) as program:
        ready.speak("us-east-1", "mine", "one")
        await asyncio.wait_for(program.read_until('"one"'), SOON_S)
        ready.speak("us-east-1", "mine", "two")
        await asyncio.wait_for(program.read_until('"two"'), SOON_S)
        program.process.send_signal(signal.SIGINT)
        done = await asyncio.wait_for(program.end(), SOON_S)
    assert [json.loads(line)["text"] for line in done.out.splitlines()] == ["one", "two"]
