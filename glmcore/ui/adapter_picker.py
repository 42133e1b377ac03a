"""The adapter picker beside the model's: shown where there is something to pick. And how other pages pick."""

import re
from pathlib import Path
from typing import NoReturn

import streamlit as st

from glmcore.chat.engine_choice import refused_by
from glmcore.core.errors import GlmcoreError, NotFoundError
from glmcore.core.settings import Settings
from glmcore.models import list_models
from glmcore.models.adapters.folders import (
    AdapterEntry,
    adapters_for,
    is_tuned_model,
    list_adapters,
)
from glmcore.ui.markdown import plain
from glmcore.ui.model_panel import MODEL_KEY, OTHER_MODEL_KEY
from glmcore.ui.services import Services
from glmcore.ui.session import CHAT_PAGE
from glmcore.ui.text import _, error_text

ADAPTER_KEY = "adapter"
NONE = ""  # the choice of no adapter
METHODS = {"lora": "LoRA", "prefix_tuning": "Prefix tuning", "ptuning_v2": "P-tuning v2"}  # everywhere so

_OF_JOB = re.compile(r"(?:.*/)?jobs/([^/]+)/checkpoints/([^/]+)")


def pick_adapter(services: Services, model: str, preferred: str | None) -> str | None:
    """The chosen adapter. `preferred` is the open conversation's; offered even when it has gone."""
    fitting = fitting_adapters(services, model)
    names = [NONE, *fitting]
    if preferred and preferred not in names:
        names.append(preferred)
    if st.session_state.get(ADAPTER_KEY) not in names:
        st.session_state[ADAPTER_KEY] = NONE
    if names == [NONE]:
        return None
    st.selectbox(
        _("Adapter"),
        names,
        key=ADAPTER_KEY,
        format_func=lambda name: adapter_label(name, model, fitting) if name else _("No adapter"),
        label_visibility="collapsed",
        persist_state="session",
    )
    return str(st.session_state[ADAPTER_KEY]) or None


def show_engine_of_adapter(services: Services, model: str, adapter: str | None, engine: str | None) -> None:
    """Say, before anybody asks, that the model's engine cannot answer with the adapter."""
    if adapter is None:
        return
    reason = services.models.reason_against_adapter(model, adapter, engine)
    if reason is None:
        return
    if services.models.automatic.is_free(engine):
        name = plain(short_name(adapter, model))
        text = _("The transformers engine answers with the adapter {name}.", name=name)
        st.caption(text, help=error_text(reason))
    else:
        refusal = refused_by(reason, short_name(adapter, model))
        st.warning(error_text(refusal), icon=":material/warning:")


def use_in_chat(services: Services, base_model: str, checkpoint: Path) -> NoReturn:
    """Open a new chat with a job's checkpoint.

    Raises:
        NotFoundError: it is not there any more, or not finished.
    """
    model, adapter = what_to_load(services.settings, base_model, checkpoint)
    st.session_state[MODEL_KEY] = st.session_state[OTHER_MODEL_KEY] = model
    st.session_state[ADAPTER_KEY] = adapter or NONE
    services.models.start_loading(model)
    # Any other address would come to stand behind this page first, and "back" would lead there.
    st.switch_page(CHAT_PAGE, query_params=st.query_params.to_dict())


def what_to_load(settings: Settings, base_model: str, checkpoint: Path) -> tuple[str, str | None]:
    """The model and the adapter that a checkpoint means; a model alone where all its weights were tuned.

    Raises:
        NotFoundError: it is not there any more, or not finished.
    """
    if name := adapter_name(settings, checkpoint):
        return listed_model(settings, base_model), name
    if is_tuned_model(checkpoint):
        return str(checkpoint.absolute()), None
    raise NotFoundError(
        "There is no finished checkpoint {name} (any more); choose another one of its job.",
        name=short_name(checkpoint.as_posix()),
    )


def adapter_name(settings: Settings, folder: Path) -> str | None:
    """The name under which the pickers list an adapter's folder; None where it holds no finished one."""
    path = folder.absolute()
    return next((entry.name for entry in list_adapters(settings) if entry.path.absolute() == path), None)


def listed_model(settings: Settings, base_model: str) -> str:
    """The name under which the pickers list a model; a job may name it by its path."""
    path = Path(base_model).absolute()
    entries = list_models(settings)
    return next((entry.name for entry in entries if entry.path and entry.path.absolute() == path), base_model)


def fitting_adapters(services: Services, model: str) -> dict[str, AdapterEntry]:
    """The adapters that may fit a model, by name; none where the model has gone, which loading says."""
    try:
        entry = services.models.find(model)
    except GlmcoreError:
        return {}
    if entry.kind == "remote":  # what is tuned over there is a model of its own
        return {}
    return {entry.name: entry for entry in adapters_for(model, entry.family, services.settings)}


def adapter_label(name: str, model: str, fitting: dict[str, AdapterEntry]) -> str:
    """What a picker shows for an adapter: a short name, and its method where that is known."""
    method = [METHODS.get(fitting[name].method, fitting[name].method)] if name in fitting else []
    return " · ".join([short_name(name, model), *method])


def short_name(name: str, model: str = "") -> str:
    """The name without its model's folder, where adapters often lie; of a checkpoint its job and its own."""
    of_job = _OF_JOB.fullmatch(name)
    return f"{of_job[1]}/{of_job[2]}" if of_job else name.removeprefix(f"{model}/")
