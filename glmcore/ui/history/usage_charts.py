"""What was answered in each span of days, as bars of a colour for each model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import streamlit as st

from glmcore.curves.views.colours import SAFE
from glmcore.curves.views.names import plotly_text
from glmcore.ui.history.usage_days import Counts, Days, Who
from glmcore.ui.text import _

OTHERS = "#888888"  # models beyond those that have a colour of their own
HEIGHT = 220  # pixels
LONG_SECONDS = 2 * 3600  # of all answers in a span, from which on hours are told and not minutes


@dataclass(frozen=True, slots=True)
class _Chart:
    key: str
    title: str
    value: Callable[[Counts], float]
    hover: str  # Plotly's form of a value


def show_charts(days: Days, by_who: Mapping[Who, Counts]) -> None:
    """Draw what is counted.

    Args:
        days: all spans, in order.
        by_who: the models, in the order in which they get colours.
    """
    colours = dict(zip(by_who, SAFE, strict=False))
    if len(by_who) > 1:
        _show_legend(colours, has_others=len(by_who) > len(colours))
    if text := _span_text(days):
        st.caption(text)
    charts = _charts(days)
    for pair in (charts[:2], charts[2:]):
        for column, chart in zip(st.columns(2), pair, strict=True):
            with column:
                st.plotly_chart(
                    _figure(chart, days, colours),
                    key=f"usage_chart_{chart.key}",
                    config={"displayModeBar": False},
                )


def _show_legend(colours: Mapping[Who, str], *, has_others: bool) -> None:
    """One for all charts: below each it would take the room of its bars."""
    named = [(colour, plotly_text(who_name(who))) for who, colour in colours.items()]
    if has_others:
        named.append((OTHERS, _("other models")))
    style = "display:inline-block; margin-right:1.2em"
    marks = " ".join(
        f'<span style="{style}"><span style="color:{colour}">■</span> {name}</span>' for colour, name in named
    )
    st.html(f'<div style="font-size:0.875rem">{marks}</div>')


def _span_text(days: Days) -> str:
    """What a bar is, where it is not a day."""
    first, second, *_more = [*days, None, None]
    length = (second - first).days if first and second else 1
    if length <= 1:
        return ""
    if length == 7:
        return _("Each bar is a week, named by its Monday.")
    return _("Each bar is a month, named by its first day.")


def _charts(days: Days) -> tuple[_Chart, ...]:
    longest = max(sum(counts.seconds for counts in by_who.values()) for by_who in days.values())
    is_long = longest >= LONG_SECONDS
    unit, time_title = (3600, _("Hours to answer")) if is_long else (60, _("Minutes to answer"))
    return (
        _Chart("conversations", _("Conversations"), lambda counts: counts.conversations, ",d"),
        _Chart("answers", _("Answers"), lambda counts: counts.answers, ",d"),
        _Chart("tokens", _("Tokens, read and written"), lambda counts: counts.tokens, ",d"),
        _Chart("time", time_title, lambda counts: counts.seconds / unit, ".1f"),
    )


def _figure(chart: _Chart, days: Days, colours: Mapping[Who, str]) -> Any:
    import plotly.graph_objects as go

    figure = go.Figure()
    for who, colour in colours.items():
        heights = [chart.value(by_who.get(who, Counts())) for by_who in days.values()]
        figure.add_trace(_bars(chart, days, plotly_text(who_name(who)), colour, heights))
    rest = [
        sum(chart.value(counts) for who, counts in by_who.items() if who not in colours)
        for by_who in days.values()
    ]
    if any(rest):
        figure.add_trace(_bars(chart, days, _("other models"), OTHERS, rest))
    figure.update_layout(
        title={"text": chart.title, "font": {"size": 14}},
        barmode="stack",
        height=HEIGHT,
        margin={"l": 0, "r": 0, "t": 36, "b": 24},
        showlegend=False,
        xaxis={"type": "date", "tickformat": _tick_format(days), "fixedrange": True},
        yaxis={"rangemode": "tozero", "fixedrange": True},
    )
    return figure


def _bars(chart: _Chart, days: Days, name: str, colour: str, heights: list[float]) -> Any:
    import plotly.graph_objects as go

    hover = f"%{{x|%Y-%m-%d}}: %{{y:{chart.hover}}}<extra>%{{fullData.name}}</extra>"
    return go.Bar(
        x=[day.isoformat() for day in days],
        y=heights,
        name=name,
        marker={"color": colour, "line": {"width": 0}},
        hovertemplate=hover,
    )


def _tick_format(days: Days) -> str:
    """Numbers alone, which need no translation."""
    first: date = next(iter(days))
    last: date = next(reversed(list(days)))
    return "%m-%d" if first.year == last.year else "%Y-%m-%d"


def who_name(who: Who) -> str:
    model, adapter = who
    return f"{model} + {adapter}" if adapter else model
