"""The adapter picker beside the model's: shown where there is something to pick."""

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.models import find_model
from glmcore.models.adapters.folders import AdapterEntry, adapters_for, find_adapter
from glmcore.ui.services import Services
from glmcore.ui.text import _, error_text

ADAPTER_KEY = "adapter"
NONE = ""  # the choice of no adapter
METHODS = {"lora": "LoRA", "prefix_tuning": "Prefix tuning", "ptuning_v2": "P-tuning v2"}  # everywhere so


def pick_adapter(services: Services, model: str, preferred: str | None) -> str | None:
    """The chosen adapter. `preferred` is the open conversation's; offered even when it has gone."""
    fitting = {entry.name: entry for entry in _fitting(services, model)}
    names = [NONE, *fitting]
    if preferred and preferred not in names:
        names.append(preferred)
    if st.session_state.get(ADAPTER_KEY) not in names:
        st.session_state[ADAPTER_KEY] = NONE
    if names == [NONE]:
        return None

    def label(name: str) -> str:
        if name == NONE:
            return _("No adapter")
        method = [METHODS.get(fitting[name].method, fitting[name].method)] if name in fitting else []
        return " · ".join([short_name(name, model), *method])

    st.selectbox(
        _("Adapter"),
        names,
        key=ADAPTER_KEY,
        format_func=label,
        label_visibility="collapsed",
        persist_state="session",
    )
    return str(st.session_state[ADAPTER_KEY]) or None


def show_missing(services: Services, adapter: str | None) -> None:
    """Say what is wrong with an adapter that is chosen but has gone."""
    if adapter is None:
        return
    try:
        find_adapter(adapter, services.settings)
    except GlmcoreError as error:
        st.warning(error_text(error), icon=":material/warning:")


def short_name(adapter: str, model: str) -> str:
    """The name without the model's folder, in which its adapters often lie."""
    return adapter.removeprefix(f"{model}/")


def _fitting(services: Services, model: str) -> list[AdapterEntry]:
    try:
        family = find_model(model, services.settings).family
    except GlmcoreError:  # the model has gone; loading it says so
        return []
    return adapters_for(model, family, services.settings)
