"""The fields that are chosen among what this machine has: base model, adapter, devices; and the method."""

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.devices import list_slots
from glmcore.models import find_model, list_models
from glmcore.models.adapters.folders import adapters_for
from glmcore.ui.services import Services
from glmcore.ui.text import _, plural
from glmcore.ui.training.new_job.draft import FIELDS, draft
from glmcore.ui.training.new_job.fields import (
    NOTHING,
    Problems,
    show_below,
    show_problems,
    shown_value,
    tooltip,
    writes,
)
from glmcore.ui.training.new_job.titles import TITLES

Devices = tuple[str, int]  # device, num_processes


def show_base_model(services: Services, problems: Problems) -> None:
    """The models that are here, and free text for a folder or a name of the hub."""
    chosen = str(draft().values["base_model"])
    names = [entry.name for entry in list_models(services.settings)]
    options = names if chosen in names else [*names, chosen]
    st.selectbox(
        _(TITLES["base_model"]),
        options,
        index=options.index(chosen),
        accept_new_options=True,
        **writes("base_model", names),
    )
    show_below("base_model", problems)


def show_adapter(services: Services, problems: Problems) -> None:
    """The adapters that may fit the base model, and free text for a folder."""
    value = draft().values["adapter_path"]
    chosen = NOTHING if value is None else str(value)
    names = {NOTHING: _("none: begin anew"), **_adapters(services, str(draft().values["base_model"]))}
    options = list(dict.fromkeys([*names, chosen]))
    st.selectbox(
        _(TITLES["adapter_path"]),
        options,
        index=options.index(chosen),
        format_func=lambda path: names.get(path, path),
        accept_new_options=True,
        **writes("adapter_path", list(names.values())),
    )
    show_below("adapter_path", problems)


def show_method(problems: Problems) -> None:
    """The method, and what tuning costs beside time: users of P-tuning met it unprepared."""
    method = draft().values["method"]
    names = {one: shown_value("method", one) for one in FIELDS["method"].metadata["choices"]}
    st.segmented_control(
        _(TITLES["method"]),
        list(names),
        default=method,
        format_func=names.__getitem__,
        required=True,
        **writes("method", list(names.values())),
    )
    show_problems(problems.get("method", ()))
    hint = _(
        "P-tuning and long training make a model forget what it could do before: asked anything else, it "
        "answers like the training rows. Train briefly, mix general rows in, leave the forgetting probe on, "
        "and compare the result with the base in the chat."
    )
    if method == "ptuning_v2":
        st.info(hint, icon=":material/psychology_alt:")
    else:
        st.caption(hint)


def show_devices(services: Services, problems: Problems) -> None:
    """CPU or GPUs; a job that names no single GPU takes those that are free."""
    values = draft().values
    chosen: Devices = (str(values["device"]), int(values["num_processes"]))
    offered = _offered(list_slots(services.settings))
    options = offered if chosen in offered else [*offered, chosen]
    draft().offer("device", [_name(one) for one in options])
    key = draft().key("device")
    st.selectbox(
        _(TITLES["device"]),
        options,
        index=options.index(chosen),
        key=key,
        help=tooltip(FIELDS["device"]),
        format_func=_name,
        on_change=_take_devices,
        args=(key,),
    )
    for name in ("device", "num_processes"):
        show_problems(problems.get(name, ()))


def _adapters(services: Services, model: str) -> dict[str, str]:
    """Path -> name."""
    try:
        family = find_model(model, services.settings).family
    except GlmcoreError:  # a name of the hub that is not here yet, or a mistake that the check names
        return {}
    return {str(entry.path): entry.name for entry in adapters_for(model, family, services.settings)}


def _offered(slots: tuple[str, ...]) -> list[Devices]:
    gpus = [slot for slot in slots if slot.startswith("cuda")]
    return [
        ("auto", 1),
        ("cpu", 1),
        *(("cuda", count) for count in range(1, len(gpus) + 1)),
        *((gpu, 1) for gpu in gpus if len(gpus) > 1),
    ]


def _name(devices: Devices) -> str:
    device, count = devices
    kind, _colon, index = device.partition(":")
    if kind == "cuda" and index and count == 1:
        return _("GPU {number}", number=index)
    if kind == "cuda" and not index:
        return plural("a GPU that is free", "{count} GPUs that are free", count)
    name = {"auto": _("a GPU where there is one, else the CPU"), "cpu": _("CPU")}.get(device, device)
    return name if count == 1 else _("{device}, {count} processes", device=name, count=count)


def _take_devices(key: str) -> None:
    if key == draft().key("device"):  # as in `take`
        device, count = st.session_state[key]
        draft().take("device", device)
        draft().take("num_processes", count)
