"""One value of a job, from text, JSON or a form, as its field wants it.

The field decides what a text means, not the YAML: `2e-4` is a number where one is wanted, `no` a text.
"""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import Field
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark
from glmcore.tuning.job_config.fields import Method
from glmcore.tuning.job_config.problems import Place, shown

TRUTH = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
LARGEST_WHOLE = 2**63 - 1


def typed_value(entry: Field[Any], value: Any, place: Place) -> Any:
    """The value for the field.

    Raises:
        ConfigError: it is of another kind, not among the choices, or out of range.
    """
    if isinstance(value, Mapping):
        raise ConfigError("{place}: found keys below it; a job file is flat, without sections.", place=place)
    is_optional = type(None) in get_args(entry.type)
    if value is None and (is_optional or entry.default in ("", ())):
        return None if is_optional else entry.default
    try:
        typed = READERS[_kind(entry)](value)
    except ValueError as fault:
        raise ConfigError(
            "{place}: found {value}, expected {expected} ({help}).",
            place=place,
            value=shown(value),
            expected=str(fault),
            help=entry.metadata["help"],
        ) from None
    _check_choice(entry, typed, place)
    _check_range(entry, typed, place)
    return typed


def _kind(entry: Field[Any]) -> Any:
    """The type of a field, without the None that it may also be."""
    return get_args(entry.type)[0] if get_origin(entry.type) is UnionType else entry.type


def _check_choice(entry: Field[Any], typed: Any, place: Place) -> None:
    choices = entry.metadata["choices"]
    if choices and typed not in choices:
        raise ConfigError(
            "{place}: found {value}, expected one of {choices} ({help}).",
            place=place,
            value=shown(typed),
            choices=", ".join(map(str, choices)),
            help=entry.metadata["help"],
        )


def _check_range(entry: Field[Any], typed: Any, place: Place) -> None:
    low, high = entry.metadata["low"], entry.metadata["high"]
    if (low is None or typed >= low) and (high is None or typed <= high):
        return
    values = {"place": place, "value": shown(typed), "low": _round(low), "help": entry.metadata["help"]}
    if high is None:
        raise ConfigError("{place}: found {value}, expected {low} or more ({help}).", **values)
    raise ConfigError(
        "{place}: found {value}, expected {low} to {high} ({help}).", high=_round(high), **values
    )


def _round(bound: float) -> float:
    return int(bound) if bound == int(bound) else bound


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(mark("a text"))
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError(mark("a text of whole characters"))
    return value


def _path(value: Any) -> Path:
    if not _text(value).strip():
        raise ValueError(mark("a path"))
    return Path(os.path.expanduser(value))


def _names(value: Any) -> tuple[str, ...]:
    """A list, or a text with commas."""
    parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) and part for part in parts):
        raise ValueError(mark("a list of names"))
    return tuple(map(_text, parts))


def _number(value: Any, expected: str = mark("a number")) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(expected)
    return number


def _whole(value: Any) -> int:
    """A whole number, also as 1e4 or 3000.0, exactly."""
    expected = mark("a whole number")
    number = _number(value, expected)
    if number != int(number) or abs(number) > LARGEST_WHOLE:
        raise ValueError(expected)
    try:
        return int(value)
    except ValueError:
        return int(number)


def truth(value: Any) -> bool:
    """True or false, also as the words that YAML knows.

    Raises:
        ValueError: what was expected.
    """
    found = TRUTH.get(str(value).lower())
    if found is None:
        raise ValueError(mark("true or false"))
    return found


READERS: Mapping[Any, Callable[[Any], Any]] = {
    str: _text,
    Method: _text,
    Path: _path,
    int: _whole,
    float: _number,
    bool: truth,
    tuple[str, ...]: _names,
}
