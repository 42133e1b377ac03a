"""From what a request asks for to pieces of its answers, whichever endpoint it came to.

All answers of a request are one thing: they are started together, and where one fails, or nobody listens any
more, all of them end and their places are free.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from glmcore.api.openai.replies import FinishReason
from glmcore.api.watching import READ_EVERY_SECONDS, watch
from glmcore.chat.engine import TokenLogprob
from glmcore.chat.running_answer import AnswerSink, RunningAnswer, Snapshot, Unstored
from glmcore.core.errors import DataError, EngineError, GlmcoreError
from glmcore.core.messages import AnswerFacts, ChatRequest, StopReason
from glmcore.keys import Caller
from glmcore.server.services import Services

FINISH_REASONS: dict[StopReason, FinishReason] = {
    StopReason.END: "stop",
    StopReason.STOP_STRING: "stop",
    StopReason.LENGTH: "length",
}
SILENCE_SECONDS = READ_EVERY_SECONDS * 0.9  # timers are not exact

# Makes the places where answers are kept: for each its id and its sink. Waits for the database.
Keep = Callable[[], Sequence[tuple[str, AnswerSink]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for: `requests` are its answers in order, as many for each of its prompts."""

    id: str
    model: str  # as it was asked for
    requests: tuple[ChatRequest, ...]
    num_prompts: int = 1
    begun: str = ""  # the beginning of an answer that is gone on with
    keep: Keep | None = None  # None: kept nowhere


@dataclass(frozen=True, slots=True)
class Piece:
    """What is new of one answer; its text goes on from character `at`. The last one has facts.

    `engine` is the kind of the engine that answers.
    """

    index: int
    at: int
    text: str
    logprobs: Sequence[TokenLogprob]
    facts: AnswerFacts | None
    engine: str

    @property
    def finish_reason(self) -> FinishReason | None:
        return FINISH_REASONS[self.facts.stop_reason] if self.facts is not None else None


async def answered(shared: Services, caller: Caller, asked: Asked) -> AsyncGenerator[Piece | None]:
    """Start the answers and give their pieces as they come; None after a time of silence.

    Raises:
        BusyError: there is no place for so many.
        GlmcoreError: an answer failed, or was ended by somebody else.
    """
    with shared.admission.answering(caller, len(asked.requests)):
        answers: list[RunningAnswer] = []
        try:
            shared.answers.check_room()
            kept = await run_in_threadpool(asked.keep) if asked.keep is not None else ()
            _start(shared, asked, kept, answers)
            async with aclosing(_pieces(answers, len(asked.begun))) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            for answer in answers:
                answer.cancel()  # changes nothing where it has ended


def _start(
    shared: Services, asked: Asked, kept: Sequence[tuple[str, AnswerSink]], answers: list[RunningAnswer]
) -> None:
    places = kept or [(uuid.uuid4().hex, Unstored()) for _request in asked.requests]
    for (answer_id, sink), request in zip(places, asked.requests, strict=True):
        try:
            answers.append(shared.answers.start(answer_id, request, sink, text=asked.begun))
        except GlmcoreError as error:
            _leave(places[len(answers) :], asked, error)
            raise


def _leave(places: Sequence[tuple[str, AnswerSink]], asked: Asked, error: GlmcoreError) -> None:
    """Tell the sinks of answers that were never begun."""
    request = asked.requests[0]
    facts = AnswerFacts(
        model=request.model,
        adapter=request.adapter,
        params=request.params,
        stop_reason=StopReason.ERROR,
        error=error.to_dict(),
    )
    for _id, sink in places:
        sink.finish(asked.begun, facts)


async def _pieces(answers: Sequence[RunningAnswer], begun: int) -> AsyncGenerator[Piece | None]:
    told, tokens = [begun] * len(answers), [0] * len(answers)
    heard_at = time.monotonic()
    async with aclosing(_watch_all(answers)) as news:
        async for index, snapshot in news:
            answer, facts, at = answers[index], snapshot.facts, told[index]
            fault = _fault_of(answer, facts) if facts is not None else None
            text = snapshot.text[at:]
            if text or (facts is not None and fault is None):
                logprobs = answer.token_logprobs[tokens[index] :]
                told[index] += len(text)
                tokens[index] += len(logprobs)
                heard_at = time.monotonic()
                yield Piece(index, at - begun, text, logprobs, None if fault else facts, answer.engine)
            elif fault is None and time.monotonic() - heard_at >= SILENCE_SECONDS:
                heard_at = time.monotonic()
                yield None
            if fault is not None:
                raise fault


def _fault_of(answer: RunningAnswer, facts: AnswerFacts) -> GlmcoreError | None:
    """Why an answer that has ended is not whole; never said as if it had ended by itself."""
    if isinstance(answer.fault, DataError) and "window" in answer.fault.values:
        values = {**answer.fault.values, "code": "context_length_exceeded"}
        return DataError(answer.fault.template, **values)
    if answer.fault is not None:
        return answer.fault
    if facts.stop_reason in FINISH_REASONS:
        return None
    if facts.stop_reason is StopReason.INTERRUPTED:
        return EngineError("The server ended before the answer was complete; ask again.")
    return EngineError("The answer was stopped on the server before it was complete; ask again.")


async def _watch_all(answers: Sequence[RunningAnswer]) -> AsyncGenerator[tuple[int, Snapshot]]:
    """The snapshots of several answers, each with the number of its answer, as they come."""
    readers = [watch(answer) for answer in answers]
    waiting: dict[asyncio.Future[Snapshot], int] = {}
    try:
        if len(readers) == 1:  # the usual case, without a task for each token
            async for snapshot in readers[0]:
                yield 0, snapshot
            return
        for index, reader in enumerate(readers):
            waiting[asyncio.ensure_future(anext(reader))] = index
        while waiting:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                index, snapshot = waiting.pop(task), task.result()
                yield index, snapshot
                if snapshot.facts is None:
                    waiting[asyncio.ensure_future(anext(readers[index]))] = index
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for reader in readers:
            await reader.aclose()
