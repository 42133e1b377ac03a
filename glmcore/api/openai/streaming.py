"""Answers as server-sent events, in OpenAI's chunks.

Nothing is sent before there is something to say, for some seconds at least, so that what fails at once is a
proper HTTP status; what fails later is an event with the error, after which the stream ends without `[DONE]`.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

import orjson
from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from glmcore.api.errors import body_of
from glmcore.api.openai.answering import Asked, Piece, answered
from glmcore.api.openai.forms import ReplyForm, usage_of, wants_logprobs
from glmcore.api.presence import while_present
from glmcore.core.errors import GlmcoreError
from glmcore.core.messages import AnswerFacts
from glmcore.keys import Caller
from glmcore.server.services import Services

WAITING = b": waiting\n\n"  # a comment: proxies and clients see that the connection lives
DONE = b"data: [DONE]\n\n"


class EventStream(StreamingResponse):
    """A response that ends what it streams as soon as the client is gone, also while nothing is sent."""

    media_type = "text/event-stream"

    def __init__(self, request: Request, events: AsyncGenerator[bytes]) -> None:
        super().__init__(events, headers={"cache-control": "no-store", "x-accel-buffering": "no"})
        self._request, self._events = request, events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await while_present(self._request, self.stream_response(send))

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._events) as events:
            event = await anext(events)  # what it raises is not an event yet
            start = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            await send(start)
            await send({"type": "http.response.body", "body": event, "more_body": True})
            try:
                async for event in events:
                    await send({"type": "http.response.body", "body": event, "more_body": True})
            except GlmcoreError as error:
                event = b"data: " + orjson.dumps(body_of(error)) + b"\n\n"
                await send({"type": "http.response.body", "body": event, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def events_of(
    shared: Services, caller: Caller, asked: Asked, form: ReplyForm, *, includes_usage: bool
) -> AsyncGenerator[bytes]:
    """The events of a request; the places of its answers are free again before the last one."""
    chunks = _Chunks(asked, form, includes_usage)
    ends: dict[int, AnswerFacts] = {}
    async with aclosing(answered(shared, caller, asked)) as pieces:
        async for piece in pieces:
            if piece is None:
                yield WAITING
                continue
            if piece.facts is not None:
                ends[piece.index] = piece.facts
            yield chunks.of(piece)
    yield (chunks.usage([ends[index] for index in sorted(ends)]) if includes_usage else b"") + DONE


class _Chunks:
    """What all chunks of a request have in common is made once."""

    def __init__(self, asked: Asked, form: ReplyForm, includes_usage: bool) -> None:
        self._asked, self._form = asked, form
        said = {
            "id": asked.id,
            "object": form.chunk_object,
            "created": int(time.time()),
            "model": asked.model,
        }
        self._head = b"data: " + orjson.dumps(said)[:-1] + b',"system_fingerprint":'
        self._tail = b',"usage":null}\n\n' if includes_usage else b"}\n\n"
        self._has_logprobs = wants_logprobs(asked)

    def of(self, piece: Piece) -> bytes:
        logprobs = self._form.logprobs(piece.logprobs, piece.at) if self._has_logprobs else None
        choices = orjson.dumps([self._form.delta(piece, logprobs)])
        return self._head_of(piece.engine) + choices + self._tail

    def _head_of(self, engine: str) -> bytes:
        return self._head + orjson.dumps(engine) + b',"choices":'

    def usage(self, facts: list[AnswerFacts]) -> bytes:
        usage = orjson.dumps(usage_of(facts, self._asked).model_dump())
        return self._head_of(facts[0].engine) + b'[],"usage":' + usage + b"}\n\n"
