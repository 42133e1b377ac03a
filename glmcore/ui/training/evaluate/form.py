"""The form of a new evaluation: which checkpoint, which rows, and how it answers."""

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.job import Job, JobKind, JobState
from glmcore.jobs.predictions import BASE
from glmcore.models import list_models
from glmcore.tuning.checkpoints import Checkpoint, list_checkpoints
from glmcore.tuning.job_config import JobConfig, JobConfigError, ModelConfig
from glmcore.ui.services import Services
from glmcore.ui.session import JOB_PARAM, OWNER
from glmcore.ui.text import _, error_text
from glmcore.ui.training.evaluate.file_choice import choose_file, fitting
from glmcore.ui.training.jobs.address import EVALUATE, go
from glmcore.ui.training.jobs.words import method_name, moment_text, number_text

PREFIX = "evaluate_"
REQUEST_KEY, ADDRESS_KEY = PREFIX + "request", PREFIX + "address"
SOURCE_KEY, MODEL_KEY, CHECKPOINT_KEY = PREFIX + "source", PREFIX + "model", PREFIX + "checkpoint"
NO_JOB = ""  # the base model, without a job
USUAL_ROWS = 100  # on a CPU a row takes seconds
MOST_JOBS = 200  # offered


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen so far.

    Attributes:
        is_as_seen: False where something that was chosen is gone, and another was put in its place.
    """

    source: Job | None
    config: JobConfig
    checkpoint: str
    file: Path
    is_as_seen: bool


def begin_anew() -> None:
    """The next press is another request than the last one."""
    st.session_state.pop(REQUEST_KEY, None)


def show_form(services: Services, job: Job | None, named_checkpoint: str | None) -> None:
    """`job` and `named_checkpoint` are those of the address."""
    _take_address(job, named_checkpoint)
    st.subheader(_("New evaluation"), anchor=False)
    source = _choose_source(services)
    try:
        config = _config(services, source)
        checkpoint, is_checkpoint_there = _choose_checkpoint(services, source)
        file, is_file_there = choose_file(services, config)
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")
        return
    if file is None:
        st.info(_("Upload a file of questions and right answers."), icon=":material/upload_file:")
        return
    is_as_seen = is_checkpoint_there and is_file_there
    _show_start(services, Choice(source, _answering(config, source), checkpoint, file, is_as_seen))


def _take_address(job: Job | None, checkpoint: str | None) -> None:
    """Choose what the address names, once; who then chooses something else is not overruled."""
    named = (job.id, checkpoint) if job is not None else None
    if named is not None and st.session_state.get(ADDRESS_KEY) != named:
        st.session_state[SOURCE_KEY] = named[0]
        st.session_state[CHECKPOINT_KEY] = checkpoint
    st.session_state[ADDRESS_KEY] = named


def _choose_source(services: Services) -> Job | None:
    queue = services.jobs.queue
    trainings = [job for job in queue.list(kinds=[JobKind.TRAIN]) if job.state is not JobState.QUEUED]
    offered = {job.id: job for job in trainings[:MOST_JOBS]}
    named = st.session_state.get(SOURCE_KEY)
    if named and named not in offered:  # an older or an archived one
        known = [job for job in queue.list(archived=None, kinds=[JobKind.TRAIN]) if job.id == named]
        offered |= {job.id: job for job in known}
    if named not in (NO_JOB, *offered):
        st.session_state[SOURCE_KEY] = next(iter(offered), NO_JOB)

    def describe(job_id: str) -> str:
        if job_id not in offered:
            return _("None: a base model as it is")
        job = offered[job_id]
        return f"{job.name} · {method_name(job)} · {moment_text(job.created_at)}"

    chosen = st.selectbox(
        _("Training job"),
        [NO_JOB, *offered],
        key=SOURCE_KEY,
        format_func=describe,
        persist_state="session",
    )
    return offered.get(chosen)


def _config(services: Services, source: Job | None) -> JobConfig:
    if source is not None:
        return services.jobs.config_of(source)
    names = [entry.name for entry in list_models(services.settings)]
    if services.settings.model not in names:
        names.append(services.settings.model)
    default = names.index(services.settings.model)
    name = st.selectbox(_("Base model"), names, index=default, key=MODEL_KEY, persist_state="session")
    return JobConfig(model=ModelConfig(base_model=name))


def _choose_checkpoint(services: Services, source: Job | None) -> tuple[str, bool]:
    """Its name, and whether it is what was chosen before; a running training removes old ones."""
    if source is None:
        return BASE, True
    found = {one.path.name: one for one in list_checkpoints(services.jobs.folder(source.id))}
    options = [*reversed(found), BASE]
    named = st.session_state.get(CHECKPOINT_KEY)
    if named not in options:
        best = next((name for name, one in found.items() if one.is_best), options[0])
        st.session_state[CHECKPOINT_KEY] = best
    chosen = st.selectbox(
        _("Checkpoint"),
        options,
        key=CHECKPOINT_KEY,
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


def _answering(config: JobConfig, source: Job | None) -> JobConfig:
    """How many rows, and how they are answered; at first as the job says."""
    kept, of_job = config.evaluation, source.id if source else NO_JOB
    rows = st.number_input(
        _("Rows at most"),
        min_value=1,
        value=config.data.max_predict_samples or USUAL_ROWS,
        placeholder=_("all"),
        key=PREFIX + "rows",
        width=200,
        help=_("The first ones of the file; all where this is empty. On a CPU a row takes seconds."),
    )
    with st.expander(_("How it answers")):
        tokens = st.number_input(
            _("Longest answer, in tokens"),
            min_value=1,
            value=kept.max_new_tokens or config.data.max_output_length,
            key=f"{PREFIX}tokens_{of_job}",
        )
        temperature = st.number_input(
            _("Temperature"),
            0.0,
            2.0,
            kept.temperature,
            step=0.1,
            key=f"{PREFIX}temperature_{of_job}",
            help=_("0 answers greedily: the same each time, so that scores can be compared."),
        )
        beams = st.number_input(
            _("Beams"),
            1,
            64,
            kept.num_beams,
            key=f"{PREFIX}beams_{of_job}",
            help=_("Answers followed at once, of which the likeliest is taken."),
        )
        batch = st.number_input(
            _("Rows answered at once"),
            1,
            4096,
            kept.per_device_eval_batch_size,
            key=f"{PREFIX}batch_{of_job}",
        )
    evaluation = replace(
        kept,
        max_new_tokens=int(tokens) if tokens else None,
        temperature=float(temperature),
        num_beams=int(beams),
        per_device_eval_batch_size=int(batch),
    )
    data = replace(config.data, max_predict_samples=int(rows) if rows else None)
    # One process answers, whatever the training was spread over.
    devices = replace(config.devices, num_processes=1, accelerate_config=None)
    return replace(config, evaluation=evaluation, data=data, devices=devices)


def _show_start(services: Services, choice: Choice) -> None:
    is_tuned = choice.checkpoint != BASE
    with st.container(horizontal=True, vertical_alignment="center"):
        # The request is a part of the key: a second press asks for the same job again.
        request_id = st.session_state.setdefault(REQUEST_KEY, secrets.token_hex(16))
        is_pressed = st.button(
            _("Evaluate"),
            key=f"{PREFIX}start_{request_id}",
            icon=":material/grading:",
            type="primary",
            help=_("Puts it into the queue; it begins when its device is free."),
        )
        compares = is_tuned and st.toggle(
            _("Also answer with the base model"),
            value=True,
            key=PREFIX + "base",
            help=_("To see row by row what the tuning changed; takes twice as long."),
        )
    if is_pressed and not choice.is_as_seen:
        st.warning(
            _("What you had chosen is gone meanwhile, and another was put in its place; look again."),
            icon=":material/sync_problem:",
        )
    elif is_pressed:
        _start(services, choice, compares, request_id)


def _start(services: Services, choice: Choice, compares: bool, request_id: str) -> None:
    source, file = choice.source, choice.file
    name = " · ".join(
        (source.name if source else choice.config.model.base_model, choice.checkpoint, file.stem)
    )
    try:
        job = services.jobs.predict(
            name=name,
            owner=OWNER,
            data_file=file,
            checkpoint=choice.checkpoint,
            source=source,
            config=fitting(choice.config, file),
            compare_base=compares,
            request_id=request_id,
        )
    except JobConfigError as error:
        for problem in error.problems:
            st.error(error_text(problem), icon=":material/error:")
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")
    else:
        go(EVALUATE, **{JOB_PARAM: job.id})
