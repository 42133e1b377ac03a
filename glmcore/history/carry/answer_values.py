"""Parameters, facts and judgements of our own form, read back from a file that anybody may have changed."""

import re
import string
from typing import Any

from glmcore.core.errors import ConfigError, DataError, GlmcoreError
from glmcore.core.i18n import mark
from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history.carry.fields import Fields
from glmcore.history.judgements import checked, is_blank
from glmcore.history.records import Judgement

JUDGED = ("thumb", "stars", "reason", "comment", "repair")
_HARMLESS_FORMAT = re.compile(r",?(\.\d)?[dfg%]?")  # a wide one would write gigabytes of spaces
_ERROR_CHARACTERS = 10_000


def read_params(of: Fields, name: str) -> GenerationParams | None:
    inner = of.optional_inner(name)
    if inner is None:
        return None
    if "stop" in inner.values:
        inner.list("stop")
    try:
        return GenerationParams.from_dict(inner.values)
    except ConfigError as fault:
        raise DataError("{field}: {fault}", field=inner.at, fault=fault) from fault


def read_facts(of: Fields, name: str) -> AnswerFacts | None:
    inner = of.optional_inner(name)
    if inner is None:
        return None
    reason = inner.text("stop_reason")
    if reason not in set(StopReason):
        raise inner.wrong("stop_reason", mark("why the answer ended, such as 'end' or 'length'"))
    return AnswerFacts(
        model=inner.text("model"),
        stop_reason=StopReason(reason),
        params=read_params(inner, "params") or GenerationParams(),
        prompt_tokens=inner.count("prompt_tokens"),
        completion_tokens=inner.count("completion_tokens"),
        seconds=inner.number("seconds") or 0.0,
        seconds_to_first_token=inner.number("seconds_to_first_token"),
        turns_left_out=inner.count("turns_left_out"),
        adapter=inner.optional_text("adapter"),
        error=_read_error(inner, "error"),
        engine=inner.optional_text("engine") or "",  # older files do not tell
    )


def read_judgement(of: Fields, name: str, message_id: str, answer: str) -> Judgement | None:
    inner = of.optional_inner(name)
    if inner is None:
        return None
    try:
        judgement = checked(
            Judgement(
                message_id=message_id,
                thumb=inner.values.get("thumb"),
                stars=inner.values.get("stars"),
                reason=inner.values.get("reason"),
                comment=inner.optional_text("comment"),
                repair=inner.optional_text("repair"),
                judged_at=inner.seconds("judged_at") or 0.0,
            ),
            answer,
        )
    except DataError as fault:
        raise DataError("{field}: {fault}", field=inner.at, fault=fault) from fault
    return None if is_blank(judgement) else judgement


def _read_error(of: Fields, name: str) -> dict[str, Any] | None:
    """A stored error; its template is filled in when it is shown, so a harmful one is not taken."""
    inner = of.optional_inner(name)
    if inner is None:
        return None
    if not _can_be_said(inner.values):
        raise of.wrong(name, mark("an error as this program writes it"))
    return inner.values


def _can_be_said(stored: dict[str, Any]) -> bool:
    template, values = stored.get("template"), stored.get("values")
    if not isinstance(template, str) or not isinstance(values, dict) or len(template) > _ERROR_CHARACTERS:
        return False
    if not all(_is_plain(value) for value in values.values()):
        return False
    try:
        parts = list(string.Formatter().parse(template))
        named = [(field, form or "") for _text, field, form, _conversion in parts if field is not None]
        if not all(field.isidentifier() and _HARMLESS_FORMAT.fullmatch(form) for field, form in named):
            return False
        str(GlmcoreError.from_dict(stored))
    except (ValueError, KeyError, TypeError):
        return False
    return True


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return _can_be_said(value)
    return isinstance(value, (str, int, float))
