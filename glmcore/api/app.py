"""The HTTP API as one ASGI application, for the dashboard's process and for `python -m glmcore serve`."""

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

import glmcore
from glmcore.api import curves, docs, history, jobs, original
from glmcore.api.callers import CallersFirst
from glmcore.api.ending import EndingDoor
from glmcore.api.errors import answer_error, answer_http_error, answer_wrong_body
from glmcore.api.limits import Limits
from glmcore.api.measures import metrics
from glmcore.api.measures.counters import Counters
from glmcore.api.measures.request_log import RequestLog
from glmcore.api.openai import endpoints as openai
from glmcore.api.shared import FindServices
from glmcore.core.errors import GlmcoreError


def build_api(find_services: FindServices, is_ending: Callable[[], bool] = lambda: False) -> FastAPI:
    """Put the endpoints together; the services are looked for at the first request.

    Args:
        is_ending: whether the server was asked to end. Requests are refused then, and responses without an
            end of their own end.
    """
    # Documents and pages of FastAPI's own would fetch scripts from another host; `docs` has ours.
    api = FastAPI(
        title="GLM dashboard",
        version=glmcore.__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # behind a proxy it would lead whoever has a key to an address without TLS
    )
    api.state.is_ending = is_ending
    api.state.counters = counters = Counters()
    api.state.find_services = find = counters.following(find_services)
    # Each stands around those before it: what the door refuses is logged and counted like everything else.
    api.add_middleware(CallersFirst, find_services=find)
    api.add_middleware(EndingDoor, is_ending=is_ending)
    api.add_middleware(Limits, find_services=find)
    api.add_middleware(RequestLog, find_services=find, counters=counters)
    for part in (openai, original, jobs, curves, history, metrics, docs):
        api.include_router(part.router)
    api.add_exception_handler(GlmcoreError, answer_error)
    api.add_exception_handler(RequestValidationError, answer_wrong_body)
    api.add_exception_handler(HTTPException, answer_http_error)
    docs.describe(api)
    return api
