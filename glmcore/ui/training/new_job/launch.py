"""Beside the form: what is wrong with the job, starting it, keeping it, and how it reads as a file."""

from collections.abc import Iterable

import streamlit as st

from glmcore.core.errors import ConfigError, GlmcoreError
from glmcore.core.notes import Note
from glmcore.jobs.names import slug
from glmcore.jobs.templates import LONGEST_NAME, Templates
from glmcore.tuning.job_config import JobConfig, JobConfigError, job_text
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, error_text, plural
from glmcore.ui.training.jobs.address import open_job
from glmcore.ui.training.new_job.draft import PREFIX, Draft, new_request_id

TEMPLATE_NAME_KEY, REPLACE_KEY = PREFIX + "template_name", PREFIX + "replace_template"
YAML_HEIGHT = 420  # pixels


def show_launch(
    services: Services,
    filled: Draft,
    config: JobConfig | None,
    problems: Iterable[ConfigError],
    warnings: Iterable[Note],
    *,
    is_doubted: bool,
) -> None:
    """What stands against a start, and the buttons.

    Args:
        is_doubted: somebody should know that before starting, by these warnings or by the check.
    """
    faults = [error_text(problem) for problem in problems]
    doubts = [plain(_(warning.template, **warning.values)) for warning in warnings]
    if faults:
        head = plural("Before it can start:", "{count} things before it can start:", len(faults))
        st.error(_listed(head, faults), icon=":material/error:")
    if doubts:
        st.warning(_listed(_("Worth a second look:"), doubts), icon=":material/warning:")
    with st.container(horizontal=True, vertical_alignment="center"):
        _show_start(services, filled, None if faults else config, is_doubted=is_doubted)
        if config is not None:
            _show_keep(services, filled, config)


def show_file(services: Services, filled: Draft, config: JobConfig | None) -> None:
    """The job as a file, and the command that runs it; they change with the form."""
    if config is None:
        return
    st.caption(_("The command"))
    command = services.jobs.command_of(config, filled.job_name, filled.request_id)
    st.code(command, language="bash", wrap_lines=True)
    st.caption(_("The job file"))
    text = services.jobs.config_text(config, filled.job_name, filled.request_id)
    st.code(text, language="yaml", wrap_lines=True, height=YAML_HEIGHT)


def _show_start(services: Services, filled: Draft, config: JobConfig | None, *, is_doubted: bool) -> None:
    # The request is a part of the key: a second click on a button that was drawn for a request that is
    # done finds no button, and one that comes earlier asks for the same job again.
    request_id = filled.request_id
    clicked = st.button(
        _("Start all the same") if is_doubted else _("Start"),
        key=f"{PREFIX}start_{request_id}",
        icon=":material/play_arrow:",
        type="primary",
        disabled=config is None,
        help=_("Puts the job into the queue; it begins when its device is free."),
    )
    if clicked and config is not None:
        _start(services, filled, config, request_id)


def _start(services: Services, filled: Draft, config: JobConfig, request_id: str) -> None:
    try:
        job = services.jobs.submit(
            config,
            name=filled.job_name,
            owner=OWNER,
            request_id=request_id,
            batch=filled.batch.strip(),
            note=filled.note.strip(),
            parent_id=filled.parent_id,
        )
    except GlmcoreError as error:
        show_error(error)
        return
    if filled.request_id == request_id:
        filled.request_id = new_request_id()
    open_job(job.id)


def show_error(error: GlmcoreError) -> None:
    """A refusal; of a job each of its problems."""
    problems = error.problems if isinstance(error, JobConfigError) else (error,)
    st.error("\n".join(f"- {error_text(one)}" for one in problems), icon=":material/error:")


def _show_keep(services: Services, filled: Draft, config: JobConfig) -> None:
    text = job_text(config)  # without a folder, so that it serves for any number of jobs
    st.download_button(
        _("Download YAML"),
        text,
        file_name=f"{slug(filled.job_name)}.yaml",
        mime="application/yaml",
        icon=":material/download:",
        on_click="ignore",
        key=PREFIX + "download",
    )
    kept = _("Keeps what is written here: a reload of the page empties the form.")
    with st.popover(_("Save as template"), icon=":material/bookmark_add:", help=kept):
        name = st.text_input(_("Name"), key=TEMPLATE_NAME_KEY, max_chars=LONGEST_NAME)
        is_replaced = st.checkbox(_("Replace one of this name"), key=REPLACE_KEY)
        if st.button(_("Save"), key=PREFIX + "save_template", disabled=not name.strip()):
            _save(services, filled, name.strip(), text, is_replaced)


def _save(services: Services, filled: Draft, name: str, text: str, is_replaced: bool) -> None:
    try:
        Templates(services.settings).save(name, text, replace=is_replaced)
    except GlmcoreError as error:
        show_error(error)
        return
    filled.template = name
    filled.versions["template"] += 1
    st.toast(_("The template {name} is saved.", name=plain(name)))
    st.rerun()


def _listed(head: str, lines: Iterable[str]) -> str:
    return "\n".join([head, "", *(f"- {line}" for line in lines)])
