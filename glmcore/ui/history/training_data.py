"""The view "Training data": conversations chosen, looked at as rows, and written as a data set."""

from typing import get_args

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.history import ConversationFilter
from glmcore.history.training_sets import KINDS, AnswerKind, TrainingSetChoice, preview, write_training_set
from glmcore.ui.history.address import CHOSEN_KEY
from glmcore.ui.history.meant import choose_meant
from glmcore.ui.history.set_list import SELECTED_KEY, show_sets
from glmcore.ui.history.set_preview import show_preview
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, error_text

PREFIX = "data"
PREVIEW_KEY, WRITTEN_KEY = PREFIX + "_previewed", PREFIX + "_written"
STARS = "stars"
MOST_SHARE, SHARE_STEP = 45, 5  # percent


def show(shared: Services) -> None:
    st.subheader(_("New data set"), anchor=False)
    st.caption(
        _(
            "Makes rows for training out of good answers. Answers that were judged bad are never taught; "
            "where an ideal answer was written, that is."
        )
    )
    nothing = _("No conversation to learn from: chat first, or choose other ones.")
    meant = choose_meant(shared, PREFIX, nothing)
    if meant is not None:
        _show_form(shared, meant.chosen)
    show_sets(shared)


def _show_form(shared: Services, chosen: ConversationFilter) -> None:
    try:
        choice = _choose(chosen)
    except GlmcoreError as error:
        st.warning(error_text(error), icon=":material/rule:")
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        is_asked = st.button(_("Preview"), icon=":material/preview:", key=PREFIX + "_preview")
        name = st.text_input(
            _("Name of the data set"),
            key=PREFIX + "_name",
            placeholder=_("letters, digits, . _ -"),
            width=260,
            help=_("Each set of a name gets the next version; written ones are never changed."),
        )
        writes = st.button(
            _("Write"),
            icon=":material/save:",
            type="primary",
            key=PREFIX + "_write",
            disabled=not name.strip(),
        )
    if is_asked:
        _look(shared, choice)
    if writes:
        _write(shared, name, choice)
    _tell_written()
    kept = st.session_state.get(PREVIEW_KEY)
    if kept is not None and kept[0] == choice:
        show_preview(kept[1])


def _choose(chosen: ConversationFilter) -> TrainingSetChoice:
    """Raises ConfigError where the choices do not go together."""
    usual = TrainingSetChoice()
    kinds = st.pills(
        _("Answers to learn"),
        list(KINDS),
        default=list(usual.kinds),
        selection_mode="multi",
        key=PREFIX + "_kinds",
        format_func=lambda kind: _(KINDS[kind]),
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        min_stars = usual.min_stars
        if STARS in kinds:
            min_stars = st.number_input(
                _("Stars, at least"), 1, 5, usual.min_stars, key=PREFIX + "_stars", width=150
            )
        validation = _choose_share(_("For evaluation, in %"), "validation", usual.validation)
        test = _choose_share(_("For a test, in %"), "test", usual.test)
        with st.popover(_("More"), icon=":material/tune:"):
            seed = st.number_input(
                _("Seed"),
                0,
                2**32 - 1,
                usual.seed,
                key=PREFIX + "_seed",
                help=_("Another one divides the conversations differently."),
            )
            longest = st.number_input(
                _("Longest row, in characters"), 100, 1_000_000, usual.max_chars, key=PREFIX + "_longest"
            )
    return TrainingSetChoice(
        filter=chosen,
        kinds=tuple(kind for kind in _all_kinds() if kind in kinds),
        min_stars=int(min_stars),
        validation=validation / 100,
        test=test / 100,
        seed=int(seed),
        max_chars=int(longest),
    )


def _all_kinds() -> tuple[AnswerKind, ...]:
    return get_args(AnswerKind)


def _choose_share(label: str, name: str, usual: float) -> int:
    return int(
        st.number_input(
            label,
            0,
            MOST_SHARE,
            round(100 * usual),
            SHARE_STEP,
            key=f"{PREFIX}_{name}",
            width=170,
            help=_(
                "So many of a hundred conversations are kept apart; a later version keeps each in its place."
            ),
        )
    )


def _look(shared: Services, choice: TrainingSetChoice) -> None:
    try:
        with st.spinner(_("Reading the conversations")):
            st.session_state[PREVIEW_KEY] = (choice, preview(shared.history, OWNER, choice))
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")


def _write(shared: Services, name: str, choice: TrainingSetChoice) -> None:
    try:
        with st.spinner(_("Writing the data set")):
            made = write_training_set(shared.history, OWNER, name, choice, shared.settings.home)
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")
        return
    for key in (CHOSEN_KEY, PREVIEW_KEY):
        st.session_state.pop(key, None)
    st.session_state[WRITTEN_KEY] = made
    st.session_state[SELECTED_KEY] = (made.name, made.version)
    st.rerun()  # the list below shows it


def _tell_written() -> None:
    made = st.session_state.pop(WRITTEN_KEY, None)
    if made is None:
        return
    facts = {"name": plain(made.name), "version": made.version}
    if made.is_new:
        st.success(_("{name}, version {version}, is written.", **facts), icon=":material/check_circle:")
    else:
        st.info(
            _("Nothing has changed since version {version} of {name}; that one is kept.", **facts),
            icon=":material/check_circle:",
        )
