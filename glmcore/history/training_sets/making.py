"""All lines of a training set, one after the other, each with the file it belongs to; writes nothing.

The hash of a conversation's first question decides whether all its rows are learnt, validated or tested: a
later set keeps every row where it was, whatever was added, and conversations that start alike stay together.
"""

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from glmcore.core.messages import Message
from glmcore.history.store import HistoryStore
from glmcore.history.training_sets.choice import TrainingSetChoice
from glmcore.history.training_sets.pairs import PreferencePair, pairs_of
from glmcore.history.training_sets.rows import Dropped, TrainingRow, Tree, rows_of
from glmcore.history.whole import WholeConversation, whole_conversations

Part = Literal["train", "validation", "test"]
TRAIN, VALIDATION, TEST, PREFERENCES = FILES = (
    *("train.jsonl", "validation.jsonl", "test.jsonl"),
    "preferences.jsonl",
)


@dataclass(slots=True)
class Tally:
    """What was counted on the way.

    Attributes:
        lines: by file.
        num_conversations: that gave at least one row.
        dropped: by reason; answers, or whole rows and pairs where they are too long or there already.
    """

    lines: Counter[str] = field(default_factory=Counter)
    num_conversations: int = 0
    num_answers: int = 0
    dropped: Counter[Dropped] = field(default_factory=Counter)

    @property
    def num_rows(self) -> int:
        return sum(self.lines[name] for name in (TRAIN, VALIDATION, TEST))

    @property
    def num_pairs(self) -> int:
        return self.lines[PREFERENCES]

    @property
    def counts(self) -> dict[str, int]:
        return {
            "conversations": self.num_conversations,
            "answers": self.num_answers,
            "rows": self.num_rows,
            "pairs": self.num_pairs,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The first rows and pairs, and the counts of all."""

    rows: tuple[TrainingRow, ...]
    pairs: tuple[PreferencePair, ...]
    tally: Tally


def preview(
    store: HistoryStore, owner: str, choice: TrainingSetChoice, *, num_rows: int = 5, num_pairs: int = 5
) -> Preview:
    """What `write_training_set` would write; reads all that is meant.

    Raises:
        DataError: the query of the filter cannot be understood.
    """
    tally = Tally()
    rows: list[TrainingRow] = []
    pairs: list[PreferencePair] = []
    for _, made in lines(store, owner, choice, tally):
        if isinstance(made, TrainingRow):
            if len(rows) < num_rows:
                rows.append(made)
        elif len(pairs) < num_pairs:
            pairs.append(made)
    return Preview(rows=tuple(rows), pairs=tuple(pairs), tally=tally)


def lines(
    store: HistoryStore, owner: str, choice: TrainingSetChoice, tally: Tally
) -> Iterator[tuple[str, TrainingRow | PreferencePair]]:
    """Name of the file and what is a line of it; duplicates are left out."""
    seen: set[bytes] = set()  # 16 bytes of each, so that some 100 bytes of memory do for a row
    for whole in whole_conversations(store.database, owner, choice.filter):
        tree, part = Tree(whole), _part(whole, choice)
        before = tally.num_rows
        for row in rows_of(tree, choice, tally.dropped):
            if _is_new(_digest(row.messages), seen, tally):
                tally.lines[f"{part}.jsonl"] += 1
                tally.num_answers += row.num_answers
                yield f"{part}.jsonl", row
        tally.num_conversations += tally.num_rows > before
        for pair in pairs_of(tree, choice, tally.dropped):
            if part == "test":
                tally.dropped[Dropped.KEPT_FOR_TEST] += 1
                continue
            answers = Message("assistant", pair.chosen), Message("assistant", pair.rejected)
            if _is_new(_digest((*pair.prompt, *answers)), seen, tally):
                tally.lines[PREFERENCES] += 1
                yield PREFERENCES, pair


def line_of(made: TrainingRow | PreferencePair) -> bytes:
    """A row in OpenAI's form, a pair in the usual one of preference training."""
    if isinstance(made, TrainingRow):
        values: dict[str, Any] = {"messages": _written(made.messages)}
    else:
        values = {
            "prompt": _written(made.prompt),
            "chosen": _written([Message("assistant", made.chosen)]),
            "rejected": _written([Message("assistant", made.rejected)]),
        }
    return json.dumps(values, ensure_ascii=False).encode() + b"\n"


def _written(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _part(whole: WholeConversation, choice: TrainingSetChoice) -> Part:
    questions = (each for each in whole.messages if each.role == "user" and each.content.strip())
    first = next(questions, None)
    text = f"{choice.seed}\n{_plain(first.content if first else '')}"
    place = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
    if place < choice.test:
        return "test"
    return "validation" if place < choice.test + choice.validation else "train"


def _is_new(digest: bytes, seen: set[bytes], tally: Tally) -> bool:
    if digest in seen:
        tally.dropped[Dropped.DUPLICATE] += 1
        return False
    seen.add(digest)
    return True


def _digest(messages: Sequence[Message]) -> bytes:
    said = [(message.role, _plain(message.content)) for message in messages]
    return hashlib.sha256(json.dumps(said).encode()).digest()[:16]


def _plain(text: str) -> str:
    """The text as far as it counts: width of letters, capitals and blanks make no difference."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
