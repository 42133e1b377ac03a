"""What the job would do, before it is started: checked by itself where that is quick, else on request."""

import secrets

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.checks import CheckState, JobChecks, check_key
from glmcore.jobs.data_files import DataFiles
from glmcore.models import find_model
from glmcore.tuning.job_config import JobConfig
from glmcore.ui.services import Services
from glmcore.ui.text import _, error_text
from glmcore.ui.training.new_job.check_result import show_details, show_verdict
from glmcore.ui.training.new_job.draft import PREFIX, Draft
from glmcore.ui.training.new_job.resources import job_checks
from glmcore.ui.training.new_job.time_panel import show_time

SMALL_BYTES = 2 << 20  # of data that is read without being asked to
FOLLOW_SECONDS = 0.5
ASKER_KEY = PREFIX + "asker"  # one for each session
ALL_KEY = PREFIX + "all_rows"  # the training file of which all rows are wanted
SHOWN_KEY = PREFIX + "check_shown"  # the check whose result was seen last


def show_check(services: Services, config: JobConfig | None, filled: Draft) -> None:
    """The check of a job; nothing but a word while something is wrong with its fields."""
    st.markdown("**" + _("Check") + "**")
    if config is None:
        st.caption(_("The job is checked as soon as its fields are right."))
        return
    try:
        _confine(services, config)
    except GlmcoreError as fault:
        st.info(error_text(fault), icon=":material/visibility_off:")
        return
    checks = job_checks(services.settings)
    all_rows = st.session_state.get(ALL_KEY) == config.data.train_file
    key = check_key(config, all_rows=all_rows)
    state = checks.state(key)
    if state is None and _is_quick(services, config):
        _start(checks, config, all_rows=all_rows)
        state = checks.state(key)
    if state is None:
        _offer(checks, config, all_rows=all_rows)
    elif not state.has_ended:
        st.fragment(_follow, run_every=FOLLOW_SECONDS)(checks, key)
        _show_last(checks, config, filled)
    else:
        st.session_state[SHOWN_KEY] = key
        _show_ended(services, checks, key, state, config, filled)


def is_refused(services: Services, config: JobConfig) -> bool:
    """Whether a check says that the job would not begin; memory may be free by the time that it does."""
    all_rows = st.session_state.get(ALL_KEY) == config.data.train_file
    state = job_checks(services.settings).state(check_key(config, all_rows=all_rows))
    return state is not None and bool(state.error or (state.result and state.result.problems))


def _show_ended(
    services: Services, checks: JobChecks, key: str, state: CheckState, config: JobConfig, filled: Draft
) -> None:
    if state.error is not None:
        st.error(error_text(state.error), icon=":material/error:")
    elif state.result is not None:
        show_verdict(state, state.result)
        show_time(services, config, state, state.result, filled)
        show_details(key, state, state.result, config, filled)
    with st.container(horizontal=True):
        if state.is_partial:
            st.button(
                _("Check all rows"),
                key=PREFIX + "check_all",
                icon=":material/checklist:",
                on_click=_check_all,
                args=(checks, config),
            )
        st.button(
            _("Check again"),
            key=PREFIX + "check_again",
            icon=":material/refresh:",
            type="tertiary",
            help=_("Memory that was taken may be free by now."),
            on_click=_check_again,
            args=(checks, key, config),
        )


def _confine(services: Services, config: JobConfig) -> None:
    """The check shows rows, so it reads data sets only. Raises DataError."""
    files = DataFiles(services.settings)
    for path in (config.data.train_file, config.data.validation_file):
        if path is not None:
            files.confined(path)


def _is_quick(services: Services, config: JobConfig) -> bool:
    """Whether little is to be read and nothing to be fetched."""
    paths = [path for path in (config.data.train_file, config.data.validation_file) if path is not None]
    try:
        is_here = find_model(config.model.base_model, services.settings).is_ready
        return is_here and sum(path.stat().st_size for path in paths) <= SMALL_BYTES
    except (GlmcoreError, OSError):  # which the check says in its own words
        return False


def _offer(checks: JobChecks, config: JobConfig, *, all_rows: bool) -> None:
    st.button(
        _("Check the job"),
        key=PREFIX + "check",
        icon=":material/fact_check:",
        help=_(
            "Reads the data and the outline of the model; what is not here of the model is fetched first."
        ),
        on_click=_start,
        args=(checks, config),
        kwargs={"all_rows": all_rows},
    )


def _follow(checks: JobChecks, key: str) -> None:
    state = checks.state(key)
    if state is None or state.has_ended:
        st.rerun()
    stage = _(state.stage)
    if state.fraction is None:
        st.markdown(f":gray[:material/progress_activity: {stage} …]")
    else:
        st.progress(min(1.0, max(0.0, state.fraction)), text=stage)


def _show_last(checks: JobChecks, config: JobConfig, filled: Draft) -> None:
    """What was seen before the job was changed, so that the page does not jump."""
    key = st.session_state.get(SHOWN_KEY)
    state = checks.state(key) if key else None
    if key and state is not None and state.result is not None:
        st.caption(_("Before the last change:"))
        show_verdict(state, state.result)
        show_details(key, state, state.result, config, filled)


def _start(checks: JobChecks, config: JobConfig, *, all_rows: bool) -> None:
    asker = st.session_state.setdefault(ASKER_KEY, secrets.token_hex(8))
    checks.start(config, all_rows=all_rows, asker=asker)


def _check_all(checks: JobChecks, config: JobConfig) -> None:
    st.session_state[ALL_KEY] = config.data.train_file
    _start(checks, config, all_rows=True)


def _check_again(checks: JobChecks, key: str, config: JobConfig) -> None:
    checks.forget(key)
    _start(checks, config, all_rows=st.session_state.get(ALL_KEY) == config.data.train_file)
