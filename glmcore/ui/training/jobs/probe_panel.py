"""What a job's model forgot: the general questions that were asked before training and at each checkpoint."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from glmcore.jobs.job import Job
from glmcore.tuning.probe.questions import load_questions
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.text import _

MAX_BYTES = 16 << 20  # of the file; one asking is about five kilobytes
STEP_KEY = "job_probe_step"
WORRYING = 0.10  # so much more loss on general questions is worth a warning

Asking = Mapping[str, Any]


def show_probe(services: Services, job: Job) -> None:
    askings = read_askings(services.jobs.folder(job.id).probe)
    if not askings:
        st.info(_("The general questions were not asked yet."), icon=":material/psychology:")
        return
    first, *later = askings.values()
    st.caption(
        _(
            "The same general questions are asked before training and at each checkpoint. With a model that "
            "forgets, the loss of the usual answers rises, and its own answers change."
        )
    )
    if not later:
        st.info(_("They were asked before training only, so far."), icon=":material/psychology:")
        return
    steps = [one["step"] for one in reversed(later)]
    if st.session_state.get(STEP_KEY) not in steps:
        st.session_state[STEP_KEY] = steps[0]
    chosen = askings[st.selectbox(_("At step"), steps, key=STEP_KEY, width=200)]
    _show_losses(first, chosen)
    _show_answers(first, chosen)


def read_askings(path: Path) -> dict[int, Asking]:
    """By step, in the order of steps; lines that are none are left out. The last of the same step counts."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(MAX_BYTES).splitlines()
    except OSError:
        return {}
    askings = {}
    for line in lines:
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(values, dict) and type(values.get("step")) is int:
            askings[values["step"]] = values
    return dict(sorted(askings.items()))


def _show_losses(first: Asking, chosen: Asking) -> None:
    names = {"probe_loss": _("all"), "probe_loss_en": _("English"), "probe_loss_zh": _("Chinese")}
    worst = 0.0
    with st.container(horizontal=True):
        for name, label in names.items():
            before, now = _number(first.get(name)), _number(chosen.get(name))
            if before is None or now is None:
                continue
            change = now / before - 1 if before else 0.0
            worst = max(worst, change)
            st.metric(
                _("Loss, {which}", which=label),
                f"{now:.3g}",
                f"{100 * change:+.0f} %",
                delta_color="inverse",
                width="content",
            )
    if worst > WORRYING:
        st.warning(
            _(
                "It has forgotten something: the usual answers are less likely now. Fewer steps, a smaller "
                "learning rate, or general conversations among the training rows help."
            ),
            icon=":material/psychology_alt:",
        )


def _show_answers(first: Asking, chosen: Asking) -> None:
    import pandas as pd

    prompts = {question.id: question.prompt for question in load_questions()}
    before, now = _answers(first), _answers(chosen)
    rows = [
        {
            "question": prompts.get(name, name),
            "change": _change(before.get(name, ("", None))[1], loss),
            "before": before.get(name, ("", None))[0],
            "now": answer,
        }
        for name, (answer, loss) in now.items()
    ]
    rows.sort(key=_forgotten, reverse=True)
    text = st.column_config.TextColumn
    st.dataframe(
        pd.DataFrame(rows),
        key="job_probe_answers",
        hide_index=True,
        placeholder="",
        column_config={
            "question": text(_("Question"), width="medium"),
            "before": text(_("Before training"), width="large"),
            "now": text(plain(_("At step {step}", step=chosen["step"])), width="large"),
            "change": st.column_config.NumberColumn(
                _("Loss ±"),
                width=70,
                format="%+.2f",
                help=_("Of the usual answer; above 0 it is less likely now."),
            ),
        },
    )


def _forgotten(row: Mapping[str, Any]) -> float:
    """How much, with what nobody knows at the end."""
    return -math.inf if row["change"] is None else float(row["change"])


def _answers(asking: Asking) -> dict[str, tuple[str, float | None]]:
    """Answer and loss by the name of the question."""
    questions = asking.get("questions")
    entries = questions if isinstance(questions, list) else []
    return {
        str(entry.get("id")): (str(entry.get("answer", "")), _number(entry.get("loss")))
        for entry in entries
        if isinstance(entry, dict)
    }


def _change(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None else now - before


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
