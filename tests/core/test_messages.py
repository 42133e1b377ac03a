"""Messages: parameters in range, facts that survive the database, speed."""

from typing import Any

import pytest

from glmcore.core.errors import ConfigError
from glmcore.core.messages import PARAM_RANGES, AnswerFacts, GenerationParams, Message, StopReason


@pytest.mark.parametrize("name", PARAM_RANGES)
def test_both_ends_of_a_range_are_allowed(name: str) -> None:
    for value in PARAM_RANGES[name]:
        assert getattr(GenerationParams(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", float("nan")),
        ("temperature", "warm"),
        ("temperature", None),
        ("top_p", 1.01),
        ("top_k", -1),
        ("top_k", 1.5),
        ("max_new_tokens", 0),
        ("max_new_tokens", True),
        ("repetition_penalty", 0.0),
        ("seed", -1),
        ("seed", 2**32),
    ],
)
def test_a_parameter_out_of_range_is_named_with_its_limits(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        GenerationParams(**{name: value})
    low, high = PARAM_RANGES[name]
    assert str(caught.value) == f"{name} is {value!r}; expected a number from {low} to {high}."


def test_an_empty_stop_text_is_refused() -> None:
    with pytest.raises(ConfigError, match="stop is"):
        GenerationParams(stop=("",))


@pytest.mark.parametrize(
    ("params", "greedy"),
    [
        (GenerationParams(temperature=0.0), True),
        (GenerationParams(top_k=1), True),
        (GenerationParams(), False),
        (GenerationParams(top_k=0), False),
    ],
)
def test_greedy_is_temperature_zero_or_one_candidate(params: GenerationParams, greedy: bool) -> None:
    assert params.is_greedy is greedy


def test_params_survive_a_round_trip_through_json() -> None:
    params = GenerationParams(temperature=0.0, seed=7, stop=("\n\n", "用户:"))
    stored = {**params.to_dict(), "stop": list(params.stop), "min_p": 0.05}
    assert GenerationParams.from_dict(stored) == params


def facts(**values: Any) -> AnswerFacts:
    return AnswerFacts(model="m", stop_reason=StopReason.LENGTH, params=GenerationParams(), **values)


def test_facts_survive_a_round_trip_and_ignore_keys_of_a_newer_version() -> None:
    given = facts(
        prompt_tokens=10, completion_tokens=20, seconds=3.0, seconds_to_first_token=0.5, turns_left_out=2
    )
    assert AnswerFacts.from_dict({**given.to_dict(), "colour": "blue"}) == given


def test_speed_counts_the_tokens_after_the_first() -> None:
    assert facts(completion_tokens=11, seconds=3.0, seconds_to_first_token=1.0).tokens_per_second == 5.0


@pytest.mark.parametrize(
    "values",
    [
        {"completion_tokens": 11, "seconds": 3.0},
        {"completion_tokens": 1, "seconds": 3.0, "seconds_to_first_token": 1.0},
        {"completion_tokens": 5, "seconds": 1.0, "seconds_to_first_token": 1.0},
    ],
)
def test_speed_is_unknown_when_there_was_nothing_to_measure(values: dict[str, Any]) -> None:
    assert facts(**values).tokens_per_second is None


def test_messages_are_values() -> None:
    assert Message("user", "hi") == Message("user", "hi")
    assert len({Message("user", "hi"), Message("user", "hi")}) == 1
