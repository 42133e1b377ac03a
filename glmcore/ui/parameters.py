"""The sidebar's sliders: how the next answer is to be sampled, with presets under names of one's own."""

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.core.messages import GenerationParams
from glmcore.history import Preset
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, error_text

SYSTEM_PROMPT_KEY = "system_prompt"
PREFIX = "param_"
LAST_PUT_KEY = "last_put_params"


def put_params(params: GenerationParams, system_prompt: str) -> None:
    """Set the widgets; before they are drawn in this run."""
    st.session_state[LAST_PUT_KEY] = params
    for name in ("temperature", "top_p", "top_k", "max_new_tokens", "repetition_penalty"):
        st.session_state[PREFIX + name] = getattr(params, name)
    st.session_state[PREFIX + "seed"] = params.seed
    st.session_state[PREFIX + "stop"] = "\n".join(params.stop)
    st.session_state[SYSTEM_PROMPT_KEY] = system_prompt


def show_parameters(services: Services) -> tuple[GenerationParams, str]:
    """Draw the widgets, which never interrupt an answer; returns the parameters and the system prompt."""
    if PREFIX + "temperature" not in st.session_state:
        put_params(GenerationParams(), "")
    _show_presets(services)
    st.text_area(
        _("System prompt"),
        key=SYSTEM_PROMPT_KEY,
        height=80,
        on_change="ignore",
        persist_state="session",
        help=_("Told to the model before the conversation: its role, tone or rules. Empty: the model's own."),
    )
    _slider(
        _("Temperature"),
        "temperature",
        0.0,
        2.0,
        0.05,
        _("0 always takes the likeliest token; higher is more varied. Usual: 0.2 to 1."),
    )
    _slider(
        _("Top-p"),
        "top_p",
        0.0,
        1.0,
        0.05,
        _("Only the likeliest tokens that together reach this probability can be chosen. 1 is off."),
    )
    _slider(
        _("Top-k"), "top_k", 0, 200, 1, _("Only this many of the likeliest tokens can be chosen. 0 is off.")
    )
    _slider(
        _("Max new tokens"),
        "max_new_tokens",
        16,
        4096,
        16,
        _("The longest answer, in tokens; an English word has about 1.3 of them."),
    )
    _slider(
        _("Repetition penalty"),
        "repetition_penalty",
        0.8,
        2.0,
        0.05,
        _(
            "Above 1 the model repeats itself less. Anything but 1 is answered one request at a time, "
            "which is slower when others ask too."
        ),
    )
    _show_more()
    return current_params(), str(st.session_state[SYSTEM_PROMPT_KEY])


def are_untouched() -> bool:
    """Whether the sliders stand as they were last set by a preset, a conversation or a model."""
    return LAST_PUT_KEY not in st.session_state or current_params() == st.session_state[LAST_PUT_KEY]


def current_params() -> GenerationParams:
    """The parameters as the widgets stand."""
    state = st.session_state
    values = {name: state[PREFIX + name] for name in ("top_k", "max_new_tokens")}
    values |= {
        name: round(float(state[PREFIX + name]), 4) for name in ("temperature", "top_p", "repetition_penalty")
    }
    stop = tuple(line for line in str(state.get(PREFIX + "stop") or "").splitlines() if line)
    seed = state.get(PREFIX + "seed")
    return GenerationParams(**values, seed=None if seed is None else int(seed), stop=stop)


def _slider(label: str, name: str, low: float, high: float, step: float, help_text: str) -> None:
    key = PREFIX + name
    if not low <= st.session_state[key] <= high:  # written only then: the browser may hold a newer value
        st.session_state[key] = min(max(st.session_state[key], low), high)
    st.slider(
        label, low, high, step=step, key=key, help=help_text, on_change="ignore", persist_state="session"
    )


def _show_more() -> None:
    st.number_input(
        _("Seed"),
        min_value=0,
        max_value=2**32 - 1,
        value=None,
        key=PREFIX + "seed",
        placeholder=_("random"),
        on_change="ignore",
        persist_state="session",
        help=_(
            "The same seed, question and parameters give the same answer. Answered one request at a time."
        ),
    )
    st.text_area(
        _("Stop texts"),
        key=PREFIX + "stop",
        height=68,
        on_change="ignore",
        persist_state="session",
        help=_("One per line: the answer ends before the first of them."),
    )


def _show_presets(services: Services) -> None:
    presets = {preset.name: preset for preset in services.history.presets.list(OWNER)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            _("Preset"),
            list(presets),
            index=None,
            placeholder=_("Choose a preset"),
            key="preset_choice",
            on_change=_load_preset,
            args=(presets,),
            width="stretch",
        )
        with st.popover("", icon=":material/save:", help=_("Save or delete a preset")):
            name = st.text_input(_("Name of the preset"), value=chosen or "", max_chars=60, key="preset_name")
            if st.button(_("Save"), type="primary", disabled=not name.strip()):
                _save_preset(services, name)
            if chosen and st.button(_("Delete {name}", name=chosen)):
                services.history.presets.delete(OWNER, chosen)
                st.rerun()


def _load_preset(presets: dict[str, Preset]) -> None:
    preset = presets.get(st.session_state.preset_choice)
    if preset is not None:
        put_params(preset.params, preset.system_prompt)


def _save_preset(services: Services, name: str) -> None:
    try:
        services.history.presets.save(
            OWNER, name.strip(), current_params(), str(st.session_state[SYSTEM_PROMPT_KEY])
        )
    except GlmcoreError as error:
        st.error(error_text(error))
    else:
        st.toast(_("Preset {name} saved.", name=name.strip()))
        st.rerun()
