"""What is told about conversations, as JSON. Times are seconds since 1970."""

from dataclasses import fields
from typing import Any

from pydantic import BaseModel

from glmcore.core.messages import AnswerFacts, GenerationParams, Role
from glmcore.history import ListedConversation, MessageState, PathEntry, Shelf
from glmcore.history.search.find import SearchHit
from glmcore.history.search.snippets import SnippetPart


class Found(BaseModel):
    """Where a search found its words: in the title where no message is named; with the text around them."""

    message_id: str | None
    num_messages: int
    snippet: tuple[SnippetPart, ...]


class ConversationInfo(BaseModel):
    """A conversation without its messages; `found` is told where words were searched."""

    id: str
    title: str
    model: str
    adapter: str | None
    shelf: Shelf
    is_pinned: bool
    created_at: float
    updated_at: float
    num_turns: int
    tags: tuple[str, ...]
    num_up: int
    num_down: int
    num_repaired: int
    best_stars: int | None
    found: Found | None = None


class ConversationPage(BaseModel):
    """Some of the conversations that are meant; unless `is_total_exact`, there are more than `total`."""

    conversations: list[ConversationInfo]
    total: int
    is_total_exact: bool = True


class MessageInfo(BaseModel):
    """A message of the shown branch; `version_ids` are its versions, itself among them, the oldest first."""

    id: str
    parent_id: str | None
    role: Role
    content: str
    state: MessageState
    created_at: float
    facts: AnswerFacts | None
    version_ids: tuple[str, ...]


class ConversationDetail(ConversationInfo):
    """A conversation with messages of its shown branch; `num_earlier` come before them."""

    system_prompt: str
    params: GenerationParams | None
    num_earlier: int
    messages: list[MessageInfo]


def info_of(listed: ListedConversation) -> ConversationInfo:
    return ConversationInfo(**_values(listed))


def found_of(hit: SearchHit) -> ConversationInfo:
    found = Found(message_id=hit.message_id, num_messages=hit.num_messages, snippet=hit.snippet)
    return ConversationInfo(**_values(hit.listed), found=found)


def detail_of(listed: ListedConversation, path: list[PathEntry], num_earlier: int) -> ConversationDetail:
    told = listed.conversation
    return ConversationDetail(
        **_values(listed),
        system_prompt=told.system_prompt,
        params=told.params,
        num_earlier=num_earlier,
        messages=[_message(entry) for entry in path],
    )


def _values(listed: ListedConversation) -> dict[str, Any]:
    own = {entry.name for entry in fields(listed)}
    names = ConversationInfo.model_fields.keys() - {"found"}
    return {name: getattr(listed if name in own else listed.conversation, name) for name in names}


def _message(entry: PathEntry) -> MessageInfo:
    names = MessageInfo.model_fields.keys() - {"version_ids"}
    values = {name: getattr(entry.message, name) for name in names}
    return MessageInfo(**values, version_ids=entry.sibling_ids)
