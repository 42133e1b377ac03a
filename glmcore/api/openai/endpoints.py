"""OpenAI's addresses: `/v1/models`, `/v1/chat/completions`, `/v1/completions`."""

from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from glmcore.api.bounds import ERRORS
from glmcore.api.callers import ChatCaller
from glmcore.api.openai.answering import Asked
from glmcore.api.openai.bodies import ChatBody, CompletionBody
from glmcore.api.openai.chat import ChatForm, ask_chat
from glmcore.api.openai.completions import TextForm, ask_completion
from glmcore.api.openai.forms import ReplyForm, whole_reply
from glmcore.api.openai.offered import Offered, find_offered, list_offered
from glmcore.api.openai.replies import ChatCompletion, Completion, ModelCard, ModelList
from glmcore.api.openai.streaming import EventStream, events_of
from glmcore.api.presence import CLIENT_GONE, while_present
from glmcore.api.shared import Shared
from glmcore.core.errors import ConfigError
from glmcore.keys import Caller
from glmcore.server.services import Services

STREAM = {"text/event-stream": {"schema": {"type": "string"}}}  # beside JSON, where `stream` is true
ANSWERED: dict[int | str, dict[str, Any]] = {200: {"content": STREAM}, **ERRORS}

router = APIRouter(prefix="/v1", tags=["OpenAI"])


@router.get("/models", responses=ERRORS)
def list_models(shared: Shared, caller: ChatCaller) -> ModelList:
    """The models that can be asked, and tuned adapters as `model:adapter`."""
    return ModelList(data=[_card(shared, offered) for offered in list_offered(shared).values()])


@router.get("/models/{model_id:path}", responses=ERRORS)
def show_model(model_id: str, shared: Shared, caller: ChatCaller) -> ModelCard:
    """One model by its id."""
    return _card(shared, find_offered(shared, model_id))


@router.post("/chat/completions", response_model=ChatCompletion, responses=ANSWERED)
async def answer_chat(body: ChatBody, request: Request, shared: Shared, caller: ChatCaller) -> object:
    """Answer a conversation."""
    offered = await run_in_threadpool(find_offered, shared, body.model, body.engine)
    asked = ask_chat(body, shared, caller, offered)
    return await _reply(body, request, shared, caller, asked, ChatForm())


@router.post("/completions", response_model=Completion, responses=ANSWERED)
async def go_on(body: CompletionBody, request: Request, shared: Shared, caller: ChatCaller) -> object:
    """Go on with texts."""
    offered = await run_in_threadpool(find_offered, shared, body.model, body.engine)
    asked = ask_completion(body, shared, caller, offered)
    return await _reply(body, request, shared, caller, asked, TextForm())


async def _reply(
    body: ChatBody | CompletionBody,
    request: Request,
    shared: Services,
    caller: Caller,
    asked: Asked,
    form: ReplyForm,
) -> object:
    if body.stream:
        events = events_of(shared, caller, asked, form, includes_usage=body.includes_usage)
        return EventStream(request, events)
    reply = await while_present(request, whole_reply(shared, caller, asked, form))
    return Response(status_code=CLIENT_GONE) if reply is None else reply


def _card(shared: Services, offered: Offered) -> ModelCard:
    engine = shared.models.ready_engine(offered.entry.name)
    return ModelCard(
        id=offered.id,
        parent=offered.entry.name if offered.adapter is not None else None,
        max_model_len=engine.window if engine is not None else None,
        engine=_automatic_engine(shared, offered),
    )


def _automatic_engine(shared: Services, offered: Offered) -> str | None:
    try:
        return shared.models.automatic.of_entry(offered.entry)
    except ConfigError:  # the settings want one that cannot have it, which loading says
        return None
