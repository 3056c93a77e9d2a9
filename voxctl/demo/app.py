"""The ASGI application: the page, one WebSocket for each tab, and the transcripts as documents."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voxctl.demo import wire
from voxctl.demo.files import PAGE, page_files
from voxctl.demo.guard import Guard
from voxctl.demo.recording import Recording
from voxctl.demo.recordings import Recordings
from voxctl.errors import ProtocolError, ServerFull
from voxctl.transcript.export import Format, export

_TYPES = {
    Format.TXT: "text/plain; charset=utf-8",
    Format.JSON: "application/json",
    Format.SRT: "application/x-subrip; charset=utf-8",
    Format.VTT: "text/vtt; charset=utf-8",
}


class DemoApp:
    """The application; ``asgi`` is what a server runs. ``target`` says what transcribes, for people and documents."""

    def __init__(self, recordings: Recordings, *, target: str, token: str, names: Collection[str]) -> None:
        self._recordings = recordings
        self._target = target
        #: What a recording's page has now: its socket, and the task that tells it what is new.
        self._places: dict[Recording, tuple[WebSocket, asyncio.Task[None]]] = {}
        pages = page_files(target)
        routes = [
            *(Route(path, page.answer) for path, page in pages.items()),
            Route("/transcript/{recording_id}.{suffix}", self._document),
            WebSocketRoute("/live", self._live),
        ]
        guard = Middleware(Guard, token=token, names=names, public=[path for path in pages if path != PAGE])
        self.asgi: ASGIApp = Starlette(routes=routes, middleware=[guard])

    async def _document(self, request: Request) -> Response:
        recording = self._recordings.find(request.path_params["recording_id"])
        kind = next((fmt for fmt in _TYPES if fmt == request.path_params["suffix"]), None)
        if recording is None or kind is None:
            said = "This transcript is no longer kept.\n" if recording is None else "There is no such format.\n"
            return PlainTextResponse(said, HTTPStatus.NOT_FOUND)
        document = export(recording.transcript, kind, target=self._target)
        name = f'attachment; filename="voxctl{kind.suffix}"'
        headers = {"Content-Disposition": name, "Cache-Control": "no-store"}
        return Response(document.encode(), headers=headers, media_type=_TYPES[kind])

    async def _live(self, socket: WebSocket) -> None:
        await socket.accept()
        with contextlib.suppress(WebSocketDisconnect):  # it may go at any moment, and then there is nobody to tell
            recording = await self._found(socket)
            if recording:
                await self._attend(recording, socket)

    async def _found(self, socket: WebSocket) -> Recording | None:
        """Return the recording that the page has, or a new one; otherwise the page is told why there is none."""
        wanted = socket.query_params.get("id")
        if wanted:
            recording = self._recordings.find(wanted)
            if recording is None:
                await _refuse(socket, wire.GONE, "gone", "The recording is no longer kept here", None)
            return recording
        try:
            return self._recordings.begin()
        except ServerFull as exc:
            await _refuse(socket, wire.TRY_AGAIN_LATER, exc.code, exc.message, exc.hint)
            return None

    async def _attend(self, recording: Recording, socket: WebSocket) -> None:
        """Carry sound in and news out until the page has gone. A page that comes back may find its old socket still
        there, half open: the new one holds."""
        before = self._places.pop(recording, None)
        telling = asyncio.create_task(self._tell(recording, socket))
        self._places[recording] = socket, telling
        self._recordings.here(recording)
        if before:
            before[1].cancel()
            with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # it is closed already
                await before[0].close(wire.TAKEN_OVER)
        code = None
        try:
            code = await _hear(recording, socket)
        finally:
            telling.cancel()
            if self._places.get(recording, (None,))[0] is socket:
                del self._places[recording]
                self._recordings.away(recording, for_good=code in (wire.DONE, wire.GOING_AWAY))

    async def _tell(self, recording: Recording, socket: WebSocket) -> None:
        """Send what is new, as soon as it is and as fast as the page takes it: what it has missed comes as one."""
        known = _number(socket.query_params.get("words"))
        next_number = recording.sound.next_number
        greeting = {"id": recording.id, "next": next_number}
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # whoever reads the socket sees its end
            await socket.send_text(wire.message("ready", greeting))
            recording.changed.set()
            while True:
                await recording.changed.wait()
                recording.changed.clear()
                news = recording.news(min(known, recording.n_words))
                known = recording.n_words
                await socket.send_text(wire.message("news", news))


async def _hear(recording: Recording, socket: WebSocket) -> int:
    """Take sound until the page has gone, and return the close code."""
    while True:
        received = await socket.receive()
        if received["type"] == "websocket.disconnect":
            return int(received.get("code") or 0)
        try:
            said = wire.parse(received.get("bytes") or received.get("text") or "")
        except ProtocolError as exc:
            await socket.close(wire.PROTOCOL_ERROR, exc.message)
            return wire.PROTOCOL_ERROR
        match said:
            case wire.Stop(count):
                recording.stop_after(count)
            case wire.Sound(number, _, pcm):
                await recording.sound.take(number, pcm)
                if socket.application_state is WebSocketState.DISCONNECTED:
                    return wire.TAKEN_OVER
                at_ms = round(time.time() * 1000, 2)
                ack = {"number": number, "next": recording.sound.next_number, "at_ms": at_ms}
                await socket.send_text(wire.message("ack", ack))


async def _refuse(socket: WebSocket, code: int, name: str, message: str, hint: str | None) -> None:
    await socket.send_text(wire.message("refused", {"code": name, "message": message, "hint": hint}))
    await socket.close(code)


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() else 0
