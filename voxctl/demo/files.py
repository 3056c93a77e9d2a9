"""The page's files, read once: there is no path to anything else."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

PAGE = "/"
_TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file of the page; ``packed`` is its body for browsers that take gzip, which all do."""

    body: bytes
    packed: bytes
    content_type: str
    etag: str

    async def answer(self, request: Request) -> Response:
        """Give the file, or say that the browser's copy is still good."""
        headers = {"ETag": self.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == self.etag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self.packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=self.content_type)
        return Response(self.body, headers=headers, media_type=self.content_type)


def page_files(target: str) -> Mapping[str, PageFile]:
    """Return the files by their paths on the server; the page itself names the ``target``."""
    found = {}
    for entry in files("voxctl.demo").joinpath("static").iterdir():
        name = entry.name
        kind = _TYPES.get(name[name.rfind(".") :])
        if kind:
            body = entry.read_bytes()
            if name == "index.html":
                body = body.replace(b"{target}", escape(target).encode())
            etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
            found[PAGE if name == "index.html" else f"/{name}"] = PageFile(
                body, gzip.compress(body, mtime=0), kind, etag
            )
    return found
