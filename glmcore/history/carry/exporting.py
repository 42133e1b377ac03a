"""Conversations as a file to take away, in pieces, so that any number of them fits into memory."""

import re
import time
from collections.abc import Iterator

from glmcore.history.carry.forms import FORMS
from glmcore.history.filters import ConversationFilter
from glmcore.history.store import HistoryStore
from glmcore.history.whole import whole_conversations

NAME_CHARACTERS = 60
PIECE_BYTES = 1 << 16


def export(store: HistoryStore, owner: str, chosen: ConversationFilter, form: str) -> Iterator[bytes]:
    """The conversations that are meant, in a form of `FORMS`.

    Raises:
        DataError: the query `chosen.words` cannot be understood.
    """
    piece = bytearray()
    for text in FORMS[form].write(whole_conversations(store.database, owner, chosen)):
        piece += text.encode("utf-8", "replace")
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)


def file_name(form: str, title: str = "") -> str:
    """A name that every system takes: of the only conversation's title, or of today."""
    words = re.sub(r"\W+", "-", title)[:NAME_CHARACTERS].strip("-_")
    return (words or f"conversations-{time.strftime('%Y-%m-%d')}") + FORMS[form].suffix
