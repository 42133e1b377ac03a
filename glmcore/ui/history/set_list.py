"""The data sets that were written: versions, counts, whether they are as they were, and the way to train."""

from collections import Counter
from pathlib import Path

import streamlit as st

from glmcore.history.training_sets import WHY_DROPPED, Dropped, TrainingSet, list_training_sets, verify
from glmcore.ui.history.set_preview import show_dropped
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.session import TRAINING_PAGE
from glmcore.ui.text import _, error_text, plural
from glmcore.ui.training.jobs.words import moment_text, size_text
from glmcore.ui.training.new_job.named_files import query_with

PREFIX = "set"
SELECTED_KEY = PREFIX + "_selected"  # name and version
CLICKED_KEY = PREFIX + "_clicked"
ROW_PIXELS, MAX_HEIGHT = 35, 400
# A file of a set -> the field of a job that it is for.
FIELDS = {"train.jsonl": "train_file", "validation.jsonl": "validation_file", "test.jsonl": "test_file"}
HASH_SIGNS = 12  # of a hash, enough to tell sets apart


def show_sets(shared: Services) -> None:
    sets, problems = list_training_sets(shared.settings.home)
    if sets or problems:
        st.subheader(_("Data sets so far"), anchor=False)
    for problem in problems:
        st.warning(error_text(problem), icon=":material/warning:")
    if not sets:
        return
    _show_table(sets)
    named = st.session_state.get(SELECTED_KEY)
    selected = next((one for one in sets if (one.name, one.version) == named), None)
    if selected is None:
        st.caption(_("Click a name to see what is in a set, and to train on it."))
    else:
        with st.container(border=True):
            _show_set(shared, selected)


def _show_table(sets: list[TrainingSet]) -> None:
    import pandas as pd

    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    rows = [
        {
            "name": one.name,
            "version": one.version,
            "conversations": one.counts.get("conversations"),
            **{name: one.files[name].rows if name in one.files else 0 for name in FIELDS},
            "pairs": one.counts.get("pairs"),
            "made": moment_text(one.created_at),
        }
        for one in sets
    ]
    st.dataframe(
        pd.DataFrame(rows),
        key=PREFIX + "_table",
        hide_index=True,
        placeholder="",
        height=min(MAX_HEIGHT, ROW_PIXELS * (len(rows) + 1) + 3),
        on_select="ignore",
        column_config={
            "name": st.column_config.ButtonColumn(
                _("Data set"), key=CLICKED_KEY, type="tertiary", alignment="left", pinned=True, width=190
            ),
            "version": number(_("Version"), format="%d", width=70),
            "conversations": number(_("Conversations"), format="%d", width=110),
            "train.jsonl": number(_("To train"), format="%d", width=80),
            "validation.jsonl": number(_("To evaluate"), format="%d", width=90),
            "test.jsonl": number(_("To test"), format="%d", width=80),
            "pairs": number(_("Pairs"), format="%d", width=70),
            "made": text(_("Created"), width=130),
        },
    )
    clicked = st.session_state.get(CLICKED_KEY)
    if clicked is not None and 0 <= clicked["row"] < len(sets):
        one = sets[clicked["row"]]
        st.session_state[SELECTED_KEY] = (one.name, one.version)


def _show_set(shared: Services, one: TrainingSet) -> None:
    title = _("{name}, version {version}", name=plain(one.name), version=one.version)
    st.markdown(f"**{title}** :gray[{plain(one.sha256[:HASH_SIGNS])}]")
    for name, file in one.files.items():
        counted = plural("{count} row", "{count} rows", file.rows)
        st.caption(" · ".join((plain(name), counted, size_text(file.bytes))))
    show_dropped(Counter({Dropped(name): n for name, n in one.dropped.items() if name in set(WHY_DROPPED)}))
    with st.container(horizontal=True, vertical_alignment="center"):
        files: dict[str, Path] = {
            field: one.folder / name for name, field in FIELDS.items() if name in one.files
        }
        if "train_file" in files:
            st.page_link(
                TRAINING_PAGE,
                label=_("Train on it"),
                icon=":material/model_training:",
                query_params=query_with(files, shared),
            )
        if st.button(_("Check the files"), icon=":material/verified:", key=PREFIX + "_verify"):
            _verify(one)


def _verify(one: TrainingSet) -> None:
    with st.spinner(_("Reading the files")):
        problems = verify(one)
    for problem in problems:
        st.error(error_text(problem), icon=":material/error:")
    if not problems:
        st.success(_("Every file is as it was written."), icon=":material/verified:")
