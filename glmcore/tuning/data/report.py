"""What became of the rows of a data file: how many, how long, what was cut, dropped or there twice."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from glmcore.core.i18n import mark
from glmcore.core.notes import Note

DROPPED = {
    "empty_question": mark("{file}: {count} rows without a question were left out."),
    "empty_answer": mark("{file}: {count} rows without an answer were left out."),
    "no_answer": mark("{file}: {count} conversations in which nobody answers were left out."),
    "has_tools": mark(
        "{file}: {count} conversations with calls of tools were left out; they are not taught."
    ),
    "late_system": mark("{file}: {count} conversations with a system message in the middle were left out."),
    "too_long": mark(
        "{file}: {count} rows whose question alone is longer than max_input_length {limit} were left out."
    ),
}
CUT_TURNS = mark(
    "{file}: the oldest turns of {count} conversations were cut to fit max_input_length {limit}."
)
CUT_ANSWERS = mark("{file}: {count} answers were cut at max_output_length {limit}; their end is not learnt.")
DUPLICATES = mark("{count} training rows are in the data more than once.")
NEAR_DUPLICATES = mark(
    "{count} of {all} validation rows are nearly the same as a training row; their scores say little about "
    "new questions."
)
SUGGESTED = mark(
    "{file}: for 99 of 100 rows max_input_length {prompt} and max_output_length {answer} are enough; smaller "
    "limits than now need less memory."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Tokens of all prompts, or all answers, before anything is cut; `bins` are (from, to, count)."""

    mean: float
    median: int
    share_99: int
    longest: int
    suggested_limit: int
    bins: tuple[tuple[int, int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """Of one file. An example is a conversation, or an answer of one where a model needs it so."""

    file: str
    sha256: str
    num_rows: int
    num_examples: int
    num_tokens: int
    num_learnt_tokens: int
    num_cut_turns: int
    num_cut_answers: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    prompts: Lengths
    answers: Lengths
    limits: tuple[int, int]

    @property
    def notes(self) -> tuple[Note, ...]:
        """In sentences, what its user should know."""
        max_input, max_output = self.limits
        said = [(DROPPED[reason], count, max_input) for reason, count in self.dropped.items()]
        said += [(CUT_TURNS, self.num_cut_turns, max_input), (CUT_ANSWERS, self.num_cut_answers, max_output)]
        notes = [
            Note(template, {"file": self.file, "count": count, "limit": limit})
            for template, count, limit in said
            if count
        ]
        prompt, answer = self.prompts.suggested_limit, self.answers.suggested_limit
        if prompt < max_input and answer < max_output:
            notes.append(Note(SUGGESTED, {"file": self.file, "prompt": prompt, "answer": answer}))
        return tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "FileReport":
        """Read back what `to_dict` gave, also after it was JSON."""
        lengths = {
            name: Lengths(**values[name] | {"bins": tuple(map(tuple, values[name]["bins"]))})
            for name in ("prompts", "answers")
        }
        return cls(**values | lengths | {"limits": tuple(values["limits"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class DataReport:
    """Of all data of a run. Near-duplicates are validation rows that the training data has nearly too."""

    files: tuple[FileReport, ...]
    num_training: int
    num_validation: int
    is_split: bool  # the validation rows were taken from the training file
    num_duplicates: int = 0
    num_near_duplicates: int = 0
    near_duplicates: tuple[tuple[int, int], ...] = ()  # a few: row numbers, training and validation

    @property
    def notes(self) -> tuple[Note, ...]:
        notes = [note for file in self.files for note in file.notes]
        if self.num_duplicates:
            notes.append(Note(DUPLICATES, {"count": self.num_duplicates}))
        if self.num_near_duplicates:
            values = {"count": self.num_near_duplicates, "all": self.num_validation}
            notes.append(Note(NEAR_DUPLICATES, values))
        return tuple(notes)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def dropped_counts(reasons: Counter[str]) -> dict[str, int]:
    """In the order in which they are said."""
    return {reason: reasons[reason] for reason in DROPPED if reasons[reason]}
