"""`voxctl serve`, and `voxctl transcribe --url` against servers that are well and servers that are not."""

from __future__ import annotations

import asyncio
import json
import shlex
import signal
import socket
import time
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from tests.cli.program import CLIP, REPOSITORY, SHORT, VOXCTL, Program, run, shown_error, started
from tests.fakes.lawful import LawfulServer
from tests.fakes.sockets import raw_server


@asynccontextmanager
async def serving(*arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[tuple[str, Program]]:
    """Run `voxctl serve` on a free port; yield its address and the program."""
    async with started("serve", "--port", "0", "--json", *arguments, env=env) as program:
        await asyncio.wait_for(program.read_until("\n"), 30)
        yield json.loads(program.out.splitlines()[0])["url"], program


def http_status(url: str) -> int:
    with urllib.request.urlopen(url.replace("ws://", "http://"), timeout=5) as answer:
        return int(answer.status)


@pytest.mark.real
async def test_what_serve_announces_can_be_used() -> None:
    # What is for vLLM alone may stay in the environment.
    async with serving("--max-streams", "1", env={"VOXCTL_MAX_MODEL_LEN": "4096"}) as (url, program):
        assert "to 1 stream at" in await program.say_until("serving")
        assert await asyncio.to_thread(http_status, f"{url}/ping") == 200
        done = await run("transcribe", CLIP, "--url", url, "--no-resume")
    assert done.code == 0 and done.out.startswith("had he married")


@pytest.mark.real
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_serve_ends_well_when_it_is_told_to(number: signal.Signals) -> None:
    async with serving() as (_, program):
        program.process.send_signal(number)
        done = await asyncio.wait_for(program.end(), 10)
    assert done.code == 0 and "closing" in done.err and "Traceback" not in done.err


@pytest.mark.real
async def test_serving_the_world_needs_a_key_or_a_word() -> None:
    refused = await run("serve", "--host", "0.0.0.0", "--port", "0")
    assert refused.code == 2 and "--insecure" in shown_error(refused)[1]
    async with serving("--host", "0.0.0.0", "--insecure") as (url, _):
        assert await asyncio.to_thread(http_status, f"{url}/ping") == 200


async def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = await run("serve", "--port", str(taken.getsockname()[1]))
    assert done.code == 4 and "in use" in shown_error(done)[0]


@pytest.mark.real
async def test_a_key_opens_the_server_and_no_key_does_not() -> None:
    async with serving("--api-key", "s3cret") as (url, _):
        refused = await run("transcribe", CLIP, "--url", url, "--no-resume")
        assert refused.code == 4 and "401" in shown_error(refused)[0] and "VOXCTL_API_KEY" in shown_error(refused)[1]
        done = await run("transcribe", SHORT, "--url", url, "--api-key", "s3cret")
        assert done.code == 0 and "s3cret" not in done.err + refused.err


async def test_a_wrong_model_is_named() -> None:
    async with serving() as (url, _):
        done = await run("transcribe", CLIP, "--url", url, "--no-resume", "--model", "no-such-model")
    assert done.code == 4 and "'no-such-model'" in shown_error(done)[0] and "--model" in shown_error(done)[1]


@pytest.mark.real
async def test_a_full_server_is_waited_for_which_is_said() -> None:
    async with (
        serving("--max-streams", "1") as (url, _),
        started("transcribe", CLIP, "--url", url, "--no-resume", "--speed", "0.5") as first,
    ):
        await first.say_until("low-accuracy")  # it has the only stream
        done = await run("transcribe", CLIP, "--url", url, "--no-resume")
    assert done.code == 0 and done.out
    tries = [line for line in done.err.splitlines() if "; attempt " in line]
    assert "attempt 2 in" in tries[0] and len(tries) <= 3 and "0.0 s" not in done.err and 15 < done.took_s < 45
    assert "every stream of the server is taken: It serves 1 stream at a time" in tries[0]


@pytest.mark.real
async def test_a_server_that_is_killed_is_said_and_the_text_is_kept() -> None:
    async with (
        serving() as (url, server),
        started("transcribe", CLIP, "--url", url, "--no-resume", "--realtime") as program,
    ):
        await program.read_until("had")
        killed_s = time.monotonic()
        server.process.kill()
        done = await asyncio.wait_for(program.end(), 20)
    assert done.code == 4 and done.out.startswith("had") and done.out.endswith("\n")
    assert "dropped the connection" in shown_error(done)[0] and time.monotonic() - killed_s < 10


async def test_nobody_listening_is_said_at_once() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        done = await run("transcribe", CLIP, "--url", f"ws://127.0.0.1:{bound.getsockname()[1]}")
    assert done.code == 4 and done.out == "" and "nobody is listening" in shown_error(done)[0]
    assert done.took_s < 10


async def test_no_such_path_is_said() -> None:
    async with raw_server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as url:
        done = await run("transcribe", CLIP, "--url", url + "/nonsense")
    assert done.code == 4 and "404" in shown_error(done)[0] and "/v1/realtime" in shown_error(done)[1]


async def test_a_context_that_ends_is_said_and_the_text_is_kept() -> None:
    async with LawfulServer(ends_after=40).on_a_port() as url:
        done = await run("transcribe", CLIP, "--url", url, "--no-resume")
    assert done.code == 4 and "context ended after 3.2 s" in shown_error(done)[0]
    assert done.out.split() == [f"w{i}" for i in range(0, 40, 3)]


async def test_a_failure_is_said_even_when_the_reader_has_gone() -> None:
    async with LawfulServer(ends_after=40).on_a_port() as url:
        line = f"{shlex.join(VOXCTL)} transcribe {shlex.quote(str(CLIP))} --url {url} --no-resume --format json | true"
        process = await asyncio.create_subprocess_exec(
            "bash", "-o", "pipefail", "-c", line, stderr=asyncio.subprocess.PIPE, cwd=REPOSITORY
        )
        _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 4 and b"context ended" in err


async def test_a_context_that_ends_does_not_stop_the_other_files() -> None:
    async with LawfulServer(ends_after=40).on_a_port() as url:
        done = await run("transcribe", CLIP, CLIP, "--url", url, "--no-resume")
    assert done.code == 4 and len(done.out.splitlines()) == 2 and done.err.count("context ended") == 2


@pytest.mark.real
async def test_files_that_were_not_tried_are_said() -> None:
    async with LawfulServer(silent_after=40).on_a_port() as url:
        done = await run("transcribe", CLIP, CLIP, CLIP, "--url", url, "--no-resume")
    assert done.code == 4 and "2 more files were not tried" in done.err


async def test_an_incomplete_document_is_written_and_says_so() -> None:
    async with LawfulServer(ends_after=40).on_a_port() as url:
        done = await run("transcribe", CLIP, "--url", url, "--no-resume", "--format", "json")
    document = json.loads(done.out)
    assert done.code == 4 and document["complete"] is False and len(document["words"]) == 14
    assert document["target"] == url and document["usage"]["completion_tokens"] == 40


@pytest.mark.real
async def test_a_server_that_stops_answering_is_said_in_bounded_time() -> None:
    async with LawfulServer(silent_after=40).on_a_port() as url:
        done = await run("transcribe", CLIP, "--url", url, "--no-resume")
    assert done.code == 4 and "went silent at 3.2 s" in shown_error(done)[0] and done.took_s < 15


async def test_words_of_a_server_are_data_in_a_pipe() -> None:
    async with LawfulServer(speak=lambda i: " \x1b[31mred[bold]" if i == 5 else "").on_a_port() as url:
        done = await run("transcribe", CLIP, "--url", url, "--no-resume")
    assert done.code == 0 and done.out == "\x1b[31mred[bold]\n"
