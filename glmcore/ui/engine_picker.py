"""Which engine answers with the chosen model: said on the page, and chosen where there are several."""

import streamlit as st

from glmcore.chat.engine_choice import engines_for
from glmcore.core.errors import ConfigError, GlmcoreError
from glmcore.core.settings import ENGINES
from glmcore.models import ModelEntry
from glmcore.ui.services import Services
from glmcore.ui.text import _, error_text

ENGINE_KEY = "engine"
AUTOMATIC = ""  # the choice of no engine
PICKER_WIDTH = 220  # pixels


def chosen_engine(services: Services, model: str) -> str | None:
    """The engine that this session chose, where the model can be had in it; None for the automatic one."""
    entry = _entry(services, model)
    chosen: str = st.session_state.get(ENGINE_KEY, AUTOMATIC)
    return chosen if entry is not None and chosen in engines_for(entry, services.settings) else None


def pick_engine(services: Services, model: str) -> str | None:
    """The picker, or the one engine that there is for the model; gives what `chosen_engine` does."""
    entry = _entry(services, model)
    if entry is None:
        return None
    try:
        automatic = services.models.automatic.of_entry(entry)
    except ConfigError:  # said when it is loaded
        return None
    reason = services.models.automatic.reason_against_openvino(entry)
    if len(engines_for(entry, services.settings)) < 2:
        help_text = error_text(reason) if reason is not None else None
        st.caption(_("Engine: {engine}", engine=automatic), help=help_text, width=PICKER_WIDTH)
        return None
    _show_picker(services, model, automatic, reason)
    return chosen_engine(services, model)


def _show_picker(services: Services, model: str, automatic: str, reason: GlmcoreError | None) -> None:
    if st.session_state.get(ENGINE_KEY) not in ENGINES:
        st.session_state[ENGINE_KEY] = AUTOMATIC
    automatic_text = _("Automatic: {engine}", engine=automatic)
    usual = _("Which engine answers; its choice changes speed and memory, hardly the words.")
    st.selectbox(
        _("Engine"),
        [AUTOMATIC, *ENGINES],
        key=ENGINE_KEY,
        format_func=lambda name: name or automatic_text,
        help=error_text(reason) if reason is not None else usual,
        persist_state="session",
        on_change=_load_chosen,
        args=(services, model),
        width=PICKER_WIDTH,
    )


def _load_chosen(services: Services, model: str) -> None:
    services.models.start_loading(model, chosen_engine(services, model))


def _entry(services: Services, model: str) -> ModelEntry | None:
    """The model, where it is of this machine; None also where it has gone, which loading says."""
    try:
        entry = services.models.find(model)
    except GlmcoreError:
        return None
    return entry if entry.kind != "remote" else None
