"""Conversations that last: a tree of messages per conversation, and presets, in one database.

Start with `open_history`. Every row has an owner and is found by its owner only. Knows nothing of pages
or engines.
"""

from glmcore.history.records import Conversation, MessageState, PathEntry, Preset, StoredMessage
from glmcore.history.store import HistoryStore, open_history

__all__ = [
    "Conversation",
    "HistoryStore",
    "MessageState",
    "PathEntry",
    "Preset",
    "StoredMessage",
    "open_history",
]
