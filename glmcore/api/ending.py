"""The door of a server that was asked to end: what runs is read to its end, new requests are refused."""

from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from glmcore.api.errors import UNAVAILABLE, error_body

RETRY_SECONDS = 5  # when another server may be there
STAYS_OPEN = ("/metrics",)  # who watches the server wants to see its end
MESSAGE = "The server is about to end and takes no more requests; ask again in a moment."


class EndingDoor:
    """ASGI middleware that refuses requests while `is_ending`."""

    def __init__(self, app: ASGIApp, is_ending: Callable[[], bool]) -> None:
        self._app, self._is_ending = app, is_ending

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and self._is_ending() and scope["path"] not in STAYS_OPEN:
            headers = {"retry-after": str(RETRY_SECONDS), "connection": "close"}
            app = JSONResponse(error_body(UNAVAILABLE, MESSAGE), UNAVAILABLE, headers)
        await app(scope, receive, send)
