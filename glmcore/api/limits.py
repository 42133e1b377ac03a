"""What a request may be before anybody looks at it: how large, how full, how slow, from which web pages.

The settings that say so come with the services, which may be wrong: then this says what is, for all.
"""

import asyncio

from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from glmcore.api.errors import UNAVAILABLE, error_body
from glmcore.api.shared import FindServices
from glmcore.core.errors import GlmcoreError
from glmcore.core.settings import Settings

MIB = 1024 * 1024
MOST_VALUES = 100_000  # small ones: millions in one body would hold up all others for seconds
BEGINS_OF_VALUES = (b"[", b"{", b":")
TOO_MANY_VALUES = (
    f"The request has more than {MOST_VALUES} lists, objects and names, brackets and colons in texts "
    "included, which is the limit; send less."
)
BODY_SECONDS = 120.0  # to send all of it
TOLD_HEADERS = ("x-request-id", "retry-after")  # that scripts of other origins may read


class Limits:
    """ASGI middleware that puts the limits of the settings around the API once they are known."""

    def __init__(self, app: ASGIApp, find_services: FindServices) -> None:
        self._app, self._find_services = app, find_services
        self._limited: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._limited is None:
            try:
                shared = await run_in_threadpool(self._find_services)  # opens the database
            except GlmcoreError as error:
                await JSONResponse(error_body(UNAVAILABLE, str(error)), UNAVAILABLE)(scope, receive, send)
                return
            self._limited = _limited(self._app, shared.settings)
        await self._limited(scope, receive, send)


def _limited(app: ASGIApp, settings: Settings) -> ASGIApp:
    app = BodyLimit(app, settings.max_request_mib)
    if not settings.cors_origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=[origin.rstrip("/") for origin in settings.cors_origins],
        allow_methods=("*",),
        allow_headers=("*",),
        expose_headers=TOLD_HEADERS,
    )


class BodyLimit:
    """ASGI middleware that refuses a body by the length it is said to have, or once too much has come.

    What is counted is not read, as that is what must not be done.
    """

    def __init__(self, app: ASGIApp, max_mib: float) -> None:
        self._app, self._most = app, int(max_mib * MIB)
        self._too_large = f"The request is larger than {max_mib:g} MiB, which is the limit; send less."

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _said_length(scope) > self._most:
            await JSONResponse(error_body(413, self._too_large), 413)(scope, receive, send)
            return
        left, values_left, is_whole = self._most, MOST_VALUES, False
        deadline = asyncio.get_running_loop().time() + BODY_SECONDS

        async def receive_limited() -> Message:
            nonlocal left, values_left, is_whole
            if is_whole:
                return await receive()  # news that the client has left
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                text = f"The request was not whole after {BODY_SECONDS:g} s; send it faster, or less."
                raise HTTPException(408, text, {"connection": "close"}) from None
            body = message.get("body", b"")
            left -= len(body)
            values_left -= sum(map(body.count, BEGINS_OF_VALUES))
            is_whole = not message.get("more_body", False)
            if left < 0 or values_left < 0:
                raise HTTPException(413, self._too_large if left < 0 else TOO_MANY_VALUES)
            return message

        await self._app(scope, receive_limited, send)


def _said_length(scope: Scope) -> int:
    said = Headers(scope=scope).get("content-length", "")
    return int(said) if said.isdecimal() and len(said) < 20 else 0
