"""Common subsequences and n-grams against their definitions."""

import random

from glmcore.tuning.scores.overlap import clipped_matches, lcs_length, ngrams


def lcs_by_table(ours, theirs) -> int:
    above = [0] * (len(theirs) + 1)
    for item in ours:
        row = [0]
        for place, other in enumerate(theirs):
            row.append(above[place] + 1 if item == other else max(above[place + 1], row[-1]))
        above = row
    return above[-1]


def test_random_sequences_have_the_subsequence_of_the_table():
    chance = random.Random(3)
    for _ in range(3000):
        ours, theirs = (chance.choices("abcdef", k=chance.randint(0, 20)) for _ in range(2))
        assert lcs_length(ours, theirs) == lcs_by_table(ours, theirs), (ours, theirs)


def test_subsequence_of_sequences_longer_than_a_machine_word():
    chance = random.Random(4)
    ours, theirs = (chance.choices(range(30), k=length) for length in (500, 700))
    assert lcs_length(ours, theirs) == lcs_by_table(ours, theirs)


def test_subsequence_of_very_long_texts_is_found_at_once():
    assert lcs_length(["a", "b"] * 10_000, ["b", "c"] * 10_000) == 10_000


def test_ngrams_are_none_where_the_order_is_longer_than_the_sequence():
    assert list(ngrams("ab", 3)) == []
    assert list(ngrams("abc", 2)) == [("a", "b"), ("b", "c")]


def test_matches_count_no_ngram_more_often_than_the_other_side_has_it():
    assert clipped_matches("aaaa", "aab", 1) == 2
    assert clipped_matches("aaaa", "aab", 2) == 1
    assert clipped_matches("", "aab", 1) == 0
