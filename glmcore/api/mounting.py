"""The API's addresses beside the pages of the dashboard.

It is put together at its first request: importing FastAPI and all endpoints would hold up the first page.
"""

import asyncio
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

PREFIXES = ("/api", "/v1", "/metrics")


class ApiRoute(BaseRoute):
    """Leads what lies under the API's prefixes to it, with the path as it is."""

    def __init__(self, build: Callable[[], ASGIApp]) -> None:
        self._build = build
        self._api: ASGIApp | None = None
        self._building = asyncio.Lock()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        path = scope.get("path", "")
        is_ours = scope["type"] == "http" and any(path == p or path.startswith(f"{p}/") for p in PREFIXES)
        return (Match.FULL, {}) if is_ours else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        api = await self._built()
        await api(scope, receive, send)

    async def _built(self) -> ASGIApp:
        async with self._building:
            if self._api is None:
                self._api = await run_in_threadpool(self._build)
            return self._api
