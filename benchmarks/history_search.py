"""Searching 100,000 messages, half of them Chinese: the index against LIKE over the same rows.

The words are drawn as in natural language: the n-th most frequent one is n times rarer than the first.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import func, select, text

from benchmarks.report import Measurement, alternate
from glmcore.history import ConversationFilter, HistoryStore, open_history
from glmcore.history.schema import conversations, messages
from glmcore.history.search.index import SearchText, add_texts
from tests.postgres import SERVER, fresh_database

NUM_MESSAGES, IN_A_CONVERSATION, AT_ONCE = 100_000, 20, 2_000
OWNER = "ann"
# Common and rare words. PostgreSQL keeps no order in its index, so it has to look at the newest rows.
TARGETS = {"SQLite": (20.0, 100.0), "PostgreSQL": (3.0, 50.0)}
NUM_WORDS = 30_000
LENGTHS = range(300, 501)  # characters
ROUNDS = 9
PAGE = 20
SEARCHES = 5


class Language:
    """A vocabulary, and texts of it."""

    def __init__(self, letters: str, lengths: list[int], separators: list[str], seed: int) -> None:
        self._random = random.Random(seed)
        weights = list(accumulate(1 / (place + 8) for place in range(len(letters))))
        words: dict[str, None] = {}
        while len(words) < NUM_WORDS:
            words[
                "".join(self._random.choices(letters, cum_weights=weights, k=self._random.choice(lengths)))
            ] = None
        self.words = list(words)
        self._weights = list(accumulate(1 / (place + 4) for place in range(NUM_WORDS)))
        self._separators = separators

    def message(self) -> str:
        count = self._random.choice(LENGTHS)
        words = self._random.choices(self.words, cum_weights=self._weights, k=count // 2)
        said = "".join(word + self._random.choice(self._separators) for word in words)
        return said[:count]


def measure() -> Iterator[Measurement]:
    with ExitStack() as open_until_end:
        folder = open_until_end.enter_context(TemporaryDirectory())
        urls = {"SQLite": f"sqlite:///{Path(folder) / 'history.db'}"}
        if os.environ.get(SERVER):
            urls["PostgreSQL"] = open_until_end.enter_context(fresh_database())
        for name, url in urls.items():
            store = open_history(url)
            try:
                chinese, english = _languages()
                yield _fill(store, name, chinese, english)
                yield from _searching(store, name, chinese, english)
            finally:
                store.close()


def _languages() -> tuple[Language, Language]:
    han = "".join(map(chr, range(0x4E00, 0x4E00 + 2_500)))
    return (
        Language(han, [1, 2, 2, 2, 3], ["", "", "", "", "", "", "，", "。"], 1),
        Language("etaoinshrdlucmfwypvbgkqjxz", [2, 3, 4, 5, 6, 7, 8, 9], [" ", " ", " ", " ", ", ", ". "], 2),
    )


def _fill(store: HistoryStore, name: str, chinese: Language, english: Language) -> Measurement:
    """Both kinds of rows, and the part of the time that the index takes."""
    indexing = 0.0
    began = time.perf_counter()
    for first in range(0, NUM_MESSAGES, AT_ONCE):
        rows = [
            _message(number, (chinese if number // IN_A_CONVERSATION % 2 else english).message())
            for number in range(first, first + AT_ONCE)
        ]
        told = {row["conversation_id"]: _conversation(row["conversation_id"]) for row in rows}
        texts = [SearchText(OWNER, row["conversation_id"], row["id"], row["content"]) for row in rows]
        with store.database.writing() as connection:
            connection.execute(conversations.insert(), list(told.values()))
            connection.execute(messages.insert(), rows)
            before = time.perf_counter()
            add_texts(connection, texts)
            indexing += time.perf_counter() - before
    whole = time.perf_counter() - began
    if not store.database.is_sqlite:
        with store.database.writing() as connection:
            connection.execute(text("ANALYZE"))
    each = indexing / NUM_MESSAGES * 1e6
    detail = f"{each:.0f} us a message of {LENGTHS.start} to {LENGTHS.stop - 1} characters"
    return Measurement(f"{name}: indexing / making and storing", indexing / whole, detail)


def _conversation(conversation_id: str) -> dict[str, Any]:
    now = time.time()
    named = {"id": conversation_id, "owner": OWNER, "title": "", "model": "m", "system_prompt": ""}
    return named | {"created_at": now, "updated_at": now}


def _message(number: int, content: str) -> dict[str, Any]:
    return {
        "id": f"m{number}",
        "owner": OWNER,
        "conversation_id": f"c{number // IN_A_CONVERSATION}",
        "depth": number % IN_A_CONVERSATION + 1,
        "role": "assistant" if number % 2 else "user",
        "state": "done",
        "created_at": 0.0,
        "saved_at": 0.0,
        "content": content,
    }


def _searching(store: HistoryStore, name: str, chinese: Language, english: Language) -> Iterator[Measurement]:
    kinds = {
        "Chinese, two characters": _words_of(chinese, 2),
        "Chinese, three": _words_of(chinese, 3),
        "Chinese, one": _words_of(chinese, 1),
        "English": _words_of(english, 6),
    }
    for kind, words in kinds.items():
        for how_often, word, target in zip(("common", "rare"), words, TARGETS[name], strict=True):
            if word is not None:
                yield _compare(store, f"{name}: {kind}, {how_often}", word, target)


def _words_of(language: Language, length: int) -> tuple[str, str | None]:
    """The most frequent word of the length, and one that is in a few messages of the 100,000."""
    words = [word for word in language.words if len(word) == length]
    return words[0], words[-1] if length > 1 else None


def _compare(store: HistoryStore, name: str, word: str, target: float) -> Measurement:
    """Which conversations have the word in how many messages: by the index, and by reading all texts."""
    chosen = ConversationFilter(words=word)
    mine = messages.c.owner == OWNER, conversations.c.owner == OWNER, conversations.c.shelf == "open"
    like = (
        select(messages.c.conversation_id, func.count())
        .join(conversations, conversations.c.id == messages.c.conversation_id)
        .where(*mine, messages.c.content.like(f"%{word}%"))
        .group_by(messages.c.conversation_id)
        .order_by(func.max(messages.c.sequence).desc())
        .limit(PAGE)
    )

    def scan() -> None:
        with store.database.reading() as connection:
            connection.execute(like).all()

    def search(limit: int) -> Callable[[], object]:
        return lambda: store.search.find(OWNER, chosen, limit=limit)

    measures = (search(0), SEARCHES), (search(PAGE), SEARCHES), (scan, 1)
    found, shown, scanned = alternate(ROUNDS, *(partial(_seconds, *each) for each in measures))
    page = store.search.find(OWNER, chosen)
    total = f"{page.total}{'' if page.is_total_exact else '+'} conversations"
    detail = f"{word}: {found * 1e3:.2f} against {scanned * 1e3:.0f} ms, {total}; a page {shown * 1e3:.1f} ms"
    return Measurement(name, scanned / found, detail, at_least=target)


def _seconds(measured: Callable[[], object], times: int) -> float:
    """Of the last of several calls in a row: before the first one LIKE has filled the caches with texts."""
    for _ in range(times):
        began = time.perf_counter()
        measured()
        seconds = time.perf_counter() - began
    return seconds
