"""Addresses of the history page: which view, which conversations are meant, which one is looked at.

The filter is in the address and nowhere else, so that a link shows the same to somebody else; what cannot be
read in it asks nothing. Days in it are those of the reader's time zone.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, NoReturn, get_args
from zoneinfo import ZoneInfo

import streamlit as st

from glmcore.history import ConversationFilter, Shelf
from glmcore.history.filters import Rating
from glmcore.ui.session import CONVERSATION_PARAM, MESSAGE_PARAM, VIEW_PARAM

LIST, IMPORT, DATA, REPLAY, USAGE = "list", "import", "data", "replay", "usage"
SORT_PARAM, PAGE_PARAM = "sort", "p"
CHOSEN_KEY = "history_chosen"  # ids (tuple[str, ...]) that were ticked for the views of data and replays

ANY_SHELF = "all"  # in the address: open and archived ones
FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2099, 12, 31)
MAX_WORDS, MAX_NAMES, MAX_TURNS = 500, 50, 100_000  # read from an address

_TEXTS = {"model": "models", "adapter": "adapters", "tag": "tags"}  # name in the address, field
_NUMBERS = {"stars": ("min_stars", 5), "turns": ("min_turns", MAX_TURNS), "most": ("max_turns", MAX_TURNS)}


def go(view: str, chosen: ConversationFilter | None = None, **more: str) -> NoReturn:
    """Show a view of this page, with these conversations in its filter."""
    query = {} if chosen is None else to_query(chosen, reader_zone())
    st.query_params.from_dict({VIEW_PARAM: view, **query, **more})
    st.rerun()


def read_filter() -> ConversationFilter:
    """The conversations that the address means."""
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    return from_query(query, reader_zone())


def put_filter(chosen: ConversationFilter) -> None:
    """Put other conversations into the address; what it said of a page or an open one is gone."""
    kept = {name: st.query_params[name] for name in (VIEW_PARAM, SORT_PARAM) if name in st.query_params}
    st.query_params.from_dict({**kept, **to_query(chosen, reader_zone())})


def put_looked_at(conversation_id: str | None, message_id: str | None = None) -> None:
    """Put the conversation of the preview into the address, or none."""
    for name, value in ((CONVERSATION_PARAM, conversation_id), (MESSAGE_PARAM, message_id)):
        if value is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = value


def to_query(chosen: ConversationFilter, zone: tzinfo) -> dict[str, str | list[str]]:
    """The parts of an address that mean these conversations; `ids` are never among them."""
    query: dict[str, str | list[str]] = {
        name: list(getattr(chosen, field)) for name, field in _TEXTS.items() if getattr(chosen, field)
    }
    for name, (field, _limit) in _NUMBERS.items():
        if getattr(chosen, field) is not None:
            query[name] = str(getattr(chosen, field))
    if chosen.words:
        query["q"] = chosen.words
    if chosen.shelf != "open":
        query["shelf"] = chosen.shelf or ANY_SHELF
    if chosen.is_pinned is not None:
        query["pinned"] = str(int(chosen.is_pinned))
    if chosen.ratings:
        query["rating"] = list(chosen.ratings)
    for name, day in (("from", first_day(chosen, zone)), ("to", last_day(chosen, zone))):
        if day is not None:
            query[name] = day.isoformat()
    return query


def from_query(query: Mapping[str, list[str]], zone: tzinfo) -> ConversationFilter:
    values: dict[str, Any] = {
        field: tuple(dict.fromkeys(query.get(name, ())))[:MAX_NAMES] for name, field in _TEXTS.items()
    }
    for name, (field, limit) in _NUMBERS.items():
        number = last_text(query, name)
        if number.isascii() and number.isdigit() and len(number) < 9 and 1 <= int(number) <= limit:
            values[field] = int(number)
    shelf = last_text(query, "shelf")
    if shelf in get_args(Shelf) or shelf == ANY_SHELF:
        values["shelf"] = None if shelf == ANY_SHELF else shelf
    if (pinned := last_text(query, "pinned")) in ("0", "1"):
        values["is_pinned"] = pinned == "1"
    wanted = dict.fromkeys(query.get("rating", ()))
    values["ratings"] = tuple(rating for rating in wanted if rating in get_args(Rating))
    since, until = _day(last_text(query, "from")), _day(last_text(query, "to"))
    words = last_text(query, "q").strip()[:MAX_WORDS]
    return ConversationFilter(words=words, since=start_of(since, zone), until=end_of(until, zone), **values)


def last_text(query: Mapping[str, list[str]], name: str) -> str:
    return (query.get(name) or [""])[-1]


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if FIRST_DAY <= day <= LAST_DAY else None


def start_of(day: date | None, zone: tzinfo) -> float | None:
    """The second with which a day begins; nothing for no day."""
    return None if day is None else datetime.combine(day, time.min, zone).timestamp()


def end_of(day: date | None, zone: tzinfo) -> float | None:
    """The second before which a day ends."""
    return None if day is None else start_of(day + timedelta(days=1), zone)


def first_day(chosen: ConversationFilter, zone: tzinfo) -> date | None:
    return None if chosen.since is None else datetime.fromtimestamp(chosen.since, zone).date()


def last_day(chosen: ConversationFilter, zone: tzinfo) -> date | None:
    return None if chosen.until is None else datetime.fromtimestamp(chosen.until - 1, zone).date()


def reader_zone() -> tzinfo:
    """The time zone of the browser."""
    try:
        return ZoneInfo(st.context.timezone or "UTC")
    except (KeyError, ValueError, OSError):  # a browser may say anything
        return UTC
