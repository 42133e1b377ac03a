"""The scores of one prediction against its label, each from 0 to 100 and rounded to four digits."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields

from glmcore.tuning.scores.bleu_4 import bleu_4
from glmcore.tuning.scores.rouge import rouge
from glmcore.tuning.scores.standard import fitting_tokenizer, overlap_counts


@dataclass(frozen=True)
class RowScores:
    """The first four are the original's; `bleu` and `chrf` are sacreBLEU's for a sentence."""

    rouge_1: float = 0.0
    rouge_2: float = 0.0
    rouge_l: float = 0.0
    bleu_4: float = 0.0
    bleu: float = 0.0
    chrf: float = 0.0

    @classmethod
    def from_dict(cls, values: Mapping[str, float]) -> "RowScores":
        """Read back what `to_dict` gave."""
        return cls(*(values[field.name.replace("_", "-")] for field in fields(cls)))

    def to_dict(self) -> dict[str, float]:
        """With the keys of the original's results."""
        return {field.name.replace("_", "-"): getattr(self, field.name) for field in fields(self)}


def score_pair(prediction: str, label: str) -> RowScores:
    """All scores of a pair; where either is blank they are 0."""
    if not prediction.strip() or not label.strip():
        return RowScores()
    counts = overlap_counts(prediction, label)
    values = [100 * value for value in (*rouge(prediction, label), bleu_4(prediction, label))]
    values += counts.bleu(fitting_tokenizer(label), of_sentence=True), counts.chrf_score()
    return RowScores(*(round(value, 4) for value in values))


def score_rows(pairs: Iterable[tuple[str, str]]) -> Iterator[RowScores]:
    """Score (prediction, label) pairs one by one as they come."""
    return (score_pair(prediction, label) for prediction, label in pairs)
