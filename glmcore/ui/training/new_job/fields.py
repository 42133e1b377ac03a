"""Widgets made from the fields of a job: its help as tooltip, its choices, ranges and default.

A widget is drawn from the draft and writes into it. A problem stands below its field, and so does the way
back to the default where a value differs from it.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field
from types import NoneType
from typing import Any, cast, get_args

import streamlit as st

from glmcore.core.errors import ConfigError
from glmcore.tuning.job_config import job_fields
from glmcore.ui.markdown import plain
from glmcore.ui.text import _, error_text
from glmcore.ui.training.new_job.draft import FIELDS, PREFIX, draft, place_of
from glmcore.ui.training.new_job.titles import TITLES

LARGEST_WHOLE = 2**53 - 1  # that a browser counts exactly
NAMES_OF_METHODS = {"lora": "LoRA", "ptuning_v2": "P-tuning v2"}  # everywhere so
COLUMNS = 2
NOTHING = ""  # the choice of no value: Streamlit takes None for a choice that was not made

Problems = Mapping[str, Sequence[ConfigError]]


def by_field(problems: Iterable[ConfigError]) -> Problems:
    """The problems of each field."""
    found: dict[str, list[ConfigError]] = {}
    for problem in problems:
        found.setdefault(place_of(problem), []).append(problem)
    return found


def names_of(section: str, *, is_basic: bool) -> list[str]:
    """The fields of a section that have a meaning for the chosen method, in order."""
    return [
        entry.name
        for where, entry in job_fields()
        if where == section
        and entry.name in FIELDS
        and entry.metadata["is_basic"] == is_basic
        and draft().has_meaning(entry.name)
    ]


def show_fields(names: Sequence[str], problems: Problems) -> None:
    """Fields side by side where there is room."""
    for start in range(0, len(names), COLUMNS):
        for column, name in zip(st.columns(COLUMNS), names[start : start + COLUMNS], strict=False):
            with column:
                show_field(name, problems)


def show_field(name: str, problems: Problems) -> None:
    with st.container(gap="xxsmall"):
        _widget(name)
        show_below(name, problems)


def show_below(name: str, problems: Problems) -> None:
    """What is wrong with a field, and the way back to its default."""
    show_problems(problems.get(name, ()))
    default = draft().default(name)
    if draft().values[name] != default:
        st.button(
            _("Default: {value}", value=plain(shown_value(name, default))),
            key=f"{PREFIX}reset_{name}",
            icon=":material/undo:",
            type="tertiary",
            on_click=_reset,
            args=(name,),
        )


def show_problems(problems: Iterable[ConfigError]) -> None:
    for problem in problems:
        st.markdown(f":red[:material/error: {error_text(problem)}]")


def shown_value(name: str, value: Any) -> str:
    """A value as a person reads it."""
    if name == "method":
        return NAMES_OF_METHODS.get(value) or _("Full")
    if value is None or value == "" or value == ():
        return _("not set")
    if isinstance(value, bool):
        return _("on") if value else _("off")
    if isinstance(value, tuple):
        return ", ".join(value)
    if isinstance(value, float) and 0 < value < 0.01:  # as the browser writes it: 2e-4
        number, exponent = f"{value:e}".split("e")
        return f"{float(number):g}e{int(exponent)}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def tooltip(entry: Field[Any]) -> str:
    return f"`{entry.name}`: {plain(_(entry.metadata['help']))}"


def take(name: str, key: str) -> None:
    """Put what a widget was changed to into the draft; before the page is drawn again."""
    if key == draft().key(name):  # else it was filled anew in the same moment
        given = st.session_state[key]
        draft().take(name, given)
        if isinstance(given, str) and isinstance(draft().values[name], (int, float)):
            draft().versions[name] += 1  # a number that was no number before has another kind of widget


def writes(name: str, offered: Sequence[str] = ()) -> dict[str, Any]:
    """What makes a widget that of a field: its key, its help, and that it writes into the draft.

    Args:
        offered: the labels of what can be chosen.
    """
    draft().offer(name, offered)
    key = draft().key(name)
    return {"key": key, "help": tooltip(FIELDS[name]), "on_change": take, "args": (name, key)}


def _widget(name: str) -> None:
    draw, options = _drawn_as(FIELDS[name], draft().values[name])
    offered = [options["format_func"](one) for one in options.get("options", ())]
    draw(_(TITLES[name]), **options, **writes(name, offered))


def _drawn_as(entry: Field[Any], value: Any) -> tuple[Callable[..., Any], dict[str, Any]]:
    """The widget for a value, and its options."""
    kinds = set(get_args(entry.type)) or {entry.type}
    is_optional = NoneType in kinds
    if entry.metadata["choices"] or kinds == {bool, NoneType}:
        choices = entry.metadata["choices"] or (True, False)
        options = (NOTHING, *choices) if is_optional else choices
        return st.selectbox, {
            "options": options,
            "index": options.index(NOTHING if value is None else value),
            "format_func": lambda one: shown_value(entry.name, one),
        }
    if kinds == {bool}:
        return st.toggle, {"value": bool(value)}
    is_number = value is None or (isinstance(value, (int, float)) and abs(value) <= LARGEST_WHOLE)
    if kinds & {int, float} and is_number:
        return st.number_input, {
            "value": _first(entry.name, value) if is_optional else value,
            **_number_options(entry, is_whole=int in kinds),
            **({"placeholder": _("not set")} if is_optional else {}),
        }
    text = ", ".join(value) if isinstance(value, tuple) else str(value or "")
    return st.text_input, {"value": text, "placeholder": _("not set")}


def _first(name: str, value: float | None) -> float | None:
    """The value that a widget is made with: it can be emptied again only where that stays None."""
    if draft().key(name) not in st.session_state:
        draft().first[name] = value
    return draft().first[name]


def _number_options(entry: Field[Any], *, is_whole: bool) -> dict[str, Any]:
    kind = int if is_whole else float
    low, high = entry.metadata["low"], entry.metadata["high"]
    default = cast(float, entry.default or 0)
    is_small = not is_whole and 0 < default < 0.01
    return {
        "min_value": None if low is None else kind(low),
        "max_value": None if high is None else kind(high),
        "step": 1 if is_whole else _step(default, high),
        "format": "%d" if is_whole else ("%e" if is_small else "%g"),  # a browser's %e is short: 2e-4
    }


def _step(default: float, high: float | None) -> float:
    """What the buttons beside a number add: as fine as its default is, or as its range."""
    if 0 < default < 1:
        return 10.0 ** math.floor(math.log10(default))
    return 1.0 if high is None else min(1.0, 10.0 ** math.floor(math.log10(high) - 1))


def _reset(name: str) -> None:
    draft().reset(name)
