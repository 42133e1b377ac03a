"""A conversation opened at a message: what is drawn, where it leads, and what it leaves as it was."""

from glmcore.history import Conversation
from glmcore.ui.chat import view
from tests.ui.visits import Server, Visit


def open_at(server: Server, conversation: Conversation, message_id: str) -> Visit:
    visit = Visit(server)
    visit.at.query_params["c"], visit.at.query_params["m"] = conversation.id, message_id
    visit.at.run()
    return visit


def texts(visit: Visit) -> list[str]:
    return [text for text in visit.shown() if text.startswith("text ")]


def test_turns_around_the_message_are_drawn_and_more_on_demand(server: Server, monkeypatch) -> None:
    monkeypatch.setattr(view, "TURNS_AT_ONCE", 3)
    monkeypatch.setattr(view, "BEFORE_FOUND", 2)
    conversation = server.add_conversation(*[f"text {number}" for number in range(20)])
    visit = open_at(server, conversation, server.path()[6].id)
    assert set(texts(visit)) == {f"text {number}" for number in range(4, 10)}
    assert "Show earlier turns (4 messages)" in visit.labels()
    assert visit.at.chat_input(key="question").disabled
    visit.click("show_later")
    assert set(texts(visit)) == {f"text {number}" for number in range(4, 16)}
    visit.click("show_earlier")
    assert "text 0" in texts(visit) and not visit.has("show_earlier")
    visit.click("to_the_end")
    assert "m" not in visit.at.query_params
    assert set(texts(visit)) == {f"text {number}" for number in range(14, 20)}
    assert not visit.at.chat_input(key="question").disabled


def test_message_on_another_branch_is_shown_and_nothing_is_stored(server: Server) -> None:
    conversation = server.add_conversation("One?", "First.", "Two?", "Of the first.")
    question, first = server.path()[:2]
    server.add_answer(conversation, question.id, "Second.")
    shown = server.texts()
    visit = open_at(server, conversation, first.id)
    assert {"First.", "Of the first."} <= set(visit.shown()) and "Second." not in visit.shown()
    assert server.texts() == shown == ["One?", "Second."]
    visit.click(f"next_{first.id}")
    assert "Second." in visit.shown() and server.texts() == shown
    visit.click(f"previous_{server.path()[-1].id}").ask("Three?")
    assert server.texts() == ["One?", "First.", "Two?", "Of the first.", "Three?", "An answer."]
    assert "m" not in visit.at.query_params


def test_message_that_is_not_there_is_said_and_the_end_is_shown(server: Server) -> None:
    conversation = server.add_conversation("One?", "First.")
    other = server.add_conversation("Else?", "Other.")
    for strange in (server.path(other)[0].id, "x" * 3000, "\x00' OR 1=1", ""):
        visit = open_at(server, conversation, strange)
        assert "First." in visit.shown() and visit.says("There is no message")
        assert "m" not in visit.at.query_params and visit.conversation_id == conversation.id
