"""The form of a new replay: whose answers, who gives them again, and how."""

import secrets
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.core.messages import GenerationParams
from glmcore.history.replay_rows import ReplayRows, WhichAnswers, write_replay_rows
from glmcore.jobs.job import Job
from glmcore.tuning.job_config import DataConfig, JobConfig
from glmcore.ui.history.address import CHOSEN_KEY, REPLAY, go
from glmcore.ui.history.meant import Meant, choose_meant
from glmcore.ui.services import Services
from glmcore.ui.session import JOB_PARAM, OWNER
from glmcore.ui.text import _, error_text, plural
from glmcore.ui.training.evaluate.answerer import Answerer, choose_answerer
from glmcore.ui.training.evaluate.queued import queued_or_told

PREFIX = "replay"
REQUEST_KEY = PREFIX + "_request"
FILE = "replay.jsonl"
USUAL_ROWS, MOST_ROWS = 50, 5000  # on a CPU an answer takes seconds
USUAL_PROMPT, USUAL_ANSWER = 1024, 512  # tokens; together they fit into every model of the catalogue
TOKEN_CHARACTERS = 16  # no text has so many in a token over a whole prompt
LEAST_TOP_P = 0.01  # that a job takes
GREEDY, AS_SAVED = "greedy", "as_saved"


@dataclass(frozen=True, slots=True)
class _How:
    """What is asked, and how it is answered; lengths in tokens."""

    which: WhichAnswers
    most_rows: int
    sampling: str
    prompt: int
    answer: int
    batch: int


def begin_anew() -> None:
    """The next press is another request than the last one."""
    st.session_state.pop(REQUEST_KEY, None)


def show_form(shared: Services) -> None:
    st.subheader(_("New replay"), anchor=False)
    st.caption(
        _(
            "Asks the saved questions again, each with what was said before it, and puts the new answer "
            "beside the saved one. The conversations stay as they are."
        )
    )
    nothing = _("Nothing to ask again: chat first, or choose other conversations.")
    meant = choose_meant(shared, PREFIX, nothing)
    if meant is None:
        return
    try:
        answerer = choose_answerer(shared, PREFIX + "_")
    except GlmcoreError as error:
        st.error(error_text(error), icon=":material/error:")
        return
    _show_start(shared, meant, answerer, _choose_how())


def _choose_how() -> _How:
    names = {"last": _("the last of each conversation"), "every": _("all of the shown branch")}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        which = st.segmented_control(
            _("Answers"),
            list(names),
            default="last",
            key=PREFIX + "_which",
            format_func=names.__getitem__,
            required=True,
        )
        rows = st.number_input(
            _("Answers at most"),
            1,
            MOST_ROWS,
            USUAL_ROWS,
            key=PREFIX + "_rows",
            width=200,
            help=_("Those of the oldest conversations first. On a CPU an answer takes seconds."),
        )
    with st.expander(_("How it answers")):
        ways = {GREEDY: _("the likeliest answer"), AS_SAVED: _("by chance, as the saved ones")}
        sampling = st.segmented_control(
            _("Way of answering"),
            list(ways),
            default=GREEDY,
            key=PREFIX + "_sampling",
            format_func=ways.__getitem__,
            required=True,
            help=_(
                "The likeliest answer is the same each time. By chance: with the temperature and top-p that "
                "most of the saved answers were given with."
            ),
        )
        with st.container(horizontal=True):
            prompt = st.number_input(
                _("Longest prompt, in tokens"),
                16,
                value=USUAL_PROMPT,
                key=PREFIX + "_prompt",
                help=_("The oldest turns beyond it are left out."),
            )
            answer = st.number_input(
                _("Longest answer, in tokens"), 2, value=USUAL_ANSWER, key=PREFIX + "_answer"
            )
            batch = st.number_input(_("Rows answered at once"), 1, 4096, 4, key=PREFIX + "_batch")
    chosen: WhichAnswers = "every" if which == "every" else "last"
    return _How(chosen, int(rows), sampling or GREEDY, int(prompt), int(answer), int(batch))


def _show_start(shared: Services, meant: Meant, answerer: Answerer, how: _How) -> None:
    # The request is a part of the key: a second press asks for the same job again.
    request_id = st.session_state.setdefault(REQUEST_KEY, secrets.token_hex(16))
    is_pressed = st.button(
        _("Replay"),
        key=f"{PREFIX}_start_{request_id}",
        icon=":material/replay:",
        type="primary",
        help=_("Puts it into the queue; it begins when its device is free."),
    )
    if is_pressed and not answerer.is_as_seen:
        st.warning(
            _("What you had chosen is gone meanwhile, and another was put in its place; look again."),
            icon=":material/sync_problem:",
        )
    elif is_pressed:
        job = queued_or_told(lambda: _queue(shared, meant, answerer, how, request_id))
        if job is not None:
            st.session_state.pop(CHOSEN_KEY, None)
            go(REPLAY, None, **{JOB_PARAM: job.id})


def _queue(shared: Services, meant: Meant, answerer: Answerer, how: _How, request_id: str) -> Job:
    """The job with its rows. Raises GlmcoreError where it cannot be."""
    with TemporaryDirectory(prefix="glmcore-replay-") as folder:
        path = Path(folder, FILE)
        rows = write_replay_rows(
            shared.history.database,
            OWNER,
            meant.chosen,
            path,
            which=how.which,
            most_rows=how.most_rows,
            most_characters=how.prompt * TOKEN_CHARACTERS,
        )
        return shared.jobs.predict(
            name=_name(answerer, rows),
            owner=OWNER,
            data_file=path,
            checkpoint=answerer.checkpoint,
            source=answerer.source,
            config=_config(answerer.config, how, rows.params),
            owns_data=True,
            request_id=request_id,
        )


def _name(answerer: Answerer, rows: ReplayRows) -> str:
    counted = plural("{count} conversation", "{count} conversations", rows.num_conversations)
    return " · ".join((_("Replay"), answerer.name, counted))


def _config(config: JobConfig, how: _How, saved: GenerationParams | None) -> JobConfig:
    """The settings of the model that was chosen, with nothing of the data that it may have learnt from."""
    temperature, top_p = 0.0, config.evaluation.top_p
    if how.sampling == AS_SAVED and saved is not None and not saved.is_greedy:
        temperature, top_p = saved.temperature, max(saved.top_p, LEAST_TOP_P)
    evaluation = replace(
        config.evaluation,
        max_new_tokens=how.answer,
        temperature=temperature,
        top_p=top_p,
        num_beams=1,
        per_device_eval_batch_size=how.batch,
    )
    data = DataConfig(max_input_length=how.prompt, max_output_length=how.answer)
    # One process answers, whatever a training was spread over.
    devices = replace(config.devices, num_processes=1, accelerate_config=None)
    return replace(config, evaluation=evaluation, data=data, devices=devices)
