"""Who answers: the checkpoint of a training job, or a base model as it is."""

from dataclasses import dataclass

import streamlit as st

from glmcore.jobs.job import Job, JobKind, JobState
from glmcore.jobs.predictions import BASE
from glmcore.models import list_models
from glmcore.tuning.checkpoints import Checkpoint, list_checkpoints
from glmcore.tuning.job_config import JobConfig, ModelConfig
from glmcore.ui.services import Services
from glmcore.ui.text import _
from glmcore.ui.training.jobs.words import method_name, moment_text, number_text

SOURCE, MODEL, CHECKPOINT = "source", "model", "checkpoint"  # of keys, after the prefix of a form
NO_JOB = ""  # the base model, without a job
MOST_JOBS = 200  # offered


@dataclass(frozen=True, slots=True)
class Answerer:
    """Who was chosen.

    Attributes:
        source: the training job; None for a base model.
        is_as_seen: False where the checkpoint that was chosen is gone, and another was put in its place.
    """

    source: Job | None
    config: JobConfig
    checkpoint: str
    is_as_seen: bool

    @property
    def name(self) -> str:
        """In a few words, for the name of a job."""
        made_by = self.source.name if self.source else self.config.model.base_model
        return f"{made_by} · {self.checkpoint}"


def choose_answerer(services: Services, prefix: str) -> Answerer:
    """Args: prefix: of the keys of this form's widgets.

    Raises:
        GlmcoreError: the settings of the job cannot be read.
    """
    source = _choose_source(services, prefix)
    config = services.jobs.config_of(source) if source else _choose_model(services, prefix)
    checkpoint, is_as_seen = _choose_checkpoint(services, source, prefix)
    return Answerer(source, config, checkpoint, is_as_seen)


def _choose_source(services: Services, prefix: str) -> Job | None:
    key = prefix + SOURCE
    queue = services.jobs.queue
    trainings = [job for job in queue.list(kinds=[JobKind.TRAIN]) if job.state is not JobState.QUEUED]
    offered = {job.id: job for job in trainings[:MOST_JOBS]}
    named = st.session_state.get(key)
    if named and named not in offered:  # an older or an archived one
        known = [job for job in queue.list(archived=None, kinds=[JobKind.TRAIN]) if job.id == named]
        offered |= {job.id: job for job in known}
    if named not in (NO_JOB, *offered):
        st.session_state[key] = next(iter(offered), NO_JOB)

    def describe(job_id: str) -> str:
        if job_id not in offered:
            return _("None: a base model as it is")
        job = offered[job_id]
        return f"{job.name} · {method_name(job)} · {moment_text(job.created_at)}"

    chosen = st.selectbox(
        _("Training job"),
        [NO_JOB, *offered],
        key=key,
        format_func=describe,
        persist_state="session",
    )
    return offered.get(chosen)


def _choose_model(services: Services, prefix: str) -> JobConfig:
    names = [entry.name for entry in list_models(services.settings)]
    if services.settings.model not in names:
        names.append(services.settings.model)
    default = names.index(services.settings.model)
    name = st.selectbox(_("Base model"), names, index=default, key=prefix + MODEL, persist_state="session")
    return JobConfig(model=ModelConfig(base_model=name))


def _choose_checkpoint(services: Services, source: Job | None, prefix: str) -> tuple[str, bool]:
    """Its name, and whether it is what was chosen before; a running training removes old ones."""
    if source is None:
        return BASE, True
    found = {one.path.name: one for one in list_checkpoints(services.jobs.folder(source.id))}
    options = [*reversed(found), BASE]
    key = prefix + CHECKPOINT
    named = st.session_state.get(key)
    if named not in options:
        best = next((name for name, one in found.items() if one.is_best), options[0])
        st.session_state[key] = best
    chosen = st.selectbox(
        _("Checkpoint"),
        options,
        key=key,
        format_func=lambda name: _describe(found[name]) if name in found else _("The base model, not tuned"),
    )
    if not found:
        st.caption(_("This job has no whole checkpoint yet."))
    return str(chosen), named in (None, chosen)


def _describe(one: Checkpoint) -> str:
    parts = [one.path.name, *([_("best")] if one.is_best else [])]
    loss = one.metrics.get("eval_loss")
    if isinstance(loss, (int, float)):
        parts.append(_("loss {value}", value=number_text(loss)))
    return " · ".join(parts)
