"""The endpoint of ChatGLM-6B's own server: `POST /api/chat`, and `POST /` where the API runs alone.

As there, `max_length` counts prompt and answer together, so an answer may take what the prompt leaves of it;
where that is next to nothing it still gets a few tokens. A prompt longer than the model's window loses its
oldest turns, as on the chat page. What is missing or null is as it was there, but 0 is 0.
"""

import asyncio
import time
import uuid
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from glmcore.api.bounds import ERRORS
from glmcore.api.callers import ChatCaller
from glmcore.api.openai.answering import Asked, answered
from glmcore.api.openai.bodies import MOST_MESSAGES
from glmcore.api.openai.fields import ENGINE_HELP, MOST_CHARACTERS, EngineName
from glmcore.api.openai.offered import find_offered
from glmcore.api.openai.storing import keep_chat
from glmcore.api.presence import CLIENT_GONE, while_present
from glmcore.api.shared import Shared
from glmcore.chat.engine import ChatEngine
from glmcore.chat.mending import without_traceback
from glmcore.core.errors import EngineError
from glmcore.core.messages import PARAM_RANGES, ChatRequest, GenerationParams, Message
from glmcore.keys import Caller
from glmcore.models.prompts import FEWEST_NEW_TOKENS
from glmcore.server.services import Services

MAX_LENGTH, TOP_P, TEMPERATURE = 2048, 0.7, 0.95  # the original's
MOST_TOKENS = int(PARAM_RANGES["max_new_tokens"][1])
MOST_TURNS = MOST_MESSAGES // 2
LOOK_EVERY_SECONDS = 0.1  # at a model that is loading

router = APIRouter(tags=["original"], responses=ERRORS)
alone_router = APIRouter(tags=["original"], responses=ERRORS)  # for a server without pages

Text = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
Said = Annotated[str, Field(max_length=MOST_CHARACTERS)]
Turn = Annotated[list[Said], Field(min_length=2, max_length=2)]


class Question(BaseModel):
    """A prompt after the turns before it; null is the same as not given."""

    model_config = ConfigDict(
        strict=True, json_schema_extra={"examples": [{"prompt": "你好", "history": []}]}
    )

    prompt: Text
    history: Annotated[list[Turn], Field(max_length=MOST_TURNS)] | None = Field(
        None, description="earlier turns: pairs of prompt and response"
    )
    max_length: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None = Field(
        None, description=f"tokens of prompt and response together; {MAX_LENGTH} by default"
    )
    top_p: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None = Field(
        None, description=f"share of the likeliest tokens to choose from; {TOP_P} by default"
    )
    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = Field(
        None, description=f"0 always takes the likeliest token; {TEMPERATURE} by default"
    )
    model: Text | None = Field(None, description="one of `/v1/models`; the server's own by default")
    engine: EngineName | None = Field(None, description=ENGINE_HELP)


class Reply(BaseModel):
    """The response, and the history that the next request may send."""

    response: str
    history: list[list[str]]
    status: int = Field(200, description="always 200; errors have another form and a status of their own")
    time: str = Field(description="the server's local time, as YYYY-MM-DD HH:MM:SS")


@alone_router.post("/", response_model=Reply, summary="Answer a prompt")
@router.post("/api/chat", response_model=Reply, summary="Answer a prompt")
async def answer_question(question: Question, request: Request, shared: Shared, caller: ChatCaller) -> object:
    """As the server of ChatGLM-6B did: one prompt with its history in, the whole response out."""
    response = await while_present(request, _respond(question, shared, caller))
    if response is None:
        return Response(status_code=CLIENT_GONE)
    history = [*(question.history or ()), [question.prompt, response]]
    return Reply(response=response, history=history, status=200, time=time.strftime("%Y-%m-%d %H:%M:%S"))


async def _respond(question: Question, shared: Services, caller: Caller) -> str:
    shared.answers.check_room()
    model, adapter = shared.settings.model, None
    if question.model is not None or question.engine is not None:
        offered = await run_in_threadpool(find_offered, shared, question.model or model, question.engine)
        model, adapter = offered.entry.name, offered.adapter
    params = await _params(question, await _ready_engine(shared, model, question.engine))
    chat = ChatRequest(
        messages=_messages(question),
        params=params,
        model=model,
        adapter=adapter,
        user=caller.user,
        engine=question.engine,
    )
    is_kept = caller.key is not None and caller.key.stores_chats
    asked = Asked(
        id=uuid.uuid4().hex,
        model=model,
        requests=(chat,),
        keep=partial(keep_chat, shared.history, (chat,)) if is_kept else None,
    )
    return "".join([piece.text async for piece in answered(shared, caller, asked) if piece is not None])


async def _params(question: Question, engine: ChatEngine) -> GenerationParams:
    prompt_tokens = await run_in_threadpool(engine.count_tokens, _messages(question))
    return replace(
        engine.default_params,
        temperature=TEMPERATURE if question.temperature is None else question.temperature,
        top_p=TOP_P if question.top_p is None else question.top_p,
        max_new_tokens=max((question.max_length or MAX_LENGTH) - prompt_tokens, FEWEST_NEW_TOKENS),
    )


def _messages(question: Question) -> tuple[Message, ...]:
    messages: list[Message] = []
    for asked, answered_then in question.history or ():
        messages += Message("user", asked), Message("assistant", answered_then)
    return (*messages, Message("user", question.prompt))


async def _ready_engine(shared: Services, model: str, kind: str | None) -> ChatEngine:
    """The model's engine as soon as it is loaded, without a thread that waits for that."""
    await run_in_threadpool(shared.models.start_loading, model, kind)
    while (engine := shared.models.ready_engine(model, kind)) is None:
        state = shared.models.state(model, kind)
        if state is None:
            raise EngineError("{name} was unloaded while it was waited for; ask again.", name=model)
        if state.error is not None:
            raise without_traceback(state.error)  # a new one for each, as raising changes it
        await asyncio.sleep(LOOK_EVERY_SECONDS)
    return engine
