"""The scores of answers in words, and those of two models beside each other."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import streamlit as st

from glmcore.jobs.answer_lines import ROW_SCORES
from glmcore.jobs.prediction_table import BETTER_LOWER, PredictionTable, Side
from glmcore.jobs.predictions import PredictionSet
from glmcore.ui.markdown import plain
from glmcore.ui.text import _

LOWER = (*BETTER_LOWER, "perplexity")


@dataclass(frozen=True, slots=True)
class ScoreText:
    title: str
    meaning: str


def score_texts() -> Mapping[str, ScoreText]:
    """A name of the results -> its words, in the order of the table."""
    return {
        "bleu-4": ScoreText(
            "BLEU-4",
            _("Runs of one to four characters that are in the label too, as ChatGLM-6B's scripts counted."),
        ),
        "rouge-1": ScoreText("ROUGE-1", _("Words in common with the label.")),
        "rouge-2": ScoreText("ROUGE-2", _("Pairs of words in common with the label.")),
        "rouge-l": ScoreText("ROUGE-L", _("The longest sequence of words in common with the label.")),
        "bleu": ScoreText(
            _("sacreBLEU, mean of the rows"), _("Standard BLEU of each row: runs of one to four words.")
        ),
        "chrf": ScoreText(
            _("chrF, mean of the rows"), _("Runs of one to six characters; forgives other forms of a word.")
        ),
        "bleu_corpus": ScoreText(
            _("sacreBLEU of the whole"), _("Standard BLEU over all rows together, as papers report it.")
        ),
        "chrf_corpus": ScoreText(_("chrF of the whole"), _("chrF over all rows together.")),
        "loss": ScoreText(
            _("loss of an answer's token"),
            _("How unlikely the model finds the labels, before it gives its own answer; lower is better."),
        ),
        "perplexity": ScoreText(
            _("perplexity"), _("The same as a number of equally likely tokens; lower is better.")
        ),
    }


def show_scores(tuned: PredictionSet, base: PredictionSet | None, table: PredictionTable) -> None:
    """A line for each score: base, tuned, difference."""
    texts = score_texts()
    ours, theirs = _values(tuned, base, table)
    names = [name for name in texts if ours.get(name) is not None]
    if not names:
        st.caption(_("No row is answered yet."))
        return
    columns = {_("Score"): [texts[name].title for name in names]}
    if base is not None:
        columns[_("Base")] = [_number(name, theirs.get(name)) for name in names]
    columns[_("Base") if tuned.is_base else _("Tuned")] = [_number(name, ours[name]) for name in names]
    if base is not None:
        columns[_("Difference")] = [_change(name, ours[name], theirs.get(name)) for name in names]
    st.table(columns, border="horizontal", hide_index=True)
    with st.popover(_("What the scores say"), icon=":material/help:", type="tertiary"):
        st.markdown("\n".join(f"- **{texts[name].title}**: {texts[name].meaning}" for name in names))
    st.caption(" ".join(_remarks(tuned, base, table)))


def change_text(name: str, change: float) -> str:
    """Green for better, red for worse; the sign says the same to who does not see colours."""
    text = f"{change:+.{_digits(name)}f}".replace("-", "−").replace("+", "\\+")
    if change == 0:
        return text
    is_better = change < 0 if name in LOWER else change > 0
    return f":green[{text}]" if is_better else f":red[{text}]"


def _values(
    tuned: PredictionSet, base: PredictionSet | None, table: PredictionTable
) -> tuple[Mapping[str, float | None], Mapping[str, float | None]]:
    """What the results say; while one is not there yet, means over the rows that both have answered."""
    if tuned.results and (base is None or base.results):
        texts = score_texts()
        return (
            {name: tuned.score(name) for name in texts},
            {name: base.score(name) for name in texts} if base else {},
        )
    both = table.partners >= 0
    counts = both if both.any() else np.ones(len(table), dtype=bool)

    def means(side: Side) -> dict[str, float | None]:
        return {name: _mean(table.scores(name, side)[counts]) for name in ROW_SCORES}

    return means(Side.TUNED), means(Side.BASE)


def _mean(values: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _remarks(tuned: PredictionSet, base: PredictionSet | None, table: PredictionTable) -> list[str]:
    remarks = [_("Scores are from 0 to 100, and more is better, where nothing else is said.")]
    if not tuned.results or (base is not None and not base.results):
        remarks.append(_("Not all rows are answered: these are means over the rows so far."))
    results = tuned.results
    if results:
        remarks.append(
            _(
                "{count} rows, {empty} of them empty. Answers: {answers}, at most {tokens} tokens. "
                "sacreBLEU: {signature}",
                **{
                    name: plain(str(results.get(key, "–")))
                    for name, key in {
                        "count": "num_rows",
                        "empty": "num_empty",
                        "answers": "answers",
                        "tokens": "max_new_tokens",
                        "signature": "sacrebleu_signature",
                    }.items()
                },
            )
        )
    if table.num_unreadable:
        remarks.append(_("{count} lines could not be read.", count=table.num_unreadable))
    return remarks


def _number(name: str, value: float | None) -> str:
    return "–" if value is None else f"{value:.{_digits(name)}f}"


def _digits(name: str) -> int:
    return 3 if name == "loss" else 2


def _change(name: str, ours: float | None, theirs: float | None) -> str:
    if ours is None or theirs is None or not math.isfinite(ours - theirs):
        return "–"
    return change_text(name, ours - theirs)
