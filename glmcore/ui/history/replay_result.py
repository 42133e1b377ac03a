"""One replay: how far it is, its scores, and the saved and the new answers side by side."""

import math
from html import escape

import streamlit as st

from glmcore.history.replay_rows import SavedAnswer, read_saved_answers
from glmcore.jobs.job import Job
from glmcore.jobs.prediction_table import PairedRow, PredictionTable, Side
from glmcore.ui.adapter_picker import short_name
from glmcore.ui.compare.differences import mark_differences
from glmcore.ui.history.address import REPLAY, go
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.session import (
    CHAT_PAGE,
    CONVERSATION_PARAM,
    JOB_PARAM,
    MESSAGE_PARAM,
    TRAINING_PAGE,
    VIEW_PARAM,
)
from glmcore.ui.text import _, plural
from glmcore.ui.training.evaluate.result import file_stem, follow
from glmcore.ui.training.evaluate.row_detail import STYLE, cut, show_text
from glmcore.ui.training.evaluate.rows import (
    BEST,
    FILE_ORDER,
    SEARCH_KEY,
    WORST,
    choose_order,
    find_places,
    page_of,
    show_downloads,
)
from glmcore.ui.training.jobs.address import JOBS

PREFIX = "replay"
ALIKE = "chrf"  # the score that tells how alike two texts are, in any script
PAIRS_OF_A_PAGE = 10


def show_result(shared: Services, job: Job) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(_("All replays"), icon=":material/arrow_back:", type="tertiary", key=PREFIX + "_back"):
            go(REPLAY)
        st.page_link(
            TRAINING_PAGE,
            label=_("Log and settings"),
            icon=":material/terminal:",
            query_params={VIEW_PARAM: JOBS, JOB_PARAM: job.id},
        )
    table = follow(shared, job, _("Scores of the new answers, with the saved ones as labels"))
    if table is not None:
        _show_pairs(shared, job, table)


def _show_pairs(shared: Services, job: Job, table: PredictionTable) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            _("Search"), key=SEARCH_KEY, placeholder=_("Words of the question or of an answer")
        )
        order = choose_order(
            {
                WORST: _("Most different first"),
                BEST: _("Most alike first"),
                FILE_ORDER: _("As in the history"),
            }
        )
    places = find_places(table, text, ALIKE, Side.TUNED, order)
    st.caption(plural("{count} answer", "{count} answers", len(places)))
    if not len(places):
        return
    shown = page_of(places, PAIRS_OF_A_PAGE)
    rows = table.rows(shown)
    alike = table.scores(ALIKE, Side.TUNED)[shown]
    saved = read_saved_answers(shared.jobs.folder(job.id).path / job.data, {row.number for row in rows})
    st.html(STYLE)
    for row, score in zip(rows, alike, strict=True):
        with st.container(border=True):
            _show_pair(row, float(score), saved.get(row.number))
    show_downloads(table, places, file_stem(job))


def _show_pair(row: PairedRow, alike: float, saved: SavedAnswer | None) -> None:
    show_text(_("Question"), escape(cut(row.prompt)))
    saved_html, new_html = mark_differences(cut(row.label), cut(row.tuned))
    left, right = st.columns(2)
    with left:
        show_text(_("Saved answer"), saved_html)
    with right:
        show_text(_("New answer"), new_html)
    facts = [_("alike {score:.0f} of 100", score=alike)] if math.isfinite(alike) else []
    with st.container(horizontal=True, vertical_alignment="center"):
        if saved is not None:
            facts += [plain(part) for part in (saved.title, _made_by(saved)) if part]
            st.page_link(
                CHAT_PAGE,
                label=_("Open the conversation here"),
                icon=":material/forum:",
                query_params={
                    CONVERSATION_PARAM: saved.conversation_id,
                    MESSAGE_PARAM: saved.message_id,
                },
            )
        st.caption(" · ".join(facts), width="content")


def _made_by(saved: SavedAnswer) -> str:
    names = [saved.model, *([short_name(saved.adapter, saved.model)] if saved.adapter else [])]
    return _("saved answer by {model}", model=" + ".join(names))
