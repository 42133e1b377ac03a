"""Draws a comparison: each question once, its two answers side by side, one below the other on a phone."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest

import streamlit as st

from glmcore.chat.running_answer import RunningAnswer
from glmcore.core.errors import GlmcoreError
from glmcore.core.messages import AnswerFacts
from glmcore.history import StoredMessage
from glmcore.ui.adapter_picker import short_name
from glmcore.ui.chat.facts import facts_line
from glmcore.ui.compare.differences import mark_differences
from glmcore.ui.compare.exchange import Column, Turn
from glmcore.ui.markdown import plain, to_markdown
from glmcore.ui.text import _, error_text, plural
from glmcore.ui.transcript import LONG_QUESTION_CHARACTERS

FOLLOW_SECONDS = 0.3  # how often running answers are drawn

Row = Sequence[Turn]  # of each column

STYLE = """<style>
.compared {white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.6}
.compared mark {background: rgb(240 180 0 / .28); color: inherit; border-radius: .2em}
/* A short answer beside a long one stays in sight; on a phone they are below each other anyway. */
@media (min-width: 640px) {[class*='st-key-compare_answer_'] {max-height: 52vh; overflow-y: auto}}
.st-key-param_seed {display: none}  /* the page has one for both */
</style>"""


def show_rows(columns: Sequence[Column], *, is_marked: bool) -> None:
    """All turns that are read; the last one is followed to its end while it is answered."""
    rows: list[Row] = list(zip_longest(*(column.turns for column in columns), fillvalue=Turn()))
    is_answering = any(column.is_answering for column in columns)
    for number, row in enumerate(rows):
        is_last = number == len(rows) - 1
        if is_last and is_answering:
            st.fragment(_follow, run_every=FOLLOW_SECONDS)(columns, number, row)
        else:
            _show_row(columns, number, row, is_live=is_last, is_marked=is_marked)


def _follow(columns: Sequence[Column], number: int, row: Row) -> None:
    """Draw what is there of the last answers; when both have ended the page draws them from the history."""
    is_over = not any(column.is_answering for column in columns)  # before their texts are read
    _show_row(columns, number, row, is_live=True, is_marked=False)
    if is_over:
        st.rerun()


def _show_row(columns: Sequence[Column], number: int, row: Row, *, is_live: bool, is_marked: bool) -> None:
    """Args: is_live: the running answers of the columns belong to this row."""
    questions = [turn.question.content if turn.question else "" for turn in row]
    are_same = len(set(questions)) == 1
    marks = _marks(*(turn.answer for turn in row)) if is_marked else None
    if are_same:
        _show_question(questions[0])
    for place, area in enumerate(st.columns(len(columns))):
        column, turn = columns[place], row[place]
        with area:
            if not are_same:  # somebody went on with one of them in the chat
                _show_question(questions[place])
            with st.container(border=True, key=f"compare_answer_{number}_{place}"):
                st.caption(f"**{plain(_made_by(column, turn.answer))}**")
                running = column.running if is_live else None
                _show_answer(turn, running, marks[place] if marks else None)


def _made_by(column: Column, answer: StoredMessage | None) -> str:
    """The column's title, unless somebody went on in the chat with something else."""
    facts, side = answer.facts if answer else None, column.side
    if facts is None or (side and (side.model, side.adapter) == (facts.model, facts.adapter)):
        return column.title
    return " + ".join([facts.model, *([short_name(facts.adapter, facts.model)] if facts.adapter else [])])


def _show_question(text: str) -> None:
    if not text:
        return
    with st.chat_message("user"):
        shown = text[:LONG_QUESTION_CHARACTERS]
        st.text(shown if len(shown) == len(text) else shown + " …")


def _show_answer(turn: Turn, running: RunningAnswer | None, marked: str | None) -> None:
    if running is not None:
        _show_running(running)
    elif turn.answer is None:
        st.caption(_("This question has no answer yet.") if turn.question else "–")
    else:
        _show_stored(turn.answer, marked)


def _show_running(running: RunningAnswer) -> None:
    now = running.snapshot()
    if now.text:
        st.markdown(to_markdown(now.text))
    if now.facts is not None:
        _show_end(now.facts)
    elif now.requests_ahead:
        waiting = plural(
            "{count} answer is served before yours",
            "{count} answers are served before yours",
            now.requests_ahead,
        )
        st.caption(f":shimmer[{waiting}]")
    elif not now.text:
        waiting = _("Reading the conversation") if now.is_reading_prompt else _("Waiting for the model")
        st.caption(f":shimmer[{waiting}]")


def _show_stored(answer: StoredMessage, marked: str | None) -> None:
    if marked is not None:
        st.html(f'<div class="compared">{marked}</div>')
    elif answer.content:
        st.markdown(to_markdown(answer.content))
    if answer.state == "interrupted":
        st.caption(_("Interrupted: the server ended while this was written."))
    elif answer.state == "running":
        st.caption(_("Being written by another server."))
    if answer.facts is not None:
        _show_end(answer.facts)


def _show_end(facts: AnswerFacts) -> None:
    if facts.error:
        st.error(error_text(GlmcoreError.from_dict(facts.error)), icon=":material/error:")
    st.caption(facts_line(replace(facts, model="", adapter=None)).removeprefix(" · "))


def _marks(left: StoredMessage | None, right: StoredMessage | None) -> Sequence[str] | None:
    """What differs in two answers that have ended; None where there is nothing to compare."""
    if left is None or right is None or "running" in (left.state, right.state):
        return None
    return mark_differences(left.content, right.content)
