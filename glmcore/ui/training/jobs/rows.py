"""The table's rows and columns, and which jobs a filter lets through. Draws nothing."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from glmcore.jobs.job import Job, JobKind, JobState
from glmcore.jobs.progress import JobProgress
from glmcore.ui.text import _
from glmcore.ui.training.jobs.words import method_name, moment_text, share_done, state_names, state_picture


@dataclass(frozen=True, slots=True)
class Filter:
    """What of the jobs is listed; no states: all."""

    words: str = ""
    states: tuple[JobState, ...] = ()
    with_archived: bool = False
    with_calibrations: bool = False


def filtered(jobs: Iterable[Job], chosen: Filter) -> list[Job]:
    """Those that have all words, and none that is written with a hyphen before it."""
    words = chosen.words.casefold().split()
    wanted = [word for word in words if not word.startswith("-") or word == "-"]
    unwanted = [word[1:] for word in words if word.startswith("-") and word != "-"]
    return [
        job
        for job in jobs
        if (chosen.with_calibrations or job.kind is not JobKind.CALIBRATE)
        and (chosen.with_archived or not job.is_archived)
        and (not chosen.states or job.state in chosen.states)
        and _has(job, wanted, unwanted)
    ]


def _has(job: Job, wanted: Collection[str], unwanted: Collection[str]) -> bool:
    if not wanted and not unwanted:
        return True
    said = (job.name, job.id, job.data, job.base_model, job.note, job.method, job.batch, job.owner)
    text = "\n".join(said).casefold()
    return all(word in text for word in wanted) and not any(word in text for word in unwanted)


def build_rows(jobs: Sequence[Job], progress: Sequence[JobProgress]) -> list[dict[str, Any]]:
    states = state_names()
    return [_row(job, one, states[job.state]) for job, one in zip(jobs, progress, strict=True)]


def _row(job: Job, progress: JobProgress, state: str) -> dict[str, Any]:
    share = share_done(progress)
    return {
        "sign": state_picture(job.state),
        "name": job.name or job.id,
        "state": state,
        "progress": None if share is None else 100 * share,
        "eta": progress.eta_seconds if job.state.is_live else None,
        "losses": list(progress.losses) or None,
        "best_eval": progress.best_eval_loss,
        "last_eval": progress.last_eval_loss,
        "best": progress.best_loss,
        "last": progress.last_loss,
        "method": method_name(job),
        "base": job.base_model,
        "data": job.data,
        "seconds": progress.seconds,
        "created": moment_text(job.created_at),
        "note": job.note,
    }


def build_columns(open_key: str) -> dict[str, Any]:
    """`open_key`: where a click on a name is told."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "sign": st.column_config.ImageColumn("", width=24, pinned=True),
        "name": st.column_config.ButtonColumn(
            _("Job"), key=open_key, type="tertiary", alignment="left", pinned=True, width=190
        ),
        "state": text(_("State"), width=75),
        "progress": st.column_config.ProgressColumn(
            _("Progress"), format="%d %%", min_value=0, max_value=100, width=110
        ),
        "eta": number(_("To go"), format="duration", width=90, help=_("Until its end, at the speed so far.")),
        "losses": st.column_config.LineChartColumn(_("Loss"), width=110),
        "best_eval": number(_("Best eval"), format="%.4g", width=80, help=_("Lowest loss of an evaluation.")),
        "last_eval": number(_("Last eval"), format="%.4g", width=80),
        "best": number(_("Best loss"), format="%.4g", width=80, help=_("Lowest loss while training.")),
        "last": number(_("Last loss"), format="%.4g", width=80),
        "method": text(_("Method"), width=90),
        "base": text(_("Base model"), width=150),
        "data": text(_("Data"), width=110),
        "seconds": number(
            _("Duration"), format="duration", width=80, help=_("Without the time between its attempts.")
        ),
        "created": text(_("Created"), width=125),
        "note": text(_("Note"), width=160),
    }
