"""From another program's messages to our tree."""

import pytest

from glmcore.core.errors import DataError
from glmcore.core.messages import Role
from glmcore.history.carry import nodes as nodes_module
from glmcore.history.carry.nodes import Node, Told, conversation_of, kept_model, kept_tags, parents_first
from glmcore.history.whole import WholeConversation


def node(key: str, parent: str | None, role: Role | None, at: float | None = None) -> Node:
    return Node(key=key, parent=parent, role=role, content=key, created_at=at)


def edges(whole: WholeConversation) -> list[tuple[str | None, str]]:
    said = {message.id: message.content for message in whole.messages}
    return [(said.get(message.parent_id or ""), message.content) for message in whole.messages]


def test_messages_come_in_the_order_of_their_times_but_after_what_they_follow() -> None:
    nodes = [
        node("c", "a", "assistant", 9.0),
        node("b", "a", "assistant", 5.0),
        node("d", "b", "user", 1.0),  # a clock set back
        node("a", None, "user", 3.0),
        node("e", "d", "assistant"),
    ]
    assert [each.key for each in parents_first(nodes)] == ["a", "b", "d", "e", "c"]


def test_what_is_passed_over_leaves_no_gap_and_may_be_the_shown_one() -> None:
    nodes = [node("q", None, "user"), node("tool", "q", None), node("a", "tool", "assistant")]
    whole = conversation_of([*nodes, node("end", "a", None)], Told(shown="end"))
    assert edges(whole) == [(None, "q"), ("q", "a")]
    assert whole.conversation.leaf_id == whole.messages[1].id


def test_an_answer_that_goes_on_is_made_one_unless_it_has_versions() -> None:
    nodes = [
        node("q", None, "user"),
        node("a", "q", "assistant"),
        node("b", "a", "assistant"),
        node("c", "b", "assistant"),
        node("r", "c", "user"),
        node("x", "r", "assistant"),
        node("y", "x", "assistant"),
        node("z", "x", "assistant"),
    ]
    whole = conversation_of(nodes, Told(shown="c"), joins_answers=True)
    assert edges(whole)[:3] == [(None, "q"), ("q", "a\n\nb\n\nc"), ("a\n\nb\n\nc", "r")]
    assert edges(whole)[3:] == [("r", "x"), ("x", "y"), ("x", "z")]
    assert whole.branch()[-1].content == "a\n\nb\n\nc"


def test_a_long_branch_is_no_trouble_and_one_that_is_too_long_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nodes_module, "MAX_MESSAGES", 10_000)
    nodes = [
        Node(key=str(n), parent=str(n - 1) if n else None, role=("user", "assistant")[n % 2], content="x")
        for n in range(10_001)
    ]
    assert len(conversation_of(nodes[:-1], Told()).messages) == 10_000
    with pytest.raises(DataError, match="10,001 in one conversation"):
        conversation_of(nodes, Told())


def test_two_messages_with_one_id_are_refused() -> None:
    with pytest.raises(DataError, match="same id"):
        parents_first([node("a", None, "user"), node("a", None, "user")])


def test_times_that_are_missing_are_those_of_the_message_before() -> None:
    whole = conversation_of([node("q", None, "user", 5.0), node("a", "q", "assistant")], Told())
    assert [message.created_at for message in whole.messages] == [5.0, 5.0]
    assert (whole.conversation.created_at, whole.conversation.updated_at) == (5.0, 5.0)


def test_names_are_made_fit() -> None:
    assert kept_model(None) == kept_model(" ") == "unknown" and kept_model("a\n b") == "a b"
    assert kept_tags([" b  c ", "", "a", "a", "x" * 50]) == ("a", "b c", "x" * 40)
