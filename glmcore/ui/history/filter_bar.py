"""The filter of conversations: search box, shelf, and the rest behind a button. Its state is the address."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from glmcore.history import ConversationFilter
from glmcore.history.search.query import parse_query
from glmcore.ui.history.address import (
    ANY_SHELF,
    FIRST_DAY,
    LAST_DAY,
    MAX_TURNS,
    MAX_WORDS,
    end_of,
    first_day,
    last_day,
    put_filter,
    read_filter,
    reader_zone,
    start_of,
)
from glmcore.ui.history.words import adapter_name, rating_names, shelf_names
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, plural

CLEARED = (  # all but the shelf
    "words",
    "is_pinned",
    "since",
    "until",
    "models",
    "adapters",
    "tags",
    "ratings",
    "min_stars",
    "min_turns",
    "max_turns",
)
NOTHING_ASKED = ConversationFilter()


def show_filters(shared: Services, prefix: str, *, with_deleted: bool = False) -> ConversationFilter:
    """Draw the filter of the address; gives the conversations that are meant.

    Args:
        prefix: of the keys of its widgets.

    Raises:
        DataError: the words of the search cannot be understood.
    """
    chosen = read_filter()
    if chosen.shelf == "deleted" and not with_deleted:
        chosen = replace(chosen, shelf="open")
    fields = _Fields(prefix, chosen)
    with st.container(horizontal=True, vertical_alignment="bottom", key=f"{prefix}_filter_bar"):
        _draw_words(fields)
        _draw_shelf(fields, with_deleted=with_deleted)
        # Another label or kind would be another element, which closes.
        drawer = st.popover(
            _("Filter"), icon=":material/filter_alt:", key=f"{prefix}_filter", on_change="rerun"
        )
        if drawer.open:  # its choices need queries
            with drawer:
                _draw_rest(shared, fields, chosen)
        num_set = sum(getattr(chosen, name) != getattr(NOTHING_ASKED, name) for name in CLEARED)
        if num_set:
            st.button(
                plural("Clear {count} filter", "Clear {count} filters", num_set),
                icon=":material/filter_alt_off:",
                type="tertiary",
                key=f"{prefix}_clear",
                on_click=put_filter,
                args=(ConversationFilter(shelf=chosen.shelf),),
            )
    if chosen.words:
        parse_query(chosen.words)
    return chosen


class _Fields:
    """The widgets of a filter: each shows its field as the address has it, and changes that alone."""

    def __init__(self, prefix: str, chosen: ConversationFilter) -> None:
        self._prefix, self._chosen = prefix, chosen

    def bind(self, field: str) -> dict[str, Any]:
        """What a widget is given to stand for a field."""
        key = f"{self._prefix}_{field}"
        st.session_state[key] = _to_widget(self._chosen, field)
        return {"key": key, "on_change": self._change, "args": (field,)}

    def _change(self, field: str) -> None:
        value = st.session_state[f"{self._prefix}_{field}"]
        put_filter(replace(read_filter(), **{field: _from_widget(field, value)}))


def _to_widget(chosen: ConversationFilter, field: str) -> Any:
    match field:
        case "shelf":
            return chosen.shelf or ANY_SHELF
        case "since":
            return first_day(chosen, reader_zone())
        case "until":
            return last_day(chosen, reader_zone())
        case "is_pinned":
            return bool(chosen.is_pinned)
    value = getattr(chosen, field)
    return list(value) if isinstance(value, tuple) else value


def _from_widget(field: str, value: Any) -> Any:
    match field:
        case "shelf":
            return None if value == ANY_SHELF else value
        case "since":
            return start_of(value, reader_zone())
        case "until":
            return end_of(value, reader_zone())
        case "is_pinned":
            return True if value else None
    return tuple(value) if isinstance(value, list) else value


def _draw_words(fields: _Fields) -> None:
    st.text_input(
        _("Search"),
        placeholder=_("words of titles, questions and answers"),
        help=_(
            'All words must be there, in Chinese or English. "quoted words" stand side by side, '
            "begin* finds what begins so, -word must not be there."
        ),
        icon=":material/search:",
        type="search",
        max_chars=MAX_WORDS,
        width="stretch",
        **fields.bind("words"),
    )


def _draw_shelf(fields: _Fields, *, with_deleted: bool) -> None:
    names = shelf_names()
    options = [name for name in names if with_deleted or name != "deleted"]
    st.selectbox(_("Shelf"), options, format_func=names.__getitem__, width=190, **fields.bind("shelf"))


def _draw_rest(shared: Services, fields: _Fields, chosen: ConversationFilter) -> None:
    history = shared.history
    used = history.conversations.models_used(OWNER)
    adapters = {adapter or "": model for model, adapter in used}
    _draw_days(fields)
    _pick(fields, "models", _("Model"), _with({model: None for model, _adapter in used}, chosen.models))
    _pick(
        fields,
        "adapters",
        _("Adapter"),
        _with(adapters, chosen.adapters),
        lambda name: adapter_name(name, adapters.get(name, "")) if name else _("none"),
    )
    counts = history.tags.counts(OWNER)
    _pick(fields, "tags", _("Tags, all of them"), _with(counts, chosen.tags))
    names = rating_names()
    _pick(fields, "ratings", _("Rating of an answer"), list(names), lambda name: names[name])
    st.segmented_control(
        _("Stars, at least"),
        [1, 2, 3, 4, 5],
        format_func=lambda stars: f"{stars} ★",
        **fields.bind("min_stars"),
    )
    with st.container(horizontal=True):
        for field, label in (("min_turns", _("Turns, at least")), ("max_turns", _("Turns, at most"))):
            st.number_input(label, min_value=1, max_value=MAX_TURNS, step=1, **fields.bind(field))
    st.toggle(_("Pinned only"), **fields.bind("is_pinned"))


def _draw_days(fields: _Fields) -> None:
    with st.container(horizontal=True):
        for field, label in (("since", _("Used from")), ("until", _("Used until"))):
            st.date_input(label, min_value=FIRST_DAY, max_value=LAST_DAY, width=150, **fields.bind(field))


def _pick(
    fields: _Fields,
    field: str,
    label: str,
    options: Sequence[str],
    name: Callable[[str], str] = str,
) -> None:
    st.multiselect(label, options, format_func=name, placeholder=_("any"), **fields.bind(field))


def _with(known: Mapping[str, object], chosen: Sequence[str]) -> list[str]:
    """What can be chosen; what the address names is among it, though it may be gone by now."""
    return list(dict.fromkeys([*known, *chosen]))
