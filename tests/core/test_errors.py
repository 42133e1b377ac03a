"""Errors: one sentence in English, the template and its values kept for a translation."""

import json

import pytest

from glmcore.core import errors

KINDS = errors.GlmcoreError.__subclasses__()


@pytest.mark.parametrize("kind", KINDS)
def test_text_of_an_error_is_its_template_filled_in(kind: type[errors.GlmcoreError]) -> None:
    fault = kind("{path}: found {count} rows; expected one.", path="a.json", count=3)
    assert str(fault) == "a.json: found 3 rows; expected one."
    assert (fault.template, fault.values["count"]) == ("{path}: found {count} rows; expected one.", 3)


def test_braces_in_a_value_are_not_read_as_placeholders() -> None:
    assert str(errors.DataError("Cannot read {text!r}.", text="{oops} %s")) == "Cannot read '{oops} %s'."


def test_an_error_inside_another_one_can_be_stored_and_said_again() -> None:
    cause = errors.DataError("{path} is empty.", path="{a}.csv")
    fault = errors.JobError("{cause} Nothing was started, says {who}.", cause=cause, who=OSError("disk"))
    stored = json.loads(json.dumps(fault.to_dict()))
    again = errors.JobError.from_dict(stored)
    assert str(again) == str(fault) == "{a}.csv is empty. Nothing was started, says disk."
    assert again.values["cause"].template == "{path} is empty."


def test_each_error_is_also_the_kind_that_python_callers_expect() -> None:
    assert issubclass(errors.ConfigError, ValueError)
    assert issubclass(errors.NotFoundError, KeyError)
    assert issubclass(errors.EngineError, RuntimeError)
