from collections.abc import Callable

from glmcore.core.messages import Message
from glmcore.history import StoredMessage
from glmcore.history.training_sets import Dropped
from tests.history.training_sets.teller import Teller

Tell = Callable[..., StoredMessage]


def pairs(teller: Teller) -> set[tuple[str, str]]:
    return {(pair.chosen, pair.rejected) for pair in teller.preview().pairs}


def test_versions_rated_differently_are_a_pair(teller: Teller) -> None:
    question = teller.ask("q1", system="Be brief.")
    for text, judged in [("good", {"thumb": 1}), ("bad", {"thumb": -1}), ("unknown", {})]:
        teller.answer(question, text, **judged)
    (pair,) = teller.preview().pairs
    assert pair.prompt == (Message("system", "Be brief."), Message("user", "q1"))
    assert (pair.chosen, pair.rejected) == ("good", "bad")


def test_stars_tell_where_thumbs_do_not(teller: Teller) -> None:
    question = teller.ask("q1")
    teller.answer(question, "five", stars=5, thumb=1)
    teller.answer(question, "three", stars=3, thumb=1)
    teller.answer(question, "also three", stars=3)
    teller.answer(question, "down", stars=5, thumb=-1)
    assert pairs(teller) == {
        ("five", "three"),
        ("five", "also three"),
        ("five", "down"),
        ("three", "down"),
        ("down", "also three"),
    }


def test_a_repair_is_better_than_its_answer(teller: Teller, tell: Tell) -> None:
    first = tell("q1", "wrong", thumb=-1, repair="right")
    teller.answer(teller.ask("q2", first), "poor", repair="rich")
    assert pairs(teller) == {("right", "wrong"), ("rich", "poor")}
    assert [each.content for each in teller.preview().pairs[1].prompt] == ["q1", "right", "q2"]


def test_answers_to_different_questions_are_no_pair(teller: Teller, tell: Tell) -> None:
    tell("q1", "good", thumb=1)
    tell("q2", "bad", thumb=-1)
    assert pairs(teller) == set()


def test_the_same_pair_in_two_conversations_counts_once(teller: Teller, tell: Tell) -> None:
    for _ in range(2):
        tell("q1", "wrong", thumb=-1, repair="right")
    assert teller.preview().tally.num_pairs == 1


def test_pairs_of_what_is_kept_for_the_test_are_left_out(teller: Teller, tell: Tell) -> None:
    for number in range(20):
        tell(f"q{number}", "wrong", repair="right")
    found = teller.preview(test=0.5).tally
    assert 0 < found.lines["test.jsonl"] == found.dropped[Dropped.KEPT_FOR_TEST] < 20
    assert found.num_pairs == found.lines["train.jsonl"]


def test_a_pair_with_too_long_a_prompt_is_left_out(teller: Teller, tell: Tell) -> None:
    tell("q" * 200, "wrong", repair="right")
    found = teller.preview(max_chars=100).tally
    assert found.num_pairs == 0
    assert found.dropped == {Dropped.TOO_LONG: 2}
