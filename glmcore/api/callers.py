"""Who a request comes from: the key in its header, or somebody on this machine where there are no keys."""

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from glmcore.api.errors import answer_error
from glmcore.api.measures.request_record import note_caller
from glmcore.api.shared import FindServices, Shared
from glmcore.core.errors import GlmcoreError
from glmcore.keys import Caller, Right
from glmcore.server.services import Services

LOCAL_NAME = "localhost"
WITHOUT_BODY = ("GET", "HEAD", "OPTIONS")
# A proxy stands between: who asks it may be anywhere.
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")

bearer = HTTPBearer(auto_error=False, description="An API key, from `python -m glmcore keys make NAME`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


def may_chat(request: Request, shared: Shared, credentials: Credentials) -> Caller:
    return _admitted(request, shared, credentials, Right.CHAT)


def may_use_jobs(request: Request, shared: Shared, credentials: Credentials) -> Caller:
    return _admitted(request, shared, credentials, Right.JOBS)


def may_read_history(request: Request, shared: Shared, credentials: Credentials) -> Caller:
    return _admitted(request, shared, credentials, Right.HISTORY)


def may_measure(request: Request, shared: Shared, credentials: Credentials) -> Caller:
    return _admitted(request, shared, credentials, Right.METRICS)


ChatCaller = Annotated[Caller, Depends(may_chat)]
JobsCaller = Annotated[Caller, Depends(may_use_jobs)]
HistoryCaller = Annotated[Caller, Depends(may_read_history)]
MetricsCaller = Annotated[Caller, Depends(may_measure)]


class CallersFirst:
    """ASGI middleware that reads no body of somebody unknown: reading and parsing one is work already."""

    def __init__(self, app: ASGIApp, find_services: FindServices) -> None:
        self._app, self._find_services = app, find_services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if scope["type"] == "http" and scope["method"] not in WITHOUT_BODY:
            request = Request(scope)
            try:
                request.state.caller = await run_in_threadpool(self._known, request, await bearer(request))
            except GlmcoreError as error:
                app = await answer_error(request, error)
        await app(scope, receive, send)

    def _known(self, request: Request, credentials: Credentials) -> Caller:
        return _identified(request, self._find_services(), credentials)


def _admitted(request: Request, shared: Shared, credentials: Credentials, right: Right) -> Caller:
    caller: Caller = getattr(request.state, "caller", None) or _identified(request, shared, credentials)
    note_caller(caller)
    shared.admission.admit(caller, right)
    return caller


def _identified(request: Request, shared: Services, credentials: Credentials) -> Caller:
    secret = credentials.credentials if credentials is not None else None
    return shared.admission.identify(secret, is_local=is_local(request))


def is_local(request: Request) -> bool:
    """Whether a request was sent on this machine, and not by a web page of somebody else's in a browser here.

    Such a page may send requests to local addresses under its own name, or under one that it lets point here.
    A proxy on this machine that says nothing of itself cannot be told from a program here.
    """
    if any(name in request.headers for name in FORWARDED):
        return False
    if request.client is None or not _is_loopback(request.client.host):
        return False
    if not _is_local_name(_host_of(f"//{request.headers.get('host', '')}")):
        return False
    origin = request.headers.get("origin")
    if origin is None:  # browsers leave it out where a page only fetches, as it does a picture
        return request.headers.get("sec-fetch-site") != "cross-site"
    return _is_local_name(_host_of(origin))


def _is_local_name(host: str | None) -> bool:
    return host is not None and (host == LOCAL_NAME or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
