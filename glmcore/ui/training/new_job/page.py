"""The view "New job": the form on the left; beside it what is wrong, the check, and the job as a file."""

from typing import Any

import streamlit as st

from glmcore.core.errors import ConfigError
from glmcore.jobs.confinement import outside_problems
from glmcore.jobs.devices import list_slots, needs_of, never_fits
from glmcore.tuning.job_config import SECTIONS, JobConfig, Place
from glmcore.ui.services import Services
from glmcore.ui.text import _
from glmcore.ui.training.new_job import choices, several, source
from glmcore.ui.training.new_job.check_panel import is_refused, show_check
from glmcore.ui.training.new_job.data_panel import show_data
from glmcore.ui.training.new_job.draft import LONGEST_NAME, PREFIX, Draft, draft
from glmcore.ui.training.new_job.fields import Problems, by_field, names_of, show_fields
from glmcore.ui.training.new_job.launch import show_file, show_launch
from glmcore.ui.training.new_job.named_files import take_named

# Drawn elsewhere than among the others: by the data panel, and by `choices`.
DATA_PANEL = (
    "train_file",
    "validation_file",
    "test_file",
    "validation_share",
    "prompt_column",
    "response_column",
    "history_column",
    "messages_column",
    "source_prefix",
    "encoding",
)
CHOICES = ("base_model", "adapter_path", "method", "device", "num_processes")
LONGEST_NOTE, NOTE_HEIGHT = 2000, 80
# What belongs to the start stays in sight while the form is long; on a narrow screen it comes after it.
STYLE = """<style>
@media (min-width: 900px) {
  [data-testid='stColumn']:has(.st-key-new_job_beside) {
    position: sticky; top: 4rem; align-self: flex-start; max-height: calc(100vh - 4.5rem); overflow-y: auto
  }
}
</style>"""


def show(services: Services) -> None:
    st.html(STYLE)
    take_named(services)
    filled = draft()
    config, problems, warnings = filled.to_config(lambda job: outside_problems(job, services.settings))
    if config is not None:
        problems = [*problems, *_device_problems(services, config)]
    form, beside = st.columns([3, 2], gap="large")
    with form:
        source.show(services)
        _show_name(filled)
        _show_sections(services, filled, by_field(problems))
    with beside, st.container(key="new_job_beside"):
        is_doubted = bool(warnings) or (config is not None and not problems and is_refused(services, config))
        show_launch(services, filled, config, problems, warnings, is_doubted=is_doubted)
        show_check(services, None if problems else config, filled)
        show_file(services, filled, config)
        several.show(services)


def _device_problems(services: Services, config: JobConfig) -> list[ConfigError]:
    """That this machine has no such devices; it would be said at the start only."""
    slots = list_slots(services.settings)
    impossible = never_fits(needs_of(config, slots), slots)
    if impossible is None:
        return []
    return [ConfigError("{place}: {fault}", place=Place("", "device"), fault=impossible)]


def _show_name(filled: Draft) -> None:
    st.text_input(
        _("Name of the job"),
        filled.name,
        placeholder=filled.job_name,
        max_chars=LONGEST_NAME,
        **_word("name"),
    )
    with st.expander(_("Note and batch"), key=PREFIX + "words", type="compact"):
        st.text_area(_("Note"), filled.note, max_chars=LONGEST_NOTE, height=NOTE_HEIGHT, **_word("note"))
        st.text_input(
            _("Batch"),
            filled.batch,
            max_chars=LONGEST_NAME,
            help=_("A name that jobs which belong together share."),
            **_word("batch"),
        )


def _word(name: str) -> dict[str, Any]:
    """How a widget writes into an attribute of the draft."""
    key = draft().key(name)
    return {"key": key, "on_change": _take_word, "args": (name, key)}


def _take_word(name: str, key: str) -> None:
    if key == draft().key(name):  # as in `take`
        setattr(draft(), name, st.session_state[key])


def _show_sections(services: Services, filled: Draft, problems: Problems) -> None:
    for section, title in SECTIONS.items():
        with st.container(border=True):
            st.markdown(f"**{_(title)}**")
            _show_special(section, services, filled, problems)
            _show_rest(section, services, filled, problems)


def _show_special(section: str, services: Services, filled: Draft, problems: Problems) -> None:
    """The fields of a section for which the page knows more than their kind."""
    match section:
        case "model":
            choices.show_base_model(services, problems)
        case "tuning":
            choices.show_method(problems)
        case "data":
            show_data(services, filled, problems)
        case "devices":
            choices.show_devices(services, problems)


def _show_rest(section: str, services: Services, filled: Draft, problems: Problems) -> None:
    drawn = {*DATA_PANEL, *CHOICES}
    show_fields([one for one in names_of(section, is_basic=True) if one not in drawn], problems)
    names = [one for one in names_of(section, is_basic=False) if one not in drawn]
    has_adapter = section == "model" and (
        filled.values["method"] != "full" or filled.values["adapter_path"] is not None
    )
    counted = [*names, "adapter_path"] if has_adapter else names
    if not counted:
        return
    touched = sum(filled.values[name] != filled.default(name) for name in counted)
    label = _("More ({count} changed)", count=touched) if touched else _("More")
    icon = ":material/error:" if any(problems.get(name) for name in counted) else None
    with st.expander(label, key=f"{PREFIX}more_{section}", type="compact", icon=icon):
        if has_adapter:
            choices.show_adapter(services, problems)
        show_fields(names, problems)
