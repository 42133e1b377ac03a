"""The index against reading every text: the same conversations, by an own account of what a match is."""

import random
import unicodedata
from dataclasses import dataclass

import pytest

from glmcore.core.errors import DataError
from glmcore.history import ConversationFilter, HistoryStore
from glmcore.history.schema import conversations, messages
from glmcore.history.search.index import SearchText, add_texts

OWNER = "ann"
PIECES = [
    *(
        "微调",
        "模型",
        "大",
        "微",
        "调",
        "训练",
        "用",
        "lora",
        "LoRA",
        "learn",
        "learning",
        "rate",
        "a",
        "3",
        "14",
    ),
    *("ｇｌｍ", "ガ", "カナ", "ไทย", "한국", "café", "cafe\u0301", "ﬁ", "ß", "𠀀", "हि", "…", "①"),
]
GLUE = ["", "", "", " ", " ", "，", "_", ".", "-", "\n", "\u3000", "\u00ad"]
SPACELESS = ("CJK UNIFIED", "HIRAGANA", "KATAKANA", "HANGUL", "THAI")


@dataclass
class Unit:
    """A word, or one character of a script without spaces; `glued` to such a one right before it."""

    text: str
    is_character: bool
    is_glued: bool


def units_of(text: str) -> list[Unit]:
    text = unicodedata.normalize("NFKC", text.replace("\u00ad", "")).casefold()
    units: list[Unit] = []
    before = ""  # the kind of the character before
    for char in unicodedata.normalize("NFKC", text):
        if unicodedata.name(char, "").startswith(SPACELESS):
            units.append(Unit(char, True, before == "character"))
            before = "character"
        elif unicodedata.category(char)[0] in "LN" or (
            unicodedata.category(char)[0] == "M" and before == "word"
        ):
            if before == "word":
                units[-1].text += char
            else:
                units.append(Unit(char, False, False))
            before = "word"
        else:
            before = ""
    return units


def has(text: list[Unit], term: list[Unit], is_prefix: bool) -> bool:
    return any(is_at(text[at : at + len(term)], term, is_prefix) for at in range(len(text) - len(term) + 1))


def is_at(text: list[Unit], term: list[Unit], is_prefix: bool) -> bool:
    for place, (there, wanted) in enumerate(zip(text, term, strict=True)):
        is_last = place == len(term) - 1
        is_same = there.text.startswith(wanted.text) if is_prefix and is_last else there.text == wanted.text
        if not is_same or there.is_character != wanted.is_character:
            return False
        if place and wanted.is_character and there.is_glued != wanted.is_glued:
            return False
    return True


@dataclass
class Asked:
    """A query as it is typed, and its terms: units, whether a beginning is enough, whether it is unwanted."""

    typed: str
    terms: list[tuple[list[Unit], bool, bool]]

    def is_in(self, text: list[Unit]) -> bool:
        return all(has(text, term, is_prefix) != is_unwanted for term, is_prefix, is_unwanted in self.terms)


def make_text(chance: random.Random, count: int) -> str:
    return "".join(chance.choice(PIECES) + chance.choice(GLUE) for _ in range(count))


def make_query(chance: random.Random) -> Asked:
    typed: list[str] = []
    terms: list[tuple[list[Unit], bool, bool]] = []
    for _ in range(chance.choice([1, 1, 2, 3])):
        text = make_text(chance, chance.choice([1, 1, 2, 3])).strip("-").replace("\n", " ")
        kind = chance.choice(["word", "word", "prefix", "phrase"])
        if kind != "phrase":
            text = "".join(text.split())
        is_unwanted = bool(terms) and chance.random() < 0.3
        units = units_of(text)
        if not units:
            continue
        said = f'"{text}"' if kind == "phrase" else text + "*" * (kind == "prefix")
        typed.append("-" * is_unwanted + said)
        is_prefix = kind == "prefix" and not units[-1].is_character
        terms.append((units, is_prefix, is_unwanted))
    return Asked(" ".join(typed), terms) if terms else make_query(chance)


def check(store: HistoryStore, chance: random.Random, num_texts: int, num_queries: int) -> int:
    """Compare so many queries; gives how many of them found something."""
    texts = [make_text(chance, chance.choice([1, 2, 5, 20])) for _ in range(num_texts)]
    texts += [make_text(chance, 3_000), "哈" * 700 + "微调 learn", "learn, " * 700 + "模型"]
    fill(store, texts)
    expected = [units_of(text) for text in texts]
    num_found = 0
    for _ in range(num_queries):
        asked = make_query(chance)
        chosen = ConversationFilter(words=asked.typed)
        try:
            page = store.search.find(OWNER, chosen, limit=num_texts)
        except DataError as error:
            raise AssertionError(asked.typed) from error
        found = {int(hit.listed.conversation.id) for hit in page.hits}
        right = {number for number, units in enumerate(expected) if asked.is_in(units)}
        assert found == right, asked.typed
        assert store.conversations.count(OWNER, chosen) == len(right), asked.typed
        for hit in page.hits:
            assert any(part.is_hit for part in hit.snippet), (asked.typed, hit.snippet)
        num_found += bool(right)
    return num_found


def fill(store: HistoryStore, texts: list[str]) -> None:
    """Each text in a conversation of its own whose id is its number."""
    times = {"created_at": 0.0, "updated_at": 0.0}
    named = {"owner": OWNER, "title": "", "model": "m", "system_prompt": ""}
    said = {"owner": OWNER, "depth": 1, "role": "user", "state": "done", "created_at": 0.0, "saved_at": 0.0}
    ids = [str(number) for number in range(len(texts))]
    with store.database.writing() as connection:
        connection.execute(conversations.insert(), [{"id": each} | named | times for each in ids])
        rows = [
            {"id": f"m{each}", "conversation_id": each, "content": text} | said
            for each, text in zip(ids, texts, strict=True)
        ]
        connection.execute(messages.insert(), rows)
        add_texts(
            connection, [SearchText(OWNER, row["conversation_id"], row["id"], row["content"]) for row in rows]
        )


def test_the_index_finds_what_reading_every_text_finds(store: HistoryStore) -> None:
    assert check(store, random.Random(7), num_texts=60, num_queries=60) > 30


@pytest.mark.slow
def test_a_thousand_queries_find_what_reading_every_text_finds(store: HistoryStore) -> None:
    assert check(store, random.Random(8), num_texts=400, num_queries=1_000) > 500
