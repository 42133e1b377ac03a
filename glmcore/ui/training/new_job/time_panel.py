"""How long the job will take: asked of a few of its steps, which wait in the queue like any job."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import streamlit as st

from glmcore.core.errors import GlmcoreError, JobError
from glmcore.jobs.calibration import PARTS, TimeEstimate, calibration_config, estimate_time, measure
from glmcore.jobs.checks import FIRST_ROWS, CheckState, check_key
from glmcore.jobs.job import Job, JobState, StopWish
from glmcore.tuning.job_config import JobConfig
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, error_text
from glmcore.ui.training.jobs.words import duration_text, state_names
from glmcore.ui.training.new_job.draft import PREFIX, Draft

if TYPE_CHECKING:
    from glmcore.tuning.planning.dry_run_report import DryRun
    from glmcore.tuning.planning.steps import Steps

FOLLOW_SECONDS = 2.0
STATE_KEY = PREFIX + "calibration"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Calibration:
    """What this session asked for last; `of` is what the time depends on."""

    of: Hashable
    job_id: str
    config: JobConfig
    steps: "Steps"
    num_validation: int
    estimate: TimeEstimate | None = None
    fault: GlmcoreError | None = None

    @property
    def has_ended(self) -> bool:
        return self.estimate is not None or self.fault is not None


def show_time(
    services: Services, config: JobConfig, state: CheckState, result: "DryRun", filled: Draft
) -> None:
    """The estimate of this session, the way to it, or the button that asks for one."""
    asked: _Calibration | None = st.session_state.get(STATE_KEY)
    if asked is not None and not asked.has_ended:
        st.fragment(_follow, run_every=FOLLOW_SECONDS)(services)
        return
    if asked is not None and asked.of == _depends_on(config):
        if asked.fault is not None:
            st.error(error_text(asked.fault), icon=":material/error:")
        elif asked.estimate is not None:
            _show(asked.estimate)
            return
    st.button(
        _("Estimate the time"),
        key=PREFIX + "estimate",
        icon=":material/timer:",
        disabled=bool(result.problems),
        help=_("Runs a few steps of the job on its device, as soon as that is free."),
        on_click=_ask,
        args=(services, config, result.steps, _num_validation(config, state, result), filled),
    )


def _depends_on(config: JobConfig) -> Hashable:
    return check_key(config), config.evaluation.forgetting_probe


def _num_validation(config: JobConfig, state: CheckState, result: "DryRun") -> int:
    """Rows of each evaluation; a share of the training rows grows with them."""
    found = result.report.num_validation
    if state.is_partial and result.report.is_split and state.num_rows is not None:
        found = round(found * state.num_rows / FIRST_ROWS)
    return min(found, config.data.max_eval_samples or found)


def _ask(services: Services, config: JobConfig, steps: "Steps", num_validation: int, filled: Draft) -> None:
    try:
        short = calibration_config(config, steps.total)
        job_id = services.jobs.calibrate(short, name=filled.job_name, owner=OWNER).id
        fault = None
    except GlmcoreError as error:
        job_id, fault = "", error
    st.session_state[STATE_KEY] = _Calibration(
        of=_depends_on(config),
        job_id=job_id,
        config=config,
        steps=steps,
        num_validation=num_validation,
        fault=fault,
    )


def _follow(services: Services) -> None:
    asked: _Calibration = st.session_state[STATE_KEY]
    try:
        job = services.jobs.queue.get(asked.job_id)
        if job.state.has_ended:
            st.session_state[STATE_KEY] = _ended(services, asked, job)
            st.rerun()
        _show_progress(services, job)
    except GlmcoreError as fault:  # deleted by somebody
        st.session_state[STATE_KEY] = replace(asked, fault=fault)
        st.rerun()


def _ended(services: Services, asked: _Calibration, job: Job) -> _Calibration:
    """With the time that its files tell; they are of no use afterwards. Those of a failure are kept."""
    if job.state is not JobState.FINISHED or job.claimed_at is None:
        return replace(
            asked,
            fault=JobError(
                "The steps for the time estimate did not end well ({state}); see the job {name} for why.",
                state=str(job.state),
                name=job.id,
            ),
        )
    measured = measure(services.jobs.folder(job.id), job.claimed_at)
    estimate = estimate_time(measured, asked.config, asked.steps, asked.num_validation)
    services.jobs.delete(job.id, with_files=True)
    return replace(asked, estimate=estimate)


def _show_progress(services: Services, job: Job) -> None:
    progress = services.jobs.progress(job)
    with st.container(horizontal=True, vertical_alignment="center"):
        if job.state is JobState.QUEUED:
            waiting = _("Waiting for a free device")
            st.markdown(f":gray[:material/hourglass_empty: {waiting} …]")
        elif progress.total:
            text = _("Step {step} of {total}", step=progress.step, total=progress.total)
            st.progress(min(1.0, progress.step / progress.total), text=text)
        else:
            st.markdown(f":gray[:material/progress_activity: {state_names()[job.state]} …]")
        if st.button(_("Cancel"), key=PREFIX + "estimate_cancel", type="tertiary"):
            services.jobs.stop(job.id, StopWish.KILL)
            st.session_state.pop(STATE_KEY)
            st.rerun()


def _show(estimate: TimeEstimate) -> None:
    parts = (f"{_(PARTS[name])} {duration_text(seconds)}" for name, seconds in estimate.parts.items())
    st.markdown(
        ":material/timer: "
        + _(
            "It would take about **{time}** ({low} to {high}): {parts}.",
            time=duration_text(estimate.seconds),
            low=duration_text(estimate.seconds_low),
            high=duration_text(estimate.seconds_high),
            parts=", ".join(parts),
        )
    )
