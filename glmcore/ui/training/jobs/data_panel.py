"""What became of a job's data: rows, tokens, what was dropped or cut, and how long its texts are."""

from typing import Any

import streamlit as st

from glmcore.jobs.job import Job
from glmcore.tuning.data.report import DUPLICATES, NEAR_DUPLICATES, FileReport, Lengths
from glmcore.tuning.run_folder import read_whole
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.text import _
from glmcore.ui.training.file_counts import show_counts

FAULTS = (KeyError, TypeError, ValueError, AttributeError)  # of a file that somebody else wrote
COLOURS = ("#2563eb", "#e0682b")  # questions, answers
HEIGHT = 240


def show_data(services: Services, job: Job) -> None:
    report = read_whole(services.jobs.folder(job.id).data_report)
    if not report:
        st.info(_("Its data was not read yet."), icon=":material/dataset:")
        return
    try:
        files = [FileReport.from_dict(values) for values in report["files"]]
        sentences = [_(note.template, **note.values) for file in files for note in file.notes]
        sentences += _about_duplicates(report)
    except FAULTS:
        st.warning(_("What was written about its data cannot be read."), icon=":material/warning:")
        return
    show_counts(files)
    for sentence in sentences:
        st.markdown(f":gray[:material/info:] {plain(sentence)}")
    for number, file in enumerate(files):
        _show_lengths(file, number)


def _about_duplicates(report: dict[str, Any]) -> list[str]:
    count, near = int(report.get("num_duplicates", 0)), int(report.get("num_near_duplicates", 0))
    said = [_(DUPLICATES, count=count)] if count else []
    return said + ([_(NEAR_DUPLICATES, count=near, all=report.get("num_validation"))] if near else [])


def _show_lengths(file: FileReport, number: int) -> None:
    """Two histograms, each with the limit beyond which is cut."""
    if not file.prompts.bins and not file.answers.bins:
        return
    unit = _("lengths in tokens")
    st.markdown(f"**{plain(file.file)}** :gray[{unit}]")
    sides = (
        (_("Questions"), file.prompts, file.limits[0], COLOURS[0]),
        (_("Answers"), file.answers, file.limits[1], COLOURS[1]),
    )
    for column, (title, lengths, limit, colour) in zip(st.columns(2), sides, strict=True):
        with column:
            st.plotly_chart(
                _histogram(title, lengths, limit, colour),
                key=f"job_lengths_{number}_{title}",
                config={"displayModeBar": False},
            )
            st.caption(
                _(
                    "{title}: median {median}, 99 of 100 up to {share}, longest {longest}; limit {limit}.",
                    title=title,
                    median=lengths.median,
                    share=lengths.share_99,
                    longest=lengths.longest,
                    limit=limit,
                )
            )


def _histogram(title: str, lengths: Lengths, limit: int, colour: str) -> Any:
    import plotly.graph_objects as go

    bins = lengths.bins
    figure = go.Figure(
        go.Bar(
            x=[(low + high) / 2 for low, high, _count in bins],
            y=[count for _low, _high, count in bins],
            width=[high - low + 1 for low, high, _count in bins],
            customdata=[f"{low}–{high}" for low, high, _count in bins],
            hovertemplate="%{customdata}: %{y}<extra></extra>",
            marker={"color": colour},
        )
    )
    if bins and limit <= 2 * bins[-1][1]:  # far away it would squeeze the bars
        figure.add_vline(x=limit, line={"dash": "dash", "color": "#888888"})
    figure.update_layout(
        title={"text": title, "font": {"size": 14}}, height=HEIGHT, margin={"l": 0, "r": 0, "t": 32, "b": 0}
    )
    return figure
