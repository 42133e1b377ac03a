"""The job that is being written: kept for the browser session, whatever view or page is open meanwhile.

The widgets are drawn from it and write into it; Streamlit forgets them when they are not drawn. A value that
comes from elsewhere than its widget (a template, a reset) gets a new widget, under a new key: the browser may
just be sending what the old one shows, as every part of a page that follows something does, and that would be
taken for a change.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from glmcore.core.errors import ConfigError, GlmcoreError
from glmcore.core.notes import Note
from glmcore.tuning.job_config import (
    JobConfig,
    JobConfigError,
    Place,
    check_files,
    check_job,
    job_fields,
    parse_job,
)
from glmcore.tuning.job_config.checks import USUAL_LEARNING_RATES
from glmcore.tuning.job_config.typed_values import typed_value

STATE_KEY = "new_job"
FIELDS = {entry.name: entry for _, entry in job_fields() if entry.name != "output_dir"}  # the queue sets it
PREFIX = "new_job_"  # of the keys of widgets
# What the draft has beside the fields of a job.
WORDS = ("name", "note", "batch", "template", "has_validation_file")
LONGEST_NAME = 120  # characters

Problems = list[ConfigError]


@dataclass(slots=True)
class Draft:
    """What was filled in so far.

    Attributes:
        values: every field of a job but its folder, typed where what was given can be.
        request_id: starting twice with the same one makes one job.
        parent_id: the job that it was filled from.
        template: the template that it was filled from.
        remarks: what was translated, ignored or left out when it was filled.
        refusals: why it was not filled anew when somebody wanted that.
        versions: how many widgets each field has had.
        first: what the widget of a field that may stay empty began with.
        offered: what the widget of a field offers, as the reader sees it.
        has_validation_file: rows to evaluate on are to come from a file, be it chosen yet or not.
    """

    values: dict[str, Any] = field(default_factory=lambda: default_values())
    name: str = ""
    note: str = ""
    batch: str = ""
    request_id: str = field(default_factory=lambda: new_request_id())
    parent_id: str | None = None
    template: str = ""
    remarks: tuple[Note | GlmcoreError, ...] = ()
    refusals: tuple[GlmcoreError, ...] = ()
    versions: Counter[str] = field(default_factory=Counter)
    first: dict[str, float | None] = field(default_factory=dict)
    offered: dict[str, tuple[str, ...]] = field(default_factory=dict)
    has_validation_file: bool = False

    def key(self, name: str) -> str:
        """The key of the widget of a field."""
        version = self.versions[name]
        return f"{PREFIX}{name}_{version}" if version else PREFIX + name

    def offer(self, name: str, labels: Sequence[str]) -> None:
        """Let a field have a new widget where what is offered, or its language, is not what it was.

        The browser names a choice by its label, and would name one that is not offered any more.
        """
        if self.offered.setdefault(name, tuple(labels)) != tuple(labels):
            self.offered[name] = tuple(labels)
            self.versions[name] += 1

    def set(self, **values: Any) -> None:
        """Take values that come from elsewhere than the widgets of their fields."""
        for name, value in values.items():
            if (typed := _typed(name, value)) != self.values[name]:
                self.take(name, typed)
                self.versions[name] += 1

    def take(self, name: str, value: Any) -> None:
        """Take what the widget of a field was changed to.

        Another method brings its usual learning rate where that was not touched.
        """
        is_usual = self.values["learning_rate"] == self.default("learning_rate")
        self.values[name] = _typed(name, value)
        if name == "method" and is_usual:
            self.reset("learning_rate")

    def reset(self, name: str) -> None:
        """Back to the default of a field."""
        self.set(**{name: self.default(name)})

    def default(self, name: str) -> Any:
        """What a field is while nobody touches it: for the learning rate a matter of the method."""
        usual = USUAL_LEARNING_RATES.get(self.values["method"])
        return usual if name == "learning_rate" and usual else FIELDS[name].default

    def has_meaning(self, name: str) -> bool:
        """Whether the chosen method knows a field; its value waits for the method to be chosen again."""
        method = self.values["method"]
        return method in (FIELDS[name].metadata["methods"] or (method,))

    @property
    def job_name(self) -> str:
        """The name that was given, or one made of method and data."""
        data = self.values["train_file"]
        made = "-".join([str(self.values["method"]), *([getattr(data, "stem", str(data))] if data else [])])
        return (self.name.strip() or made)[:LONGEST_NAME]

    def to_config(
        self, refuse: Callable[[JobConfig], Problems] = lambda job: []
    ) -> tuple[JobConfig | None, Problems, tuple[Note, ...]]:
        """The job as far as its values can be read, all that is wrong, and what looks odd.

        Args:
            refuse: says which fields name what no page may use. Of those nothing else is said: not whether
                there is such a file, nor what lies beside it.
        """
        values = {name: _plain(value) for name, value in self.values.items() if self.has_meaning(name)}
        problems: Problems = []
        unread: set[str] = set()
        try:
            readable = parse_job(values, "").config
        except JobConfigError as error:
            problems = list(error.problems)
            unread = {place_of(problem) for problem in problems}
            readable = parse_job({name: values[name] for name in values.keys() - unread}, "").config
        found, warnings = check_job(readable)
        found += check_files(readable)
        refused = refuse(readable)
        said = unread | {place_of(problem) for problem in refused}
        problems += [problem for problem in found if place_of(problem) not in said]
        problems += [problem for problem in refused if place_of(problem) not in unread]
        return (None if unread else readable), problems, warnings


def draft() -> Draft:
    """The one of this session."""
    kept: Draft = st.session_state.setdefault(STATE_KEY, Draft())
    return kept


def fill(
    values: Mapping[str, Any],
    *,
    name: str,
    parent_id: str | None = None,
    template: str = "",
    remarks: Iterable[Note | GlmcoreError] = (),
) -> None:
    """Begin anew with these values, the rest as by default; one that cannot be is left out and said."""
    fresh, refused = Draft(name=name, parent_id=parent_id, template=template), []
    fresh.versions.update({one: draft().versions[one] + 1 for one in (*FIELDS, *WORDS)})
    for key, value in values.items():
        if key in FIELDS:
            try:
                fresh.values[key] = typed_value(FIELDS[key], _plain(value), Place("", key))
            except ConfigError as problem:
                refused.append(problem)
    if "learning_rate" not in values:
        fresh.values["learning_rate"] = fresh.default("learning_rate")
    fresh.has_validation_file = fresh.values["validation_file"] is not None
    fresh.remarks = (*remarks, *refused)
    st.session_state[STATE_KEY] = fresh


def begin_anew() -> None:
    """An empty form."""
    fill({}, name="")


def new_request_id() -> str:
    return secrets.token_hex(16)


def default_values() -> dict[str, Any]:
    return {name: entry.default for name, entry in FIELDS.items()}


def place_of(problem: ConfigError) -> str:
    """The field that a problem is about; empty where it is about none."""
    place = problem.values.get("place")
    return place.key if isinstance(place, Place) else ""


def _typed(name: str, value: Any) -> Any:
    """As the field wants it; what it cannot take stays as it is, for `to_config` to say."""
    if value is None or value == "":
        return FIELDS[name].default
    try:
        return typed_value(FIELDS[name], _plain(value), Place("", name))
    except ConfigError:
        return value


def _plain(value: Any) -> Any:
    """As a job file says it."""
    return str(value) if isinstance(value, Path) else value
