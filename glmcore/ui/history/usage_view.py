"""How much was asked and answered: totals, charts per day and model, and a table to take along."""

import csv
import io
from collections.abc import Mapping
from dataclasses import fields
from datetime import date, datetime, timedelta, tzinfo

import streamlit as st

from glmcore.curves.views.names import cell
from glmcore.ui.history.address import reader_zone, start_of
from glmcore.ui.history.usage_charts import show_charts
from glmcore.ui.history.usage_days import Counts, Days, Who, per_day, spans, totals
from glmcore.ui.services import Services
from glmcore.ui.session import CHAT_PAGE, OWNER
from glmcore.ui.text import _, plural
from glmcore.ui.training.jobs.words import duration_text

PREFIX = "usage_"
PERIOD_KEY = PREFIX + "period"
PERIODS = (7, 30, 90, 0)  # days; 0 is all
COUNTED = [field.name for field in fields(Counts)]
ROW_PIXELS, MAX_HEIGHT = 35, 400


def show(shared: Services) -> None:
    zone = reader_zone()
    today = datetime.now(zone).date()
    st.session_state.setdefault(PERIOD_KEY, 30)
    period = st.segmented_control(
        _("Period"),
        PERIODS,
        key=PERIOD_KEY,
        format_func=_period_name,
        label_visibility="collapsed",
        required=True,
        persist_state="session",
    )
    length = period or 0
    days = _read(shared, length, today, zone)
    if not days:
        _show_nothing(length)
        return
    first = _first_day(length, today) if length else min(days)
    charted = spans(days, first, today)
    by_who = totals(charted)
    _show_totals(sum(by_who.values(), Counts()))
    show_charts(charted, by_who)
    _show_table(by_who, days)
    st.caption(
        _(
            "Days are those of {zone}. What was deleted since is counted too; a temporary chat is not. "
            "A conversation counts once for each hour in which it got answers.",
            zone=str(zone),
        )
    )


def _first_day(length: int, today: date) -> date:
    return today - timedelta(days=length - 1)


def _read(shared: Services, length: int, today: date, zone: tzinfo) -> Days:
    first = _first_day(length, today) if length else None
    days = per_day(shared.history.usage.hours(OWNER, start_of(first, zone) or 0.0), zone)
    return {day: by_who for day, by_who in days.items() if (first or day) <= day <= today}


def _period_name(length: int) -> str:
    return plural("{count} day", "{count} days", length) if length else _("All")


def _show_nothing(length: int) -> None:
    if length:
        text = _("Nothing was answered in these days; choose a longer period.")
    else:
        text = _("Nothing was answered yet. Every answer of the chat is counted here, by day and model.")
    st.info(text, icon=":material/bar_chart:")
    st.page_link(CHAT_PAGE, label=_("Ask something"), icon=":material/chat:")


def _show_totals(total: Counts) -> None:
    values = (
        (_("Conversations"), f"{total.conversations:,}"),
        (_("Answers"), f"{total.answers:,}"),
        (_("Tokens read"), f"{total.prompt_tokens:,}"),
        (_("Tokens written"), f"{total.completion_tokens:,}"),
        (_("Time to answer"), duration_text(total.seconds)),
    )
    with st.container(horizontal=True):
        for label, value in values:
            st.metric(label, value, border=True, width="content")


def _show_table(by_who: Mapping[Who, Counts], days: Days) -> None:
    import pandas as pd

    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    rows = [
        {
            "model": model,
            "adapter": adapter,
            "conversations": counts.conversations,
            "answers": counts.answers,
            "prompt_tokens": counts.prompt_tokens,
            "completion_tokens": counts.completion_tokens,
            "time": duration_text(counts.seconds),
            "speed": counts.tokens_per_second,
        }
        for (model, adapter), counts in by_who.items()
    ]
    st.dataframe(
        pd.DataFrame(rows),
        key=PREFIX + "table",
        hide_index=True,
        height=min(MAX_HEIGHT, ROW_PIXELS * (len(rows) + 1) + 3),
        column_config={
            "model": text(_("Model"), pinned=True),
            "adapter": text(_("Adapter")),
            "conversations": number(_("Conversations"), format="localized"),
            "answers": number(_("Answers"), format="localized"),
            "prompt_tokens": number(_("Tokens read"), format="localized"),
            "completion_tokens": number(_("Tokens written"), format="localized"),
            "time": text(_("Time to answer")),
            "speed": number(_("Tokens/s"), format="%.1f"),
        },
    )
    st.download_button(
        _("CSV by day and model"),
        lambda: daily_csv(days).encode("utf-8-sig"),  # so that spreadsheets read Chinese names
        file_name="usage.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def daily_csv(days: Days) -> str:
    """One line for each day and model; no name is taken for a formula."""
    written = io.StringIO()
    lines = csv.writer(written)
    lines.writerow(["day", "model", "adapter", *COUNTED])
    for day, by_who in days.items():
        for (model, adapter), counts in sorted(by_who.items()):
            numbers = [round(getattr(counts, name), 3) for name in COUNTED]
            lines.writerow([day, cell(model), cell(adapter), *numbers])
    return written.getvalue()
