"""The filter of runs: words of their names and values of their configs.

`lora "batch 8" -old lora_rank=8 learning_rate<1e-4` keeps the runs for which all of it is so. `key=` alone
asks whether the config has the name, `key!=` whether it has not.
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.curves.numbers import parse_number
from glmcore.curves.run import ConfigValue

LONGEST_QUERY = 1000  # letters

_TERM = re.compile(
    r'\s*(?P<minus>-?)(?:"(?P<phrase>[^"]*)"'
    r'|(?P<key>[^\s"=<>!]*)(?P<sign>!=|<=|>=|=|<|>)(?:"(?P<quoted>[^"]*)"|(?P<value>[^\s"]*))'
    r'|(?P<word>[^\s"]+))(?=\s|$)'
)
_OPPOSITE = {"=": "!=", "!=": "=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_SENTENCES: Mapping[str, str] = {
    "has": mark("the name contains “{value}”"),
    "has not": mark("the name does not contain “{value}”"),
    "is set": mark("{key} is set"),
    "is not set": mark("{key} is not set"),
    "=": mark("{key} is {value}"),
    "!=": mark("{key} is not {value}"),
    "<": mark("{key} is less than {value}"),
    "<=": mark("{key} is at most {value}"),
    ">": mark("{key} is more than {value}"),
    ">=": mark("{key} is at least {value}"),
}


@dataclass(frozen=True, slots=True)
class _Term:
    """One condition; `kind` is a key of `_SENTENCES`."""

    kind: str
    key: str
    value: str

    def is_true(self, name: str, config: Mapping[str, ConfigValue]) -> bool:
        if self.kind in ("has", "has not"):
            return (self.value.casefold() in name.casefold()) == (self.kind == "has")
        found = self.key if self.key in config else _by_any_case(self.key, config)
        if self.kind in ("is set", "is not set"):
            return (found is not None) == (self.kind == "is set")
        if self.kind in ("=", "!="):
            return (found is not None and _is_same(config[found], self.value)) == (self.kind == "=")
        number = None if found is None else parse_number(config[found])
        wanted = parse_number(self.value)
        return number is not None and wanted is not None and _ORDER[self.kind](number, wanted)


def matches(query: str, name: str, config: Mapping[str, ConfigValue]) -> bool:
    """Whether a run is kept; an empty query keeps all.

    Raises:
        ConfigError: the query cannot be understood.
    """
    return all(term.is_true(name, config) for term in _parse(query))


def explain_query(query: str) -> tuple[Note, ...]:
    """What a query asks, a part of a sentence for each condition.

    Raises:
        ConfigError: the query cannot be understood.
    """
    return tuple(
        Note(_SENTENCES[term.kind], {"key": term.key, "value": term.value}) for term in _parse(query)
    )


def value_text(value: ConfigValue) -> str:
    """A value as it is shown and compared."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


@lru_cache(maxsize=64)  # it is asked for every run
def _parse(query: str) -> tuple[_Term, ...]:
    query = query.strip()
    if len(query) > LONGEST_QUERY:
        raise ConfigError(
            "The filter has {size} letters; at most {most}.", size=len(query), most=LONGEST_QUERY
        )
    terms, at = [], 0
    while at < len(query):
        found = _TERM.match(query, at)
        if found is None:
            raise ConfigError(
                "The filter cannot be read from here: {rest}; a quotation mark needs a second one, and a "
                "blank between it and the next word.",
                rest=query[at:].strip()[:60],
            )
        terms.append(_term(found))
        at = found.end()
    return tuple(terms)


def _term(found: re.Match[str]) -> _Term:
    part, sign, is_not = found[0].strip(), found["sign"], bool(found["minus"])
    if sign is None:
        value = found["phrase"] if found["phrase"] is not None else found["word"]
        if value == "-":
            raise ConfigError("In the filter, - needs a word after it that the names must not hold.")
        return _Term("has not" if is_not else "has", "", value)
    value = found["quoted"] if found["quoted"] is not None else found["value"]
    if not found["key"]:
        raise ConfigError(
            "The filter {part} needs the name of a setting before {sign}, as in lora_rank{sign}8.",
            part=part,
            sign=sign,
        )
    if sign in _ORDER and parse_number(value) is None:
        raise ConfigError(
            "The filter {part} needs a number after {sign}, as in lora_rank{sign}8.", part=part, sign=sign
        )
    sign = _OPPOSITE[sign] if is_not else sign
    if not value and found["quoted"] is None:
        return _Term("is set" if sign == "=" else "is not set", found["key"], "")
    return _Term(sign, found["key"], value)


def _by_any_case(key: str, config: Mapping[str, ConfigValue]) -> str | None:
    wanted = key.casefold()
    return next((name for name in config if name.casefold() == wanted), None)


def _is_same(value: ConfigValue, text: str) -> bool:
    """As numbers where both are some; `nan` is `nan`."""
    number, wanted = parse_number(value), parse_number(text)
    if number is not None and wanted is not None:
        return number == wanted or (number != number and wanted != wanted)
    return value_text(value).casefold() == text.casefold()
