"""The sidebar's sliders: how the next answer is to be sampled, with presets under names of one's own."""

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.core.messages import GenerationParams
from glmcore.history import Preset
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, error_text

SYSTEM_PROMPT_KEY = "system_prompt"
PREFIX = "param_"
LAST_PUT_KEY = "last_put_params"
PRESET_KEY, PRESET_NAME_KEY = "preset_choice", "preset_name"

# name -> lowest, highest, step
SLIDERS: dict[str, tuple[float, float, float]] = {
    "temperature": (0.0, 2.0, 0.05),
    "top_p": (0.0, 1.0, 0.05),
    "top_k": (0, 200, 1),
    "max_new_tokens": (16, 4096, 16),
    "repetition_penalty": (0.8, 2.0, 0.05),
}


def put_params(params: GenerationParams, system_prompt: str) -> None:
    """Set the widgets to what a conversation or a model brings; before they are drawn in this run."""
    _set_widgets(params, system_prompt)
    st.session_state[LAST_PUT_KEY] = (current_params(), system_prompt)
    st.session_state[PRESET_KEY] = None


def _set_widgets(params: GenerationParams, system_prompt: str) -> None:
    # Only here, and not in each run: the browser may hold a newer value.
    for name, (low, high, _step) in SLIDERS.items():
        st.session_state[PREFIX + name] = type(low)(min(max(getattr(params, name), low), high))
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
        _("0 always takes the likeliest token; higher is more varied. Usual: 0.2 to 1."),
    )
    _slider(
        _("Top-p"),
        "top_p",
        _("Only the likeliest tokens that together reach this probability can be chosen. 1 is off."),
    )
    _slider(_("Top-k"), "top_k", _("Only this many of the likeliest tokens can be chosen. 0 is off."))
    _slider(
        _("Max new tokens"),
        "max_new_tokens",
        _("The longest answer, in tokens; an English word has about 1.3 of them."),
    )
    _slider(
        _("Repetition penalty"),
        "repetition_penalty",
        _(
            "Above 1 the model repeats itself less. Anything but 1 is answered one request at a time, "
            "which is slower when others ask too."
        ),
    )
    _show_more()
    return current_params(), str(st.session_state[SYSTEM_PROMPT_KEY])


def are_untouched() -> bool:
    """Whether the sliders stand as a conversation or a model set them; a preset is a person's choice."""
    return LAST_PUT_KEY not in st.session_state or current_params() == st.session_state[LAST_PUT_KEY][0]


def is_prompt_untouched() -> bool:
    """The same for the system prompt."""
    state = st.session_state
    return LAST_PUT_KEY not in state or state[SYSTEM_PROMPT_KEY] == state[LAST_PUT_KEY][1]


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


def _slider(label: str, name: str, help_text: str) -> None:
    low, high, step = SLIDERS[name]
    st.slider(
        label,
        low,
        high,
        step=step,
        key=PREFIX + name,
        help=help_text,
        on_change="ignore",
        persist_state="session",
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
            key=PRESET_KEY,
            on_change=_load_preset,
            args=(presets,),
            width="stretch",
        )
        with st.popover("", icon=":material/save:", help=_("Save or delete a preset")):
            name = st.text_input(_("Name of the preset"), max_chars=60, key=PRESET_NAME_KEY)
            if st.button(_("Save"), type="primary", disabled=not name.strip()):
                _save_preset(services, name)
            if chosen and st.button(_("Delete {name}", name=plain(chosen))):
                services.history.presets.delete(OWNER, chosen)
                st.rerun()


def _load_preset(presets: dict[str, Preset]) -> None:
    preset = presets.get(st.session_state[PRESET_KEY])
    if preset is not None:
        _set_widgets(preset.params, preset.system_prompt)
        st.session_state[LAST_PUT_KEY] = (None, None)  # as if set by hand
        st.session_state[PRESET_NAME_KEY] = preset.name


def _save_preset(services: Services, name: str) -> None:
    try:
        services.history.presets.save(
            OWNER, name.strip(), current_params(), str(st.session_state[SYSTEM_PROMPT_KEY])
        )
    except GlmcoreError as error:
        st.error(error_text(error))
    else:
        st.toast(_("Preset {name} saved.", name=plain(name.strip())))
        st.rerun()
