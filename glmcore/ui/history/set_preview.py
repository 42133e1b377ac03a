"""What a data set would hold: counts, what is left out and why, the first rows and pairs."""

from html import escape

import streamlit as st

from glmcore.history.training_sets import WHY_DROPPED, Dropped, PreferencePair, Preview, TrainingRow
from glmcore.ui.compare.differences import mark_differences
from glmcore.ui.text import _, plural
from glmcore.ui.training.evaluate.row_detail import STYLE, cut, show_text


def show_preview(found: Preview) -> None:
    tally = found.tally
    counts = [
        plural("**{count}** row", "**{count}** rows", tally.num_rows),
        plural("**{count}** answer taught", "**{count}** answers taught", tally.num_answers),
        plural("of **{count}** conversation", "of **{count}** conversations", tally.num_conversations),
        plural("**{count}** preference pair", "**{count}** preference pairs", tally.num_pairs),
    ]
    st.markdown(" · ".join(counts))
    show_dropped(tally.dropped)
    st.html(STYLE)
    if found.rows:
        with st.expander(_("The first rows"), expanded=True, icon=":material/table_rows:"):
            for number, row in enumerate(found.rows, start=1):
                show_text(_("Row {number}", number=number), _html(row))
    if found.pairs:
        with st.expander(_("The first preference pairs"), icon=":material/thumbs_up_down:"):
            for pair in found.pairs:
                _show_pair(pair)


def show_dropped(dropped: dict[Dropped, int]) -> None:
    """What was left out, and why."""
    told = [f"{count} × {_(WHY_DROPPED[reason])}" for reason, count in dropped.items() if count]
    if told:
        st.caption(_("Left out: {what}", what="; ".join(told)))


def _html(row: TrainingRow) -> str:
    """Who says what; the answers are what is learnt, and are marked."""
    speakers = {"system": _("System prompt"), "user": _("Question"), "assistant": _("Answer")}
    said = []
    for message in row.messages:
        text = escape(cut(message.content))
        shown = f"<mark>{text}</mark>" if message.role == "assistant" else text
        said.append(f"<b>{escape(speakers[message.role])}</b>\n{shown}")
    return "\n".join(said)


def _show_pair(pair: PreferencePair) -> None:
    better, worse = mark_differences(cut(pair.chosen), cut(pair.rejected))
    with st.container(border=True):
        show_text(_("Question"), escape(cut(pair.prompt[-1].content if pair.prompt else "")))
        left, right = st.columns(2)
        with left:
            show_text(_("Better"), better)
        with right:
            show_text(_("Worse"), worse)
