"""What a check found: whether the job would begin, what is odd, how long, how large, and what is learnt."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import streamlit as st

from glmcore.core.notes import Note
from glmcore.jobs.checks import FIRST_ROWS, CheckState, memory_parts
from glmcore.tuning.data.report import SUGGESTED
from glmcore.tuning.job_config import JobConfig
from glmcore.ui.markdown import plain
from glmcore.ui.text import _, error_text, plural
from glmcore.ui.training.file_counts import show_counts
from glmcore.ui.training.jobs.words import size_text
from glmcore.ui.training.new_job.draft import PREFIX, Draft
from glmcore.ui.training.new_job.length_charts import show_lengths
from glmcore.ui.training.new_job.token_preview import show_tokens

if TYPE_CHECKING:
    from glmcore.tuning.planning.dry_run_report import DryRun


def show_verdict(state: CheckState, result: "DryRun") -> None:
    """What hinders first, then what is odd, then the numbers."""
    for problem in result.problems:
        st.error(error_text(problem), icon=":material/error:")
    if not result.problems:
        st.success(_("It would begin."), icon=":material/check_circle:")
    _show_notes((*result.notes, *result.report.notes))
    _show_numbers(state, result)


def show_details(key: str, state: CheckState, result: "DryRun", config: JobConfig, filled: Draft) -> None:
    """What takes the memory, what became of the rows, how long they are, what of them is learnt."""
    with st.expander(_("Memory"), key=PREFIX + "memory", icon=":material/memory:"):
        _show_memory(result)
    with st.expander(_("Rows"), key=PREFIX + "counts", icon=":material/table_rows:"):
        _show_rows(state, result)
    with st.expander(_("Lengths"), key=PREFIX + "lengths", icon=":material/bar_chart:", expanded=True):
        show_lengths(key, result.report, config, filled)
    with st.expander(
        _("What is learnt"), key=PREFIX + "tokens", icon=":material/ink_highlighter:", expanded=True
    ):
        show_tokens(result.preview)


def _show_notes(notes: Iterable[Note]) -> None:
    """But that shorter limits would do: the lengths show it, with a way to them."""
    said = [plain(_(note.template, **note.values)) for note in notes if note.template != SUGGESTED]
    if said:
        st.warning("\n".join(f"- {text}" for text in said), icon=":material/warning:")


def _show_numbers(state: CheckState, result: "DryRun") -> None:
    memory, steps = result.memory, result.steps
    total = plural("one step", "{count:,} steps", steps.total)
    if state.num_rows is None:
        total = _("at least {steps}", steps=total)
    elif state.is_partial:
        total = _("about {steps}", steps=total)
    share = 100 * memory.num_trainable / max(1, memory.num_parameters)
    lines = (
        _("{steps}, {per_pass:,} per pass over the data", steps=total, per_pass=steps.per_epoch),
        _(
            "{learnt:,} of {all:,} weights learn ({share:.2f} %)",
            learnt=memory.num_trainable,
            all=memory.num_parameters,
            share=share,
        ),
        _("{size} of the disk for checkpoints", size=size_text(result.disk_bytes)),
        _(memory.verdict.template, **memory.verdict.values),
    )
    st.markdown("\n".join(f"- {plain(line)}" for line in lines))
    st.progress(min(1.0, memory.total / max(1, memory.free)))


def _show_memory(result: "DryRun") -> None:
    parts = [(label, size) for label, size in memory_parts(result) if size]
    st.dataframe(
        {
            _("Part"): [_(label) for label, _size in parts],
            _("Memory"): [size / 2**30 for _label, size in parts],
        },
        hide_index=True,
        column_config={
            _("Memory"): st.column_config.ProgressColumn(
                format=_("%.2f GiB"), max_value=result.memory.total / 2**30, min_value=0.0
            )
        },
        key=PREFIX + "memory_parts",
    )
    st.caption(_("With rows of {tokens} tokens, the longest that was found.", tokens=result.memory.tokens))


def _show_rows(state: CheckState, result: "DryRun") -> None:
    files, report = result.report.files, result.report
    show_counts(files)
    said = [
        _(
            "{training:,} to learn from, {validation:,} to evaluate on",
            training=report.num_training,
            validation=report.num_validation,
        ),
        plural(
            "one training row is there twice",
            "{count:,} training rows are there twice",
            report.num_duplicates,
        ),
        plural(
            "one validation row is nearly a training row",
            "{count:,} validation rows are nearly training rows",
            report.num_near_duplicates,
        ),
    ]
    if state.is_partial and state.num_rows is not None:
        said.append(_("of the first {read:,} rows of {rows:,}", read=FIRST_ROWS, rows=state.num_rows))
    elif state.is_partial:
        said.append(_("of the first {read:,} rows", read=FIRST_ROWS))
    st.caption(" · ".join(said))
