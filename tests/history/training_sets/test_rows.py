from collections.abc import Callable

import pytest

from glmcore.core.messages import StopReason
from glmcore.history import ConversationFilter, StoredMessage
from glmcore.history.training_sets import Dropped, TrainingSetChoice, preview
from tests.history.training_sets.teller import Teller

Tell = Callable[..., StoredMessage]


def test_good_answers_of_one_branch_are_one_row_with_its_system_prompt(teller: Teller) -> None:
    first = teller.answer(teller.ask("q1", system="Be brief."), "a1", thumb=1)
    teller.answer(teller.ask("q2", first), "a2", stars=5)
    found = teller.preview()
    assert teller.rows() == [["Be brief.", "q1", "a1", "q2", "a2"]]
    assert [each.role for each in found.rows[0].messages[:3]] == ["system", "user", "assistant"]
    assert found.tally.counts == {"conversations": 1, "answers": 2, "rows": 1, "pairs": 0}


def test_an_answer_judged_bad_is_never_taught_but_told_in_the_next_question(teller: Teller) -> None:
    first = teller.answer(teller.ask("q1"), "good", thumb=1)
    second = teller.answer(teller.ask("q2", first), "bad", thumb=-1)
    third = teller.answer(teller.ask("q3", second), "fine", thumb=1)
    teller.answer(teller.ask("q4", third), "better", thumb=1)
    told = "User: q1\n\nAssistant: good\n\nUser: q2\n\nAssistant: bad\n\nUser: q3"
    assert teller.rows() == [["q1", "good"], [told, "fine", "q4", "better"]]
    assert teller.preview().tally.dropped == {Dropped.JUDGED_DOWN: 1}


def test_a_repair_is_taught_in_place_of_the_answer(teller: Teller) -> None:
    first = teller.answer(teller.ask("q1"), "wrong", thumb=-1, repair="right")
    teller.answer(teller.ask("q2", first), "a2", thumb=1)
    assert teller.rows() == [["q1", "right", "q2", "a2"]]
    assert teller.rows(kinds=("up",)) == [["User: q1\n\nAssistant: right\n\nUser: q2", "a2"]]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (("up",), ["up"]),
        (("stars",), ["stars"]),
        (("repaired",), ["repair"]),
        (("unrated",), ["plain", "remarked"]),
        (("up", "unrated"), ["up", "plain", "remarked"]),
    ],
)
def test_an_answer_of_a_chosen_kind_is_taught(
    teller: Teller, tell: Tell, kinds: tuple[str, ...], expected: list[str]
) -> None:
    tell("q1", "up", thumb=1)
    tell("q2", "stars", stars=4)
    tell("q3", "few stars", stars=3)
    tell("q4", "x", repair="repair")
    tell("q5", "plain")
    tell("q6", "remarked", comment="hm")
    tell("q7", "reasoned", reason="wrong_facts")
    assert [row[-1] for row in teller.rows(kinds=kinds)] == expected


def test_an_answer_that_was_cut_off_is_taught_only_when_it_was_judged_good(teller: Teller) -> None:
    for number, stop in enumerate([StopReason.LENGTH, StopReason.CANCELLED, StopReason.INTERRUPTED]):
        teller.answer(teller.ask(f"q{number}"), "half", stop)
    teller.answer(teller.ask("q3"), "short", StopReason.LENGTH, thumb=1)
    running = teller.ask("q4")
    teller.store.messages.start_answer("ann", running.conversation_id, running.id, content="so far")
    found = teller.preview(kinds=("up", "unrated"))
    assert [row.messages[-1].content for row in found.rows] == ["short"]
    assert found.tally.dropped == {Dropped.UNFINISHED: 4}


def test_every_branch_of_a_conversation_is_looked_at(teller: Teller) -> None:
    question = teller.ask("q1")
    first = teller.answer(question, "a1", thumb=1)
    teller.answer(question, "b1", thumb=1)
    teller.answer(teller.ask("q2", first), "a2", thumb=1)
    assert sorted(teller.rows()) == [["q1", "a1", "q2", "a2"], ["q1", "b1"]]


def test_blank_answers_are_left_out_as_if_they_had_not_been_given(teller: Teller) -> None:
    first = teller.answer(teller.ask("q1"), "a1", thumb=1)
    failed = teller.answer(teller.ask("q2", first), " ", StopReason.ERROR)
    teller.answer(teller.ask("q3", failed), "a3", thumb=1)
    assert teller.rows() == [["q1", "a1", "q2", "q3", "a3"]]
    assert teller.preview().tally.dropped == {Dropped.EMPTY: 1}


def test_rows_that_differ_in_capitals_blanks_and_width_are_one(teller: Teller, tell: Tell) -> None:
    tell("What is GLM?", "A model.", thumb=1)
    tell(" what  is\nＧＬＭ? ", "a MODEL.", thumb=1)
    found = teller.preview()
    assert len(found.rows) == 1
    assert found.tally.dropped == {Dropped.DUPLICATE: 1}
    assert found.tally.num_conversations == 1


def test_a_row_beyond_the_limit_is_left_out(teller: Teller, tell: Tell) -> None:
    tell("q" * 60, "a" * 60, thumb=1)
    tell("q", "a" * 60, thumb=1)
    found = teller.preview(max_chars=100)
    assert [row.num_chars for row in found.rows] == [61]
    assert found.tally.dropped == {Dropped.TOO_LONG: 1}


def test_the_filter_says_which_conversations(teller: Teller, tell: Tell) -> None:
    tagged = tell("q1", "a1", thumb=1)
    tell("q2", "a2", thumb=1)
    teller.store.tags.add("ann", [tagged.conversation_id], "good")
    assert teller.rows(filter=ConversationFilter(tags=("good",))) == [["q1", "a1"]]
    assert preview(teller.store, "bob", TrainingSetChoice()).rows == ()


def test_a_long_conversation_with_many_bad_answers_takes_no_longer_than_its_rows(teller: Teller) -> None:
    at = teller.answer(teller.ask("q"), "a")
    for number in range(40):
        at = teller.answer(teller.ask(f"q{number}", at), "a", thumb=1 if number % 2 else -1)
    found = teller.preview(max_chars=200)
    assert found.tally.num_rows + found.tally.dropped[Dropped.TOO_LONG] == 20
    assert 0 < found.tally.num_rows < 20
