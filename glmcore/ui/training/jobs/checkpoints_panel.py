"""The checkpoints of a job, and what can be done with one: chat, compare, evaluate, restart."""

from typing import Any

import streamlit as st

from glmcore.jobs.job import Job
from glmcore.tuning.checkpoints import Checkpoint, list_checkpoints, read_marker
from glmcore.ui.adapter_picker import use_in_chat
from glmcore.ui.compare.address import compare_query
from glmcore.ui.services import Services
from glmcore.ui.session import COMPARE_PAGE, JOB_PARAM
from glmcore.ui.text import _
from glmcore.ui.training.jobs import dialogs
from glmcore.ui.training.jobs.actions import folder_bytes
from glmcore.ui.training.jobs.address import CHECKPOINT_PARAM, EVALUATE, go
from glmcore.ui.training.jobs.words import moment_text

CHOSEN_KEY = "job_checkpoint"
ROW_PIXELS, MAX_HEIGHT = 35, 320
# Facts of the machine and of progress, which the curves show.
_NO_SCORES = ("runtime", "samples_per_second", "steps_per_second", "epoch", "num_input_tokens_seen")


def show_checkpoints(services: Services, job: Job) -> None:
    checkpoints = list_checkpoints(services.jobs.folder(job.id))
    if not checkpoints:
        st.info(_("It has no checkpoint yet."), icon=":material/save:")
        return
    _show_table(checkpoints)
    checkpoint = _choose(job, checkpoints)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button(_("Load into chat"), icon=":material/chat:", key="job_to_chat"):
            use_in_chat(services, job.base_model, checkpoint.path)
        if st.button(_("Evaluate"), icon=":material/grading:", key="job_evaluate"):
            go(EVALUATE, **{JOB_PARAM: job.id, CHECKPOINT_PARAM: checkpoint.path.name})
        is_the_end = checkpoint.step == services.jobs.progress(job).total
        if st.button(
            _("Restart from here"),
            icon=":material/fork_right:",
            key="job_restart",
            disabled=is_the_end,
            help=_("It is at the end already; Go on takes it further.") if is_the_end else None,
        ):
            dialogs.ask(lambda: dialogs.restart_job(services.jobs, job, checkpoint.step))
        st.page_link(
            COMPARE_PAGE,
            label=_("Compare with the base"),
            icon=":material/compare:",
            query_params=compare_query(services.settings, job.base_model, checkpoint.path),
        )


def scores_of(checkpoint: Checkpoint) -> dict[str, float]:
    """What an evaluation found at its step, by the names that scores have elsewhere."""
    scores = {}
    for name, value in checkpoint.metrics.items():
        short = name.removeprefix("eval_")
        if short not in _NO_SCORES and isinstance(value, int | float) and not isinstance(value, bool):
            scores[short] = float(value)
    return scores


def _show_table(checkpoints: list[Checkpoint]) -> None:
    import pandas as pd

    scores = [scores_of(checkpoint) for checkpoint in checkpoints]
    names = list(dict.fromkeys(name for one in scores for name in one))
    rows = [_row(checkpoint, one, names) for checkpoint, one in zip(checkpoints, scores, strict=True)]
    number = st.column_config.NumberColumn
    st.dataframe(
        pd.DataFrame(reversed(rows)),
        key="job_checkpoints",
        hide_index=True,
        placeholder="",
        height=min(MAX_HEIGHT, ROW_PIXELS * (len(rows) + 1) + 3),
        column_config={
            "step": number(_("Step"), format="%d", width=70, pinned=True),
            "best": st.column_config.TextColumn(_("Best"), width=60),
            "saved": st.column_config.TextColumn(_("Saved"), width=130),
            # Not the format "bytes", which counts them in ten thousands in Chinese.
            "mebibytes": number(_("Size"), format="%.1f MiB", width=80),
            **{f"score {name}": number(name, format="%.5g", width=90) for name in names},
        },
    )


def _row(checkpoint: Checkpoint, scores: dict[str, float], names: list[str]) -> dict[str, Any]:
    saved = read_marker(checkpoint.path).get("time")
    return {
        "step": checkpoint.step,
        "best": "★" if checkpoint.is_best else "",
        "saved": moment_text(saved) if isinstance(saved, int | float) else "",
        "mebibytes": folder_bytes(checkpoint.path) / (1 << 20),
        **{f"score {name}": scores.get(name) for name in names},
    }


def _choose(job: Job, checkpoints: list[Checkpoint]) -> Checkpoint:
    """The best one until another is chosen."""
    by_step = {checkpoint.step: checkpoint for checkpoint in reversed(checkpoints)}
    best = next((step for step, one in by_step.items() if one.is_best), next(iter(by_step)))
    key = f"{CHOSEN_KEY}_{job.id}"
    if st.session_state.get(key) not in by_step:  # it was the oldest, and is gone
        st.session_state[key] = best

    def label(step: int) -> str:
        words = [_("step {step}", step=step), *([_("the best")] if by_step[step].is_best else [])]
        return " · ".join(words)

    return by_step[st.selectbox(_("Checkpoint"), list(by_step), key=key, format_func=label, width=260)]
