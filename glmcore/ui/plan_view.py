"""Where the layers of a model would go on this machine: a table that is computed when somebody opens it."""

from pathlib import Path

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.core.settings import Settings
from glmcore.models import ModelEntry
from glmcore.models.blueprint import read_blueprint
from glmcore.models.places.devices import GIB, describe_devices
from glmcore.models.places.plan import Plan, PlanRow
from glmcore.ui.markdown import plain
from glmcore.ui.text import _, error_text

KEEP_SECONDS = 60  # a plan goes by the memory that is free


def show_plan(settings: Settings, entry: ModelEntry) -> None:
    """The button that opens the plan, for a model whose parts are known before it is loaded."""
    if entry.path is None or entry.kind == "gguf":
        return
    opened = st.popover(
        _("Plan"),
        icon=":material/account_tree:",
        key=f"plan_{entry.name}",
        on_change="rerun",
    )
    if not opened.open:
        return
    with opened:
        try:
            with st.spinner(_("Reading the model's files")):  # and importing torch, the first time
                dtype, plan = _plan(entry.name, entry.path, settings)
        except GlmcoreError as error:
            st.error(error_text(error), icon=":material/error:")
        else:
            _show(dtype, plan)


@st.cache_resource(ttl=KEEP_SECONDS, max_entries=64, show_spinner=False)
def _plan(name: str, path: Path, _settings: Settings) -> tuple[str, Plan]:
    """The settings are the same for as long as the server runs, so they are no part of the key."""
    devices = describe_devices()
    blueprint = read_blueprint(
        name,
        path,
        devices,
        dtype=_settings.dtype,
        device=_settings.device,
        usual_bits=_settings.quantize_bits,
    )
    plan = blueprint.place(devices, device_map="auto").plan
    assert plan is not None  # the parts of a folder are always known
    return blueprint.dtype, plan


def _show(dtype: str, plan: Plan) -> None:
    for warning in plan.warnings:
        st.warning(_(warning.template, **warning.values), icon=":material/warning:")
    columns = {
        _("Device"): [plain(row.device) for row in plan.rows],
        _("Layers"): [_layers(row) for row in plan.rows],
        _("Other parts"): [
            plain(", ".join(part.rpartition(".")[2] for part in row.parts)) for row in plan.rows
        ],
        _("Size"): [_gib(row.bytes) for row in plan.rows],
        _("Free"): [_gib(row.free_bytes) for row in plan.rows],
    }
    st.table(columns, border="horizontal", hide_index=True)
    st.caption(
        _(
            "Where it would go on this machine with weights as {dtype}. Of the memory that is free now, the "
            "room for the cache is taken off.",
            dtype=plain(dtype),
        )
    )


def _layers(row: PlanRow) -> str:
    if row.first_layer is None:
        return "–"
    return f"{row.first_layer}–{row.last_layer} ({row.num_layers})"


def _gib(size: int | None) -> str:
    return "–" if size is None else _("{size:.2f} GiB", size=size / GIB)
