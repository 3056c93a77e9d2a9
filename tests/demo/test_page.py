"""The page itself: who gets it, what it may do, what it is made of, and the documents it offers."""

from __future__ import annotations

import asyncio
import gzip
import re
import zipfile
from pathlib import Path

import hatchling.build
import pytest
from websockets.exceptions import InvalidStatus

from tests.cli.program import REPOSITORY
from tests.demo.tab import Demo, Message, Tab, serving
from tests.demo.test_live import PIECES, finish, speak
from voxctl.demo.guard import POLICY, is_ours
from voxctl.demo.recordings import Bounds
from voxctl.transcript.export import Format, export

STATIC = REPOSITORY / "voxctl" / "demo" / "static"
FILES = sorted(STATIC.iterdir())
MOST_BYTES = 30_000


async def test_the_page_is_small() -> None:
    n_bytes = 0
    async with serving() as demo:
        for path in FILES:
            name = "" if path.name == "index.html" else path.name
            _, headers, body = await demo.fetch(f"/{name}", **{"Accept-Encoding": "gzip, br"})
            assert headers["content-encoding"] == "gzip" and len(gzip.decompress(body)) > 100
            n_bytes += len(body) + sum(len(key) + len(value) + 4 for key, value in headers.items())
    assert n_bytes <= MOST_BYTES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_of_the_page_names_an_address_elsewhere(path: Path) -> None:
    # The name of SVG is fetched by nobody.
    found = re.findall(r"(?:https?:)?//[\w.-]+\.[\w.-]+\S*", path.read_text("utf-8"))
    assert [url for url in found if not url.startswith("http://www.w3.org/")] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_of_the_page_needs_what_its_policy_forbids(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"innerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|@import", text)
    if path.suffix == ".html":
        assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)", text)


async def test_every_answer_carries_the_policy() -> None:
    async with serving() as demo:
        for path in ("/", "/app.js", "/nothing-here", "/transcript/none.txt"):
            for token in (demo.token, "wrong"):
                _, headers, _ = await demo.fetch(path, Authorization=f"Bearer {token}")
                assert headers["content-security-policy"] == POLICY and "'unsafe" not in POLICY
                assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
                assert headers["cross-origin-resource-policy"] == "same-origin"
                assert "access-control-allow-origin" not in headers


async def test_the_page_needs_the_token_of_this_run() -> None:
    async with serving() as demo, serving() as other:
        assert (await asyncio.to_thread(demo.get, f"/?token={demo.token}"))[0] == 200
        wrong = (
            "",
            "?token=",
            f"?token={other.token}",
            f"?token={demo.token[:-1]}",
            "?token=%FF%00",
            "?token=a&token=",
        )
        for path in [*(f"/{query}" for query in wrong), f"/transcript/x.txt?token={other.token}"]:
            status, _, body = await asyncio.to_thread(demo.get, path)
            assert status == 403 and b"token" in body


async def test_the_page_names_what_transcribes_and_never_the_token_or_a_key() -> None:
    async with serving() as demo:
        _, headers, body = await demo.fetch("/")
        assert b"scripted" in body and b"{target}" not in body and demo.token.encode() not in body
        assert headers["content-type"].startswith("text/html")


async def test_a_browser_that_has_a_file_is_not_sent_it_again() -> None:
    async with serving() as demo:
        status, headers, body = await demo.fetch("/app.js")
        assert (status, headers["content-type"]) == (200, "text/javascript; charset=utf-8") and body
        status, _, body = await demo.fetch("/app.js", **{"If-None-Match": headers["etag"]})
        assert (status, body) == (304, b"")


@pytest.mark.parametrize("path", ["/../server.py", "/static/app.js", "/%2e%2e/server.py", "/index.html", "/app.js.map"])
async def test_there_is_no_path_to_anything_else(path: str) -> None:
    async with serving() as demo:
        assert (await demo.fetch(path))[0] == 404


async def refused(demo: Demo, headers: dict[str, str], **query: str) -> bytes:
    with pytest.raises(InvalidStatus) as refusal:
        await demo.live(headers, **query)
    assert refusal.value.response.status_code == 403
    assert demo.page.n_recordings == 0
    return bytes(refusal.value.response.body or b"")


async def test_a_foreign_page_a_foreign_name_and_a_missing_token_get_no_session() -> None:
    async with serving() as demo:
        port = demo.page.port
        for origin in ("https://evil.example", "null", f"http://localhost:{port}", f"http://127.0.0.1:{port + 1}", ""):
            assert b"may not speak" in await refused(demo, {"Origin": origin})
        assert b"token" in await refused(demo, {}, token="")


async def test_a_foreign_name_that_was_made_to_point_here_gets_no_session() -> None:
    async with serving() as demo:
        rebound = f"evil.example:{demo.page.port}"
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
        headers = {**upgrade, "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Host": rebound}
        status, _, body = await demo.fetch("/live", Origin=f"http://{rebound}", **headers)
        assert status == 403 and b"not where this page is served" in body and demo.page.n_recordings == 0


async def test_what_is_not_a_browser_gets_no_session() -> None:
    async with serving() as demo:
        socket = demo.live()
        socket.additional_headers = {}
        with pytest.raises(InvalidStatus):
            await socket


async def test_a_foreign_page_gets_no_document_even_with_the_token() -> None:
    async with serving() as demo:
        assert (await demo.fetch("/", Origin="https://evil.example"))[0] == 403
        assert (await demo.fetch("/", Host="evil.example"))[0] == 403
        assert (await demo.fetch("/app.js", Host="evil.example"))[0] == 403


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:9000", "[::1]:80", "192.168.1.7", "LOCALHOST"])
def test_an_address_and_a_name_of_ours_are_ours_at_any_port(host: str) -> None:
    assert is_ours(host, {"localhost"})


@pytest.mark.parametrize(
    "host", ["", "evil.example", "localhost.evil.example", "127.0.0.1.nip.io", "a@b.localhost", "["]
)
def test_any_other_name_is_not(host: str) -> None:
    assert not is_ours(host, {"localhost"})


async def said(tab: Tab) -> Message:
    await speak(tab)
    await finish(tab)
    return tab.told.news


async def test_the_documents_are_what_export_makes_of_the_same_session() -> None:
    async with serving() as demo, demo.tab() as tab:
        await said(tab)
        recording = demo.page._recordings.find(tab.told.id)  # the words' own clock is in the transcript only
        assert recording is not None and recording.transcript.complete
        for fmt in (Format.TXT, Format.SRT, Format.VTT, Format.JSON):
            status, headers, body = await demo.fetch(f"/transcript/{tab.told.id}.{fmt}")
            assert (status, body.decode()) == (200, export(recording.transcript, fmt, target="scripted"))
            assert headers["content-disposition"] == f'attachment; filename="voxctl.{fmt}"'
        assert (await demo.fetch(f"/transcript/{tab.told.id}.exe"))[0] == 404


async def test_only_so_many_transcripts_are_kept() -> None:
    async with serving(Bounds(kept=2)) as demo:
        ids = []
        for _ in range(3):
            async with demo.tab() as tab:
                await tab.send(0, PIECES[0])
                await tab.stop(1)
                await tab.until("news", phase="done")
                ids.append(tab.told.id)
        statuses = [(await demo.fetch(f"/transcript/{one}.txt"))[0] for one in ids]
        assert statuses == [404, 200, 200]


def test_the_page_is_in_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    wheel = tmp_path / hatchling.build.build_wheel(str(tmp_path))
    with zipfile.ZipFile(wheel) as packed:
        assert {f"voxctl/demo/static/{path.name}" for path in FILES} <= set(packed.namelist())
