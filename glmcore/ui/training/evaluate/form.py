"""The form of a new evaluation: which checkpoint, which rows, and how it answers."""

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.job import Job
from glmcore.jobs.predictions import BASE
from glmcore.tuning.job_config import JobConfig
from glmcore.ui.services import Services
from glmcore.ui.session import JOB_PARAM, OWNER
from glmcore.ui.text import _, error_text
from glmcore.ui.training.evaluate.answerer import CHECKPOINT, NO_JOB, SOURCE, Answerer, choose_answerer
from glmcore.ui.training.evaluate.file_choice import choose_file, fitting
from glmcore.ui.training.evaluate.queued import queued_or_told
from glmcore.ui.training.jobs.address import EVALUATE, go

PREFIX = "evaluate_"
REQUEST_KEY, ADDRESS_KEY = PREFIX + "request", PREFIX + "address"
USUAL_ROWS = 100  # on a CPU a row takes seconds


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen so far.

    Attributes:
        config: how it answers.
        is_as_seen: False where something that was chosen is gone, and another was put in its place.
    """

    answerer: Answerer
    config: JobConfig
    file: Path
    is_as_seen: bool


def begin_anew() -> None:
    """The next press is another request than the last one."""
    st.session_state.pop(REQUEST_KEY, None)


def show_form(services: Services, job: Job | None, named_checkpoint: str | None) -> None:
    """`job` and `named_checkpoint` are those of the address."""
    _take_address(job, named_checkpoint)
    st.subheader(_("New evaluation"), anchor=False)
    try:
        answerer = choose_answerer(services, PREFIX)
        file, is_file_there = choose_file(services, answerer.config)
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")
        return
    if file is None:
        st.info(_("Upload a file of questions and right answers."), icon=":material/upload_file:")
        return
    is_as_seen = answerer.is_as_seen and is_file_there
    config = _answering(answerer.config, answerer.source)
    _show_start(services, Choice(answerer, config, file, is_as_seen))


def _take_address(job: Job | None, checkpoint: str | None) -> None:
    """Choose what the address names, once; who then chooses something else is not overruled."""
    named = (job.id, checkpoint) if job is not None else None
    if named is not None and st.session_state.get(ADDRESS_KEY) != named:
        st.session_state[PREFIX + SOURCE] = named[0]
        st.session_state[PREFIX + CHECKPOINT] = checkpoint
    st.session_state[ADDRESS_KEY] = named


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
    is_tuned = choice.answerer.checkpoint != BASE
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
    answerer, file = choice.answerer, choice.file
    job = queued_or_told(
        lambda: services.jobs.predict(
            name=f"{answerer.name} · {file.stem}",
            owner=OWNER,
            data_file=file,
            checkpoint=answerer.checkpoint,
            source=answerer.source,
            config=fitting(choice.config, file),
            compare_base=compares,
            request_id=request_id,
        )
    )
    if job is not None:
        go(EVALUATE, **{JOB_PARAM: job.id})
