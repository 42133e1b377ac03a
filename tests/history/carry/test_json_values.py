"""JSON that arrives in pieces: the same values however it is cut, and bounded whatever it holds."""

import json
import random
import time
from typing import Any

import pytest

from glmcore.core.errors import DataError
from glmcore.history.carry import json_values
from glmcore.history.carry.json_values import JsonValues

OURS = '{"format": "x", "other": {"a": [1]}, "list": [{"b": [1, {"c": null}]}, 2, "z"], "after": {"d": []}}'


def values(text: str, size: int = 1 << 16) -> list[Any]:
    reader = JsonValues(("format", "x"), "list")
    data = text.encode()
    found = [value for at in range(0, len(data), size) for value in reader.feed(data[at : at + size])]
    return [*found, *reader.end()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (OURS, [{"b": [1, {"c": None}]}, 2, "z"]),
        (OURS + OURS, [{"b": [1, {"c": None}]}, 2, "z"] * 2),
        (OURS.replace('"x"', '"y"'), [json.loads(OURS.replace('"x"', '"y"'))]),
        ('[{"a": 1.5}, [[], {}], "x", 3] ', [{"a": 1.5}, [[], {}], "x", 3]),
        ('{"a": {"list": [1]}}\n{"b": 2}{"c": []}', [{"a": {"list": [1]}}, {"b": 2}, {"c": []}]),
        ("[] [1]", [1]),
    ],
)
def test_values_are_the_same_however_they_are_cut(text: str, expected: list[Any]) -> None:
    assert all(values(text, size) == expected for size in (1, 2, 3, 7, 1000))


def test_any_json_is_read_as_python_reads_it() -> None:
    chance = random.Random(4)

    def anything(depth: int) -> Any:
        kind = chance.randrange(8 if depth else 5)
        if kind < 5:
            return [None, True, chance.random(), chance.randrange(-(10**12), 10**12), '熊\n\0"x'][kind]
        inner = [anything(depth - 1) for _each in range(chance.randrange(4))]
        return inner if kind == 5 else {str(number): value for number, value in enumerate(inner)}

    for _round in range(100):
        items = [anything(5) for _each in range(3)]
        assert values(json.dumps(items), chance.randrange(1, 50)) == items


def test_a_value_that_is_too_deep_is_passed_over() -> None:
    deep = "[" * 150 + "1" + "]" * 150
    found = values(f'[1, {{"a": {deep}, "b": {{}}}}, 2]', 16)
    assert [found[0], found[2]] == [1, 2] and "more than 100 deep" in str(found[1])


def test_a_value_that_is_too_large_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "MAX_VALUE_BYTES", 1_000)
    found = values(json.dumps([1, ["x" * 50] * 50, 2]), 100)
    assert [found[0], found[2]] == [1, 2] and "split it" in str(found[1])


def test_a_text_without_end_is_given_up_before_it_fills_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "MAX_TEXT_CHARACTERS", 1_000)
    with pytest.raises(DataError, match="more than 1,000 characters"):
        values('["' + "x" * 10_000, 100)


def test_brackets_without_end_are_given_up() -> None:
    with pytest.raises(DataError, match="more than 10000 deep"):
        values("[" * 20_000)


def test_a_long_text_is_read_in_long_pieces() -> None:
    text = "熊" * 1_000_000
    began = time.process_time()
    assert values(json.dumps([text, 1], ensure_ascii=False), 1_000) == [text, 1]
    assert time.process_time() - began < 1


@pytest.mark.parametrize("text", ["[1, 2", '{"a": ', '["x', OURS[:-3]])
def test_a_text_that_ends_too_early_is_told(text: str) -> None:
    with pytest.raises(DataError, match="cut off"):
        values(text)


@pytest.mark.parametrize("text", ["[1 2]", "{1: 2}", "nope", "[NaN]", "]", "[" + "9" * 5000 + "]"])
def test_broken_text_is_told(text: str) -> None:
    with pytest.raises(DataError, match="broken JSON"):
        values(text)
