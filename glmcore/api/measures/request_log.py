"""One line per request when it has ended, and an id that the client is told and every line of it has.

Holds neither headers nor addresses with their query, so no key; what was asked and answered only where the
settings want it. A client that went away before its answer is said as 499.
"""

import asyncio
import logging
from typing import Any
from urllib.parse import quote

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from glmcore.api.errors import answer_fault
from glmcore.api.measures.counters import Counters
from glmcore.api.measures.request_record import RequestRecord, current_request, request_id_from
from glmcore.api.shared import FindServices
from glmcore.chat.running_answer import RunningAnswer

log = logging.getLogger("glmcore.http")

ID_HEADER = "x-request-id"
CLIENT_LEFT = 499
UNMATCHED = "unmatched"  # an address that there is not; as many as clients can think of
PATH_CHARS = 200


class RequestLog:
    """ASGI middleware around all others."""

    def __init__(self, app: ASGIApp, find_services: FindServices, counters: Counters) -> None:
        self._app, self._find_services, self._counters = app, find_services, counters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        record = RequestRecord(request_id_from(Headers(scope=scope).get(ID_HEADER)))
        exchange = _Exchange(receive, send, record.id)
        token = current_request.set(record)
        try:
            await self._answer(scope, exchange)
        finally:
            self._write(scope, exchange, record)
            current_request.reset(token)

    async def _answer(self, scope: Scope, exchange: "_Exchange") -> None:
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except (ClientDisconnect, asyncio.CancelledError) as error:
            exchange.client_left = True
            if isinstance(error, asyncio.CancelledError):
                raise
        except Exception as fault:
            log.exception("A request failed with an error that nobody expected.")
            if exchange.has_begun:
                raise  # so that the server cuts the connection: the client must not take it for whole
            response = await answer_fault(Request(scope), fault)
            await response(scope, exchange.receive, exchange.send)

    def _write(self, scope: Scope, exchange: "_Exchange", record: RequestRecord) -> None:
        route = getattr(scope.get("route"), "path", "") or UNMATCHED  # "" is that of a mount around us
        method, status, seconds = scope["method"], exchange.status, record.seconds
        self._counters.count_request(method, route, status, seconds)
        fields: dict[str, Any] = {"method": method, "route": route, "status": status}
        fields |= {"seconds": round(seconds, 4), "bytes": exchange.num_bytes}
        if route == UNMATCHED:
            fields["path"] = quote(scope["path"], errors="replace")[:PATH_CHARS]  # of it nothing is obeyed
        if record.caller is not None:
            key = record.caller.key
            fields |= {"user": record.caller.user} | ({"key": key.id} if key else {})
        if record.answers:
            shows_texts = self._find_services().settings.log_prompts
            fields["answers"] = [_answer_fields(answer, shows_texts) for answer in record.answers.values()]
        level = logging.ERROR if status >= 500 else logging.INFO
        log.log(level, "request", extra={"fields": fields})


def _answer_fields(answer: RunningAnswer, shows_texts: bool) -> dict[str, Any]:
    snapshot = answer.snapshot()
    fields: dict[str, Any] = {"id": answer.id, "model": answer.request.model}
    if answer.engine:
        fields["engine"] = answer.engine
    if answer.request.adapter is not None:
        fields["adapter"] = answer.request.adapter
    if (facts := snapshot.facts) is not None:  # None where the client left and it has yet to notice
        fields["stop_reason"] = facts.stop_reason.value
        fields |= {"prompt_tokens": facts.prompt_tokens, "completion_tokens": facts.completion_tokens}
    if shows_texts:
        messages = [{"role": said.role, "content": said.content} for said in answer.request.messages]
        fields |= {"prompt": answer.request.plain_text or messages, "text": snapshot.text}
    return fields


class _Exchange:
    """What goes over one request's connection."""

    def __init__(self, receive: Receive, send: Send, request_id: str) -> None:
        self._receive, self._send, self._id = receive, send, request_id
        self._status = 500  # what the server says where nobody answers
        self.num_bytes = 0
        self.has_begun = self._is_whole = self.client_left = False

    @property
    def status(self) -> int:
        return CLIENT_LEFT if self.client_left else self._status

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._is_whole:
            self.client_left = True
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun, self._status = True, message["status"]
            MutableHeaders(scope=message)[ID_HEADER] = self._id
        elif message["type"] == "http.response.body":
            self.num_bytes += len(message.get("body", b""))
            self._is_whole = not message.get("more_body", False)
        await self._send(message)
