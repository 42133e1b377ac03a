"""The model picker, and how far its model is: loading is visible, a failure is said."""

from dataclasses import replace

import streamlit as st

from glmcore.chat.residents import LoadState
from glmcore.core.errors import GlmcoreError
from glmcore.models import ModelEntry
from glmcore.ui.engine_picker import chosen_engine
from glmcore.ui.markdown import plain
from glmcore.ui.plan_view import show_plan
from glmcore.ui.services import Services
from glmcore.ui.text import _, error_text

MODEL_KEY = "model"
OTHER_MODEL_KEY = "other_model"  # one that another page chose; it may lie outside of the model folders
REFRESH_SECONDS = 0.5


def pick_model(services: Services, preferred: str | None) -> str:
    """The model picker. `preferred` is the open conversation's model; offered even when it has gone."""
    names = [entry.name for entry in services.models.entries()]
    for extra in (services.settings.model, preferred, st.session_state.get(OTHER_MODEL_KEY)):
        if extra and extra not in names:
            names.append(extra)
    if st.session_state.get(MODEL_KEY) not in names:
        st.session_state[MODEL_KEY] = preferred or services.settings.model
    st.selectbox(
        _("Model"),
        names,
        key=MODEL_KEY,
        label_visibility="collapsed",
        persist_state="session",
        on_change=_load_picked,
        args=(services,),
    )
    _follow_first_lists(services)
    return str(st.session_state[MODEL_KEY])


def _load_picked(services: Services) -> None:
    model = st.session_state[MODEL_KEY]
    services.models.start_loading(model, chosen_engine(services, model))


def show_load_state(services: Services, name: str, engine: str | None = None) -> None:
    """How far the model is; redraws itself while it loads and reruns the page when it is ready."""
    state = services.models.state(name, engine)
    if state is None or state.is_ready:
        return
    if state.error is not None:
        _show_error(services, name, engine, state)
        return
    _follow_loading(services, name, engine)


@st.fragment(run_every=REFRESH_SECONDS)
def _follow_loading(services: Services, name: str, engine: str | None) -> None:
    state = services.models.state(name, engine)
    if state is None or state.is_ready or state.error is not None:
        st.rerun()
    else:
        text = _(state.stage) if state.stage else _("Starting")
        st.progress(state.fraction or 0.0, f"{plain(name)}: {text}")


def _show_error(services: Services, name: str, engine: str | None, state: LoadState) -> None:
    assert state.error is not None
    st.error(error_text(state.error), icon=":material/error:")
    if st.button(_("Try again"), icon=":material/refresh:", key=f"retry_{name}"):
        services.models.start_loading(name, engine)
        st.rerun()


def show_models(services: Services) -> None:
    """Every model that is here, and the configured one, with its state and the button that changes it."""
    for entry in _entries(services):
        _show_model(services, entry)
    for fault in services.models.remote.faults():
        st.warning(error_text(fault), icon=":material/cloud_off:")
    _follow_first_lists(services)


def _follow_first_lists(services: Services) -> None:
    """Draw the page again once other servers have told which models they have."""
    if services.models.remote.is_looking():
        _look_for_lists(services)


@st.fragment(run_every=REFRESH_SECONDS)
def _look_for_lists(services: Services) -> None:
    if not services.models.remote.is_looking():
        st.rerun()


def _entries(services: Services) -> list[ModelEntry]:
    entries, configured = services.models.entries(), services.settings.model
    if configured in [entry.name for entry in entries]:
        return entries
    try:  # a path, or a name of the hub
        found = replace(services.models.find(configured), name=configured)
    except GlmcoreError:  # loading it says what is wrong
        found = ModelEntry(configured, None, "folder", None, is_ready=True)
    return [found, *entries]


def _show_model(services: Services, entry: ModelEntry) -> None:
    state = services.models.state(entry.name)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(entry.name)}**", width="stretch")
            _show_button(services, entry.name, state)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(_describe(entry), width="stretch")
            show_plan(services.settings, entry)
        show_load_state(services, entry.name)


def _show_button(services: Services, name: str, state: LoadState | None) -> None:
    engines = [engine.kind for loaded, engine in services.models.loaded_engines() if loaded == name]
    if engines:
        st.badge(" · ".join([_("ready"), *engines]), icon=":material/check:", color="green")
        if st.button(
            _("Unload"),
            key=f"unload_{name}",
            help=_("Give its memory back; answers it is making are stopped"),
        ):
            services.models.unload(name)
            st.rerun()
    if state is None and not engines and st.button(_("Load"), key=f"load_{name}"):
        services.models.start_loading(name)
        st.rerun()


def _describe(entry: ModelEntry) -> str:
    parts = [plain(_(entry.detail))] if entry.detail else []
    if entry.bytes:
        parts.append(_("{size:.2f} GB on disk", size=entry.bytes / 1e9))
    return " · ".join(parts)
