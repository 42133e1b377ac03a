"""What the history gives back: frozen values that know nothing of the database.

Ids are texts that are safe in a URL; times are seconds since 1970 in UTC.
"""

from dataclasses import dataclass
from typing import Literal

from glmcore.core.messages import AnswerFacts, GenerationParams, Role

MessageState = Literal["done", "running", "interrupted", "failed"]
Shelf = Literal["open", "archived", "deleted"]  # deleted ones can be brought back until they are removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One conversation without its messages.

    Attributes:
        leaf_id: the last message of the branch that is shown; `leaf_depth` is how many messages that has.
        adapter: of the latest answer.
        version: grows with each change of title, tags, pin or shelf; who changes may name the one he saw.
    """

    id: str
    owner: str
    title: str
    model: str
    system_prompt: str
    params: GenerationParams | None
    leaf_id: str | None
    created_at: float
    updated_at: float
    adapter: str | None = None
    version: int = 0
    leaf_depth: int = 0
    shelf: Shelf = "open"
    is_pinned: bool = False
    deleted_at: float | None = None

    @property
    def num_turns(self) -> int:
        """Questions on the branch that is shown."""
        return (self.leaf_depth + 1) // 2


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
class PathWindow:
    """A part of a branch; `num_earlier` messages come before it."""

    entries: tuple[PathEntry, ...]
    num_earlier: int
    has_later: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a person thinks of an answer.

    Attributes:
        thumb: 1 up, -1 down.
        stars: 1 to 5.
        reason: a key of `judgements.REASONS`.
        repair: the answer as it should have been; the answer that was given is kept.
        version: 0 when nothing is stored yet.
    """

    message_id: str
    thumb: int | None = None
    stars: int | None = None
    reason: str | None = None
    comment: str | None = None
    repair: str | None = None
    judged_at: float = 0.0
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedConversation:
    """A row of the list: a conversation with what is told of it at one look."""

    conversation: Conversation
    tags: tuple[str, ...] = ()
    num_up: int = 0
    num_down: int = 0
    num_repaired: int = 0
    best_stars: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Sampling parameters and a system prompt under a name of the owner's choice."""

    name: str
    params: GenerationParams
    system_prompt: str
