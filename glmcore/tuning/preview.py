"""The first rows of a data file as a model reads them: which tokens it learns. Loads no weights."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from glmcore.tuning.data.prepared import iter_examples
from glmcore.tuning.data.tokens import Example, ExampleBuilder
from glmcore.tuning.job_config.fields import DataConfig

BROKEN = "\ufffd"  # what an id decodes to that holds a part of a character


@dataclass(frozen=True, slots=True)
class Piece:
    """Some ids that decode together, mostly one, and whether they are learnt."""

    text: str
    ids: tuple[int, ...]
    is_learnt: bool


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """A row of the file; the same row again where a model needs an example per answer."""

    number: int
    pieces: tuple[Piece, ...]
    cut_turns: int
    is_answer_cut: bool

    @property
    def num_learnt(self) -> int:
        return sum(len(piece.ids) for piece in self.pieces if piece.is_learnt)


def preview_rows(data: DataConfig, builder: ExampleBuilder, count: int) -> list[PreviewRow]:
    """The first examples of the training file.

    Raises:
        DataError: the file is missing or broken.
    """
    assert data.train_file is not None  # `check_job` says it
    # A few more rows than asked for, as some may be left out.
    found = iter_examples(data, builder, data.train_file, 4 * count + 20, Counter())
    examples = (made for made in found if isinstance(made, Example))
    return [
        PreviewRow(
            number=example.number,
            pieces=tuple(_pieces(builder.tokenizer, example)),
            cut_turns=example.cut_turns,
            is_answer_cut=example.is_answer_cut,
        )
        for example in islice(examples, count)
    ]


def _pieces(tokenizer: Any, example: Example) -> Iterator[Piece]:
    """The ids one by one; those that are parts of one character together."""
    learnt = [False] * len(example.ids)
    for start, stop in example.learnt:
        learnt[start:stop] = [True] * (stop - start)
    waiting: list[int] = []
    for index, token in enumerate(example.ids):
        waiting.append(token)
        text = tokenizer.decode(waiting, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        is_last = index + 1 == len(example.ids) or learnt[index + 1] != learnt[index]
        if BROKEN not in text or is_last or len(waiting) >= _LONGEST_CHARACTER:
            yield Piece(text, tuple(waiting), learnt[index])
            waiting = []


_LONGEST_CHARACTER = 4  # bytes of UTF-8, each of which may be a token


def shown_pieces(pieces: Sequence[Piece]) -> str:
    """For a terminal: what is learnt stands in brackets."""
    parts: list[str] = []
    is_open = False
    for piece in pieces:
        if piece.is_learnt != is_open:
            parts.append("⟦" if piece.is_learnt else "⟧")
            is_open = piece.is_learnt
        parts.append(piece.text)
    return "".join(parts) + ("⟧" if is_open else "")
