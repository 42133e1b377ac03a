"""What can go wrong with a server, each in one sentence that names the server and what to do."""

import json
import logging
import re
import socket
import ssl
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from glmcore.core.endpoints import Endpoint
from glmcore.core.errors import BusyError, ConfigError, DataError, EngineError, GlmcoreError, NotFoundError

log = logging.getLogger(__name__)

SAID_CHARS = 300  # of what a server says
WAIT_SECONDS = 5  # after a 429 that does not say how long
LONGEST_WAIT = 3600
# What servers call our parameters, where they complain about one.
PARAMS = {
    "top_k": "top_k",
    "repetition_penalty": "repetition_penalty",
    "logprobs": "logprobs",
    "seed": "seed",
    "stop": "stop",
    "top_p": "top_p",
    "temperature": "temperature",
    "max_tokens": "max_new_tokens",
    "max_completion_tokens": "max_new_tokens",
}
CONTINUING = re.compile(r"continue_final_message|add_generation_prompt|last message|prefill", re.I)
TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum (model|context)|max_model_len|n_ctx|too (long|many tokens|large)"
    r"|model's window|max_new_tokens. must be|does not fit",
    re.I,
)


def status_of(fault: BaseException) -> int | None:
    """The HTTP status that a fault is about; None where there was no answer."""
    status = getattr(fault, "status_code", None)
    return status if isinstance(status, int) else None


def said(fault: BaseException, endpoint: Endpoint) -> str:
    """The server's own sentence, without its HTML and without the key that it may repeat."""
    body = getattr(fault, "body", None)
    for name in ("message", "detail", "error", "error_message"):
        if isinstance(body, dict) and body.get(name):
            body = body[name]
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False) if body else ""
    if not text or "<html" in text[:500].lower() or "<!doctype" in text[:500].lower():
        text = f"HTTP {status_of(fault)}" if status_of(fault) else str(fault)
    key = endpoint.key()
    text = " ".join(text.replace(key, "…").split() if key else text.split()).rstrip(".")
    return text if len(text) <= SAID_CHARS else text[:SAID_CHARS] + "…"


def explain(
    fault: BaseException, endpoint: Endpoint, model_id: str, *, timeout: float, continued: bool = False
) -> GlmcoreError:
    """The error that a fault of the client is for who asked; `continued` an answer was to be gone on with."""
    if isinstance(fault, GlmcoreError):
        return fault
    from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

    if isinstance(fault, APITimeoutError):
        return silent(endpoint, timeout)
    if isinstance(fault, APIConnectionError):
        return _unreachable(fault, endpoint)
    if isinstance(fault, APIStatusError):
        return _refused(fault, endpoint, model_id, continued=continued)
    if isinstance(fault, APIError):  # an error among the pieces of the answer
        return EngineError(
            "The server {endpoint} broke the answer off: {said}.",
            endpoint=endpoint.name,
            said=said(fault, endpoint),
        )
    log.info("an answer of %s was not understood", endpoint.name, exc_info=fault)
    return garbage(endpoint)


def silent(endpoint: Endpoint, timeout: float) -> EngineError:
    return EngineError(
        "The server {endpoint} ({url}) did not answer within {seconds:g} s; ask again, "
        "or raise endpoint_timeout_seconds where it needs longer.",
        endpoint=endpoint.name,
        url=endpoint.url,
        seconds=timeout,
    )


def garbage(endpoint: Endpoint) -> EngineError:
    return EngineError(
        "The server {endpoint} ({url}) answered something that an OpenAI-compatible server does not; "
        "check its address, which mostly ends in /v1.",
        endpoint=endpoint.name,
        url=endpoint.url,
    )


def broken_off(endpoint: Endpoint) -> EngineError:
    return EngineError(
        "The server {endpoint} ended the answer in its middle; the part that came is kept. Ask again.",
        endpoint=endpoint.name,
    )


def _unreachable(fault: BaseException, endpoint: Endpoint) -> EngineError:
    values = {"endpoint": endpoint.name, "url": endpoint.url}
    causes = list(_causes(fault))
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        cause = next(cause for cause in causes if isinstance(cause, ssl.SSLError))
        return EngineError(
            "The secure connection to the server {endpoint} ({url}) failed ({fault}); "
            "check its certificate, or whether it speaks https at all.",
            fault=str(getattr(cause, "verify_message", "") or cause.reason or cause),
            **values,
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return EngineError(
            "The name of the server {endpoint} ({url}) is not known in this network; "
            "check its address in the setting endpoints.",
            **values,
        )
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return EngineError(
            "The server {endpoint} refuses connections at {url}; check that it runs there.", **values
        )
    return EngineError(
        "The connection to the server {endpoint} ({url}) failed ({fault}); check the server and the network.",
        fault=next((str(cause) for cause in reversed(causes) if str(cause)), type(fault).__name__),
        **values,
    )


def _causes(fault: BaseException) -> Iterator[BaseException]:
    """A fault and what it came from, the outermost first."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [fault]
    while waiting:
        cause = waiting.pop(0)
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__]
        waiting += cause.exceptions if isinstance(cause, BaseExceptionGroup) else ()


def _refused(fault: Any, endpoint: Endpoint, model_id: str, *, continued: bool) -> GlmcoreError:
    status, text = fault.status_code, said(fault, endpoint)
    values: dict[str, Any] = {"endpoint": endpoint.name, "said": text}
    if status in (401, 403):
        return EngineError(
            "The server {endpoint} does not let us in ({said}); put a key that it knows into the environment "
            "variable {variable} and start again.",
            variable=endpoint.key_variable,
            **values,
        )
    if status == 404:
        return NotFoundError(
            "The server {endpoint} does not find {model!r} ({said}); the model has gone there, "
            "or the address {url} is not that of its API, which mostly ends in /v1.",
            model=model_id,
            url=endpoint.url,
            **values,
        )
    if status == 429:
        return BusyError(
            "The server {endpoint} takes no more questions now ({said}); ask again in {seconds} s.",
            seconds=_wait(fault.response.headers.get("retry-after")),
            **values,
        )
    if status == 413 or (status < 500 and (fault.code == "context_length_exceeded" or TOO_LONG.search(text))):
        return DataError(
            "The conversation is too long for {model} on the server {endpoint} ({said}); "
            "begin a new one, or ask for a shorter answer.",
            model=model_id,
            **values,
        )
    if status < 500:
        return _unwanted(fault, continued=continued, **values)
    return EngineError("The server {endpoint} failed with HTTP {status} ({said}).", status=status, **values)


def _unwanted(fault: Any, *, continued: bool, endpoint: str, said: str) -> ConfigError:
    if continued and CONTINUING.search(said):
        return ConfigError(
            "The server {endpoint} cannot go on with an answer that was begun ({said}); "
            "ask for a new answer.",
            endpoint=endpoint,
            said=said,
        )
    named = fault.param if fault.param in PARAMS else None
    named = named or next((name for name in PARAMS if re.search(rf"\b{name}\b", said)), None)
    if named is not None:
        return ConfigError(
            "The server {endpoint} does not take {param} as it is set ({said}); change it or switch it off.",
            endpoint=endpoint,
            said=said,
            param=PARAMS[named],
        )
    return ConfigError("The server {endpoint} refused the request: {said}.", endpoint=endpoint, said=said)


def _wait(header: str | None) -> int:
    """The seconds of a Retry-After, which is a number or a date."""
    try:
        seconds = float(header or WAIT_SECONDS)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(str(header)).timestamp() - time()
        except ValueError:
            seconds = WAIT_SECONDS
    return int(min(max(seconds, 1), LONGEST_WAIT)) if seconds == seconds else WAIT_SECONDS
