"""Conversations that last: a tree of messages per conversation, and presets, in one database.

Start with `open_history`. Every row has an owner and is found by its owner only. Knows nothing of pages
or engines.
"""

from glmcore.history.filters import ConversationFilter
from glmcore.history.records import (
    Conversation,
    Judgement,
    ListedConversation,
    MessageState,
    PathEntry,
    PathWindow,
    Preset,
    Shelf,
    StoredMessage,
)
from glmcore.history.store import HistoryStore, open_history, open_temporary

__all__ = [
    "Conversation",
    "ConversationFilter",
    "HistoryStore",
    "Judgement",
    "ListedConversation",
    "MessageState",
    "PathEntry",
    "PathWindow",
    "Preset",
    "Shelf",
    "StoredMessage",
    "open_history",
    "open_temporary",
]
