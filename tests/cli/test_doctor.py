"""`voxctl doctor` as a person meets it: its table, its document, its exit code, and how soon it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import REPOSITORY, Run, run, started
from tests.cli.test_sagemaker import NOBODY
from tests.fakes.lawful import LawfulServer
from tests.fakes.sagemaker import open_sagemaker, silent_listener
from tests.ui.terminal import Terminal

#: Each starts processes for seconds: too long for `make test`.
pytestmark = pytest.mark.real

#: Programs of whoever runs the tests are not for them to meet.
ENVIRONMENT = NOBODY | {"PATH": "/nonexistent", "PYTHONPATH": str(REPOSITORY)}
#: 15 s are promised, to a machine with nothing else to do; the one that runs the tests has.
SOON_S = 25.0


def checks(done: Run) -> dict[str, dict[str, Any]]:
    document = json.loads(done.out)
    assert all(list(check) == ["name", "status", "found", "cure"] for check in document["checks"])
    assert "Traceback" not in done.err and done.took_s < SOON_S, done
    return {check["name"]: check for check in document["checks"]}


async def test_a_machine_with_nothing_but_voxctl_is_well(tmp_path: Path) -> None:
    done = await run("doctor", cwd=tmp_path, env=ENVIRONMENT)
    assert done.code == 0 and done.err == "" and "\x1b" not in done.out, done
    lines = done.out.splitlines()
    assert sum(line.startswith("ok ") for line in lines) >= 6 and not any(line.startswith("failed") for line in lines)
    assert any(re.match(r"(ok|note) +recogniser +bundled: ready in .*x real time", line) for line in lines)
    assert any(line.startswith("note     containers") for line in lines)
    assert [line.split()[1] for line in lines if line.startswith("skipped")] == ["buildx", "server", "SageMaker"]


async def test_a_broken_file_a_wrong_variable_and_a_deaf_server_are_all_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "voxctl.toml").write_text("chunk_ms = 5")
    async with silent_listener() as port:
        done = await run(
            "doctor", "--json", "--url", f"ws://127.0.0.1:{port}", cwd=tmp_path, env=ENVIRONMENT | {"VOXCTL_RATE": "5"}
        )
    found = checks(done)
    assert done.code == 2
    assert found["configuration"]["found"].startswith("voxctl.toml: chunk_ms") and found["configuration"]["cure"]
    assert found["variables"]["found"].startswith("VOXCTL_RATE")
    assert found["server"]["status"] == found["realtime"]["status"] == "failed"
    assert found["recogniser"]["status"] in ("ok", "note") and found["SageMaker"]["status"] == "skipped"


async def test_the_stand_in_is_all_that_an_endpoint_needs(tmp_path: Path) -> None:
    (tmp_path / "voxctl.toml").write_text('endpoint = "local"\nregion = "us-east-1"')
    async with LawfulServer().on_a_port() as url, open_sagemaker(url) as service:
        own = {
            "AWS_ACCESS_KEY_ID": service.stand_in.access_key_id,
            "AWS_SECRET_ACCESS_KEY": service.stand_in.secret_access_key,
            "AWS_CA_BUNDLE": str(service.ca_bundle),
            "VOXCTL_ENDPOINT_URL": service.endpoint_url,
            "VOXCTL_ENDPONT": "x",
        }
        done = await run("doctor", "--json", cwd=tmp_path, env=ENVIRONMENT | own)
    found = checks(done)
    assert done.code == 0 and {found[name]["status"] for name in ("runtime", "credentials", "clock", "stream")} == {
        "ok"
    }, done
    assert found["endpoint"]["status"] == "skipped" and "voxctl.toml" in found["configuration"]["found"]
    assert found["variables"]["status"] == "note" and found["variables"]["cure"] == "did you mean VOXCTL_ENDPOINT?"
    assert service.stand_in.secret_access_key not in done.out


async def test_ctrl_c_leaves_at_once() -> None:
    asked = asyncio.Event()

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(deaf, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with started("doctor", "--url", url, env=ENVIRONMENT) as program:
            await asyncio.wait_for(asked.wait(), 30)
            program.process.send_signal(signal.SIGINT)
            done = await asyncio.wait_for(program.end(), 10)
    assert done.code == 130 and done.out == "" and "interrupted" in done.err.splitlines()
    assert "Traceback" not in done.err  # everything it had started was ended in order


async def test_two_kinds_of_server_are_not_looked_at(tmp_path: Path) -> None:
    done = await run("doctor", "--url", "ws://x", "--endpoint", "y", cwd=tmp_path, env=ENVIRONMENT)
    assert done.code == 2 and "different servers" in done.err and done.took_s < SOON_S


@pytest.mark.parametrize(("columns", "colour"), [(40, False), (100, True)])
def test_a_terminal_shows_what_is_waited_for_and_then_the_table(columns: int, colour: bool) -> None:
    environment = ENVIRONMENT | {"HOME": "/nonexistent", "VOXCTL_CONFIG": os.devnull}
    environment |= {} if colour else {"NO_COLOR": "1"}
    terminal = Terminal([sys.executable, "-m", "voxctl", "doctor"], columns, 60, environment)
    try:
        terminal.wait_until(lambda: any(row.startswith("checking: ") for row in terminal.rows), 30)
        assert terminal.finish() == 0
        rows = terminal.everything
        assert not any("checking" in row for row in rows) and terminal.cursor_visible
        assert any(re.match(r"(ok|note) +recogniser", row) for row in rows)
        assert ("try: " in "\n".join(rows)) and (b"\x1b[32m" in terminal.bytes) == colour
        after = terminal.bytes.rsplit(b"\x1b[?25h", 1)[1].decode()
        assert (max(map(len, after.splitlines())) <= columns) or colour
    finally:
        terminal.close()
