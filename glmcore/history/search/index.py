"""Keeps the words of titles, questions and answers where they are found; part of the writes themselves.

Works inside the caller's transaction, so that text and index are stored together or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class SearchText:
    """One text to be found; of a title `message_id` is None."""

    owner: str
    conversation_id: str
    message_id: str | None
    text: str


def add_texts(connection: Connection, texts: Sequence[SearchText]) -> None:
    """Make texts findable that were not so far."""


def replace_text(connection: Connection, text: SearchText) -> None:
    """Make a text findable in place of what the message, or the title, said before."""


def remove_conversations(connection: Connection, conversation_ids: Sequence[str]) -> None:
    """Forget all words of conversations; before their rows are deleted."""
