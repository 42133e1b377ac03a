"""One row in full: question, label, both answers with the words marked that differ, every score."""

from html import escape

import numpy as np
import streamlit as st

from glmcore.jobs.answer_lines import ROW_SCORES
from glmcore.jobs.prediction_table import PairedRow, PredictionTable, Side
from glmcore.ui.compare.differences import mark_differences
from glmcore.ui.text import _
from glmcore.ui.training.evaluate.scores import change_text, score_texts

MOST_CHARACTERS = 20_000  # of a text
MARKS_KEY = "evaluation_marks"
LABEL, ANSWER = "label", "answer"
STYLE = """<style>
.answered {white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.6; padding: .6rem .8rem;
    border: 1px solid rgb(128 128 128 / .35); border-radius: .5rem}
.answered mark {background: rgb(240 180 0 / .28); color: inherit; border-radius: .2em}
</style>"""


def show_row(table: PredictionTable, place: int, row: PairedRow) -> None:
    """The row at a place of the table."""
    st.html(STYLE)
    title = _("Row {number}", number=row.number)
    st.markdown(f"**{title}**")
    label, tuned, base = cut(row.label), cut(row.tuned), cut(row.base or "")
    show_text(_("Question"), escape(cut(row.prompt)))
    show_text(_("Label"), escape(label))
    if row.base is None:
        show_text(_("Answer"), mark_differences(label, tuned)[1])
    else:
        if _choose_marks() == ANSWER:
            base_html, tuned_html = mark_differences(base, tuned)
        else:
            base_html, tuned_html = mark_differences(label, base)[1], mark_differences(label, tuned)[1]
        left, right = st.columns(2)
        with left:
            show_text(_("Base"), base_html)
        with right:
            show_text(_("Tuned"), tuned_html)
    st.markdown(" · ".join(_scores(table, place)))


def show_text(title: str, html: str) -> None:
    """`html` is made of escaped text and marks only."""
    st.caption(title)
    st.html(f'<div class="answered">{html}</div>')


def _choose_marks() -> str:
    names = {LABEL: _("the label"), ANSWER: _("the other answer")}
    chosen = st.segmented_control(
        _("Mark words missing from"),
        list(names),
        default=LABEL,
        key=MARKS_KEY,
        format_func=names.__getitem__,
        required=True,
    )
    return chosen or LABEL


def _scores(table: PredictionTable, place: int) -> list[str]:
    texts, parts = score_texts(), []
    for name in ROW_SCORES:
        tuned = float(table.scores(name, Side.TUNED)[place])
        change = float(table.scores(name, Side.DIFFERENCE)[place])
        if np.isfinite(tuned):
            told = f" {change_text(name, change)}" if np.isfinite(change) else ""
            parts.append(f"{texts[name].title} **{tuned:.2f}**{told}")
    return parts


def cut(text: str) -> str:
    """As much of a text as a page should show."""
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + " …"
