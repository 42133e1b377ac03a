"""What the history gives back: frozen values that know nothing of the database.

Ids are texts that are safe in a URL; times are seconds since 1970 in UTC.
"""

from dataclasses import dataclass
from typing import Literal

from glmcore.core.messages import AnswerFacts, GenerationParams, Role

MessageState = Literal["done", "running", "interrupted", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One conversation without its messages; `leaf_id` is the last message of the branch that is shown."""

    id: str
    owner: str
    title: str
    model: str
    system_prompt: str
    params: GenerationParams | None
    leaf_id: str | None
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """One node of a conversation's tree; messages with the same parent are versions of each other."""

    id: str
    conversation_id: str
    parent_id: str | None
    role: Role
    content: str
    state: MessageState
    facts: AnswerFacts | None
    created_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PathEntry:
    """A message of the shown branch; `sibling_ids` are its versions, itself among them, oldest first."""

    message: StoredMessage
    sibling_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Sampling parameters and a system prompt under a name of the owner's choice."""

    name: str
    params: GenerationParams
    system_prompt: str
