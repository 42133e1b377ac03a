"""How long questions and answers are, in tokens, with the limits of the job and those that would do."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import streamlit as st

from glmcore.tuning.job_config import JobConfig
from glmcore.ui.text import _, language
from glmcore.ui.training.new_job.draft import PREFIX, Draft

if TYPE_CHECKING:
    from glmcore.tuning.data.report import DataReport, Lengths

HEIGHT = 190
COLOURS = ("#3b82f6", "#e0682b")  # questions, answers; readable on light and dark
NOW, SUGGESTED = "#dc2626", "#16a34a"
MOST_CHARTS = 200  # kept for all sessions


def show_lengths(key: str, report: "DataReport", config: JobConfig, filled: Draft) -> None:
    """Of the training file; the suggested limits serve all files."""
    data, train = config.data, report.files[0]
    suggested = {
        "max_input_length": max(file.prompts.suggested_limit for file in report.files),
        "max_output_length": max(file.answers.suggested_limit for file in report.files),
    }
    sides = (
        (_("Questions"), train.prompts, data.max_input_length, suggested["max_input_length"], COLOURS[0]),
        (_("Answers"), train.answers, data.max_output_length, suggested["max_output_length"], COLOURS[1]),
    )
    for number, (title, lengths, limit, enough, colour) in enumerate(sides):
        st.plotly_chart(
            _chart(key, language(), number, limit, title, lengths, enough, colour),
            key=f"{PREFIX}lengths_{number}",
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
    _offer(suggested, {name: filled.values[name] for name in suggested}, filled)


def _offer(suggested: Mapping[str, int], now: Mapping[str, Any], filled: Draft) -> None:
    label = _(
        "Use the suggested limits: {prompt} and {answer}",
        prompt=suggested["max_input_length"],
        answer=suggested["max_output_length"],
    )
    st.button(
        label,
        key=PREFIX + "suggested",
        icon=":material/straighten:",
        disabled=dict(now) == dict(suggested),
        help=_("They leave 99 of 100 rows whole; what is longer than needed costs memory."),
        on_click=filled.set,
        kwargs=dict(suggested),
    )


@st.cache_resource(show_spinner=False, max_entries=MOST_CHARTS)
def _chart(
    key: str, code: str, number: int, limit: int, _title: str, _lengths: "Lengths", _enough: int, _colour: str
) -> Any:
    """The check, the language, the side and the limit tell all the rest."""
    import plotly.graph_objects as go

    bins = _lengths.bins
    width = bins[0][1] - bins[0][0] + 1 if bins else 1  # the last may hold few rows of any length
    figure = go.Figure(
        go.Bar(
            x=[low + width / 2 for low, _high, _count in bins],
            y=[count for _low, _high, count in bins],
            width=width,
            customdata=[f"{low}–{high}" for low, high, _count in bins],
            hovertemplate="%{customdata}: %{y}<extra></extra>",
            marker={"color": _colour, "line": {"width": 0}},
        )
    )
    end = bins[-1][0] + width if bins else 1
    lines = [(_enough, SUGGESTED, _("suggested {limit}", limit=_enough))]
    if limit != _enough:
        lines.append((limit, NOW, _("limit {limit}", limit=limit)))
    _draw_lines(figure, [line for line in lines if line[0] <= 2 * end])  # one far away would squeeze the bars
    figure.update_layout(
        title={"text": _title, "font": {"size": 13}},
        height=HEIGHT,
        margin={"l": 0, "r": 0, "t": 30, "b": 0},
        showlegend=False,
    )
    return figure


def _draw_lines(figure: Any, lines: Iterable[tuple[int, str, str]]) -> None:
    """Each with its words above the bars, the second line of words below the first."""
    for number, (x, colour, text) in enumerate(lines):
        figure.add_vline(x=x, line={"color": colour, "dash": "dash", "width": 1.5})
        figure.add_annotation(
            x=x,
            y=1,
            yref="paper",
            yanchor="bottom",
            xanchor="right",
            yshift=13 * number,
            text=text,
            showarrow=False,
            font={"color": colour, "size": 11},
        )
