"""Rows that stand twice in the data, letter for letter or nearly."""

import random

import numpy as np
import pytest

from glmcore.tuning.data import near_duplicates
from glmcore.tuning.data.near_duplicates import DuplicateCounter, Duplicates, signatures


def made_text(seed: int, length: int = 200, first: str = "a", last: str = "z") -> str:
    chance = random.Random(seed)
    return "".join(chr(chance.randint(ord(first), ord(last))) for _ in range(length))


def changed(text: str, num_changes: int, seed: int = 0) -> str:
    letters, chance = list(text), random.Random(seed)
    for place in chance.sample(range(len(letters)), num_changes):
        letters[place] = "#"
    return "".join(letters)


def likeness(one: str, other: str) -> float:
    first, second = ({text[i : i + 5] for i in range(len(text) - 4)} for text in (one, other))
    return len(first & second) / len(first | second)


def counted(validation: list[str], training: list[str]) -> Duplicates:
    counter = DuplicateCounter()
    for number, text in enumerate(validation, start=1):
        counter.add_validation(number, text)
    for number, text in enumerate(training, start=1001):
        counter.add_training(number, text)
    return counter.count()


def test_signatures_agree_as_often_as_texts_are_alike():
    pairs = [(made_text(seed), changed(made_text(seed), seed % 20)) for seed in range(200)]
    firsts, seconds = (signatures(texts) for texts in zip(*pairs, strict=True))
    faults = (firsts == seconds).mean(axis=1) - [likeness(*pair) for pair in pairs]
    assert abs(faults.mean()) < 0.02
    assert faults.std() < 0.08


def test_signature_does_not_depend_on_the_batch_or_on_blocks(monkeypatch):
    texts = [made_text(seed, length) for seed, length in enumerate((0, 1, 4, 5, 6, 200, 999))]
    together = signatures(texts)
    monkeypatch.setattr(near_duplicates, "BLOCK", 10)
    assert np.array_equal(np.concatenate([signatures([text]) for text in texts]), together)
    assert len(np.unique(together, axis=0)) == len(texts)


def test_nearly_equal_rows_are_found_and_others_are_not():
    chinese = [made_text(seed, 200, "一", "龥") for seed in range(40)]
    english = [made_text(seed, 200) for seed in range(40)]
    found = counted(
        [*chinese, *english],
        [*(changed(text, 2) for text in chinese[:20]), *(text[:100] for text in english), english[7].upper()],
    )
    assert found.near == 21


def test_examples_are_the_first_pairs_of_row_numbers():
    texts = [made_text(seed) for seed in range(20)]
    found = counted(texts, [made_text(99), changed(texts[3], 1), texts[3], texts[5], *texts[10:]])
    assert found.near == 12
    assert found.examples[:2] == ((1002, 4), (1004, 6))
    assert len(found.examples) == 5


def test_equal_rows_are_counted_in_each_set():
    found = counted(["a", "b", "a", "a"], ["b", "b", "c", "B"])
    assert (found.in_training, found.in_validation) == (1, 2)
    assert found.near == 1
    assert counted(["a", "b", "a", "a"], ["a"]).near == 3


def test_short_rows_are_alike_only_if_equal():
    assert counted(["1+1\n2", "2+2\n4", "", "\ud83d"], ["1+1\n3", "3+3\n6", "\ud83d"]).near == 1


@pytest.mark.parametrize(("validation", "training"), [([], ["a", "a"]), (["a", "a"], []), ([], [])])
def test_one_set_alone_has_no_near_duplicates(validation, training):
    found = counted(validation, training)
    assert (found.near, found.examples) == (0, ())
    assert (found.in_training, found.in_validation) == (
        max(len(training) - 1, 0),
        max(len(validation) - 1, 0),
    )


def test_batches_make_no_difference(monkeypatch):
    texts = [made_text(seed, 50) for seed in range(60)]
    training = [changed(text, seed % 3) for seed, text in enumerate(texts)]
    at_once = counted(texts, training)
    monkeypatch.setattr(near_duplicates, "BATCH_ROWS", 7)
    assert counted(texts, training).near == at_once.near > 0
    assert counted(texts, training) == counted(texts, training)


def test_rows_of_one_template_are_not_compared_all_with_all(monkeypatch):
    compared = []
    real = near_duplicates._Index._candidates
    monkeypatch.setattr(
        near_duplicates._Index,
        "_candidates",
        lambda *given: compared.append(len(real(*given))) or real(*given),
    )
    template = made_text(1, 500)
    found = counted([f"{template}{n}" for n in range(300)], [f"{template}{n}" for n in range(300, 600)])
    assert found.near > 0
    assert max(compared) <= near_duplicates.BATCH_ROWS * near_duplicates.MOST_CANDIDATES


def test_validation_rows_come_first():
    counter = DuplicateCounter()
    counter.add_validation(1, "a")
    counter.add_training(2, "a")
    counter.count()
    with pytest.raises(AssertionError, match="validation rows come before"):
        counter.add_validation(3, "b")
