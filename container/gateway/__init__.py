"""Stands where the gateway will be: SageMaker's path leads to vLLM's."""

from __future__ import annotations

from typing import Any


class Gateway:
    """ASGI middleware that renames a path."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one connection."""
        if scope.get("path") == "/invocations-bidirectional-stream":
            scope = {**scope, "path": "/v1/realtime", "raw_path": b"/v1/realtime"}
        await self._app(scope, receive, send)
