"""The sidebar's list: open, rename, delete, and titles that are no Markdown."""

import threading

import pytest
from streamlit.testing.v1 import AppTest

from glmcore.core.errors import NotFoundError, StorageError
from glmcore.core.messages import StopReason
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.history import Conversation
from glmcore.ui import conversation_list, transcript
from tests.fakes import FakeEngine
from tests.ui.visits import OWNER, Server, Visit


def open_dialog(kind: str, conversation: Conversation) -> AppTest:
    """A page that shows a dialog in every run, as the browser does until it is closed."""

    def page(kind: str, conversation_id: str) -> None:
        import streamlit as st

        from glmcore.core.errors import NotFoundError
        from glmcore.ui import conversation_list, services
        from glmcore.ui.session import OWNER

        shared = services.services()
        try:
            conversation = shared.history.conversations.get(OWNER, conversation_id)
        except NotFoundError:
            st.text("gone")
        else:
            getattr(conversation_list, kind)(shared, conversation)

    at = AppTest.from_function(page, args=(kind, conversation.id), default_timeout=20)
    at.query_params["c"] = conversation.id
    return at.run()


def click(at: AppTest, label: str) -> AppTest:
    return next(button for button in at.button if button.label == label).click().run()


def test_latest_conversation_comes_first_and_a_click_opens_one(server: Server) -> None:
    first = server.add_conversation("First?", "Yes.")
    second = server.add_conversation("Second?", "No.")
    visit = Visit(server)
    keys = [button.key for button in visit.at.button if (button.key or "").startswith("open_")]
    assert keys == [f"open_{second.id}", f"open_{first.id}"]
    visit.click(f"open_{first.id}")
    assert visit.conversation_id == first.id
    assert "First?" in visit.shown() and "Second?" not in visit.shown()


def test_new_chat_leaves_the_conversation(server: Server) -> None:
    visit = Visit(server, server.add_conversation("First?", "Yes."))
    visit.click("new_chat")
    assert visit.conversation_id is None
    assert "What would you like to know?" in visit.shown()


def test_more_conversations_are_shown_on_demand(server: Server) -> None:
    for number in range(conversation_list.PAGE_SIZE + 3):
        server.add_conversation(f"Question {number}")
    visit = Visit(server)

    def count() -> int:
        return sum((button.key or "").startswith("open_") for button in visit.at.button)

    assert count() == conversation_list.PAGE_SIZE
    visit.click("more_conversations")
    assert count() == conversation_list.PAGE_SIZE + 3
    assert not visit.has("more_conversations")


def test_title_is_shown_as_typed(server: Server) -> None:
    typed = "![x](http://x/y.png) **b** :red[r] $5"
    conversation = server.add_conversation(typed)
    label = Visit(server).at.button(key=f"open_{conversation.id}").label
    assert label.replace("\\", "") == typed
    assert "\\!\\[x\\]\\(" in label and "\\*\\*b" in label


def test_conversation_without_a_title_is_still_listed(server: Server) -> None:
    conversation = server.add_conversation()
    assert Visit(server).at.button(key=f"open_{conversation.id}").label == "Untitled"


def test_rename(server: Server) -> None:
    conversation = server.add_conversation("First?")
    at = open_dialog("_rename", conversation)
    assert at.text_input[0].value == "First?"
    at.text_input[0].set_value("  Named  ").run()
    click(at, "Save")
    assert server.conversations()[0].title == "Named"


def test_rename_to_nothing_is_not_offered(server: Server) -> None:
    at = open_dialog("_rename", server.add_conversation("First?"))
    at.text_input[0].set_value("   ").run()
    assert at.button[0].disabled


def test_delete_after_asking(server: Server) -> None:
    conversation = server.add_conversation("First?", "Yes.")
    at = click(open_dialog("_delete", conversation), "Delete")
    with pytest.raises(NotFoundError):
        server.services.history.conversations.get(OWNER, conversation.id)
    assert "c" not in at.query_params
    assert at.text[0].value == "gone"


def test_keep_keeps(server: Server) -> None:
    conversation = server.add_conversation("First?", "Yes.")
    at = click(open_dialog("_delete", conversation), "Keep")
    assert server.texts(conversation) == ["First?", "Yes."]
    assert at.query_params["c"] == conversation.id


def test_deleting_a_conversation_leaves_another_one_open(server: Server) -> None:
    doomed, other = server.add_conversation("First?"), server.add_conversation("Second?")
    at = open_dialog("_delete", doomed)
    at.query_params["c"] = other.id
    click(at, "Delete")
    assert at.query_params["c"] == other.id
    assert [conversation.id for conversation in server.conversations()] == [other.id]


def test_store_that_fails_is_said_in_the_dialog(server: Server, monkeypatch) -> None:
    def fail(*args: object) -> None:
        raise StorageError("The disk is full.")

    at = open_dialog("_rename", server.add_conversation("First?"))
    monkeypatch.setattr(server.services.history.conversations, "rename", fail)
    click(at, "Save")
    assert "disk is full" in at.error[0].value and not at.exception


def test_deleting_stops_the_answer(server: Server) -> None:
    server.engine = FakeEngine(["one two"], gate=threading.Semaphore(0))
    conversation = server.add_conversation("First?")
    running = start_answer(server, conversation)
    click(open_dialog("_delete", conversation), "Delete")
    server.wait_for_answers()
    facts = running.snapshot().facts
    assert facts is not None and facts.stop_reason == StopReason.CANCELLED


def start_answer(server: Server, conversation: Conversation):
    from glmcore.core.messages import GenerationParams
    from glmcore.ui.asking import AnswerOptions, answer

    question = server.path(conversation)[-1]
    answer(server.services, question, conversation, AnswerOptions(EMBEDDED_MODEL, GenerationParams(), ""))
    running = server.services.answers.get(server.path(conversation)[-1].id)
    assert running is not None
    return running


def test_menu_rests_while_an_answer_is_drawn(server: Server, monkeypatch) -> None:
    monkeypatch.setattr(transcript, "draw_until_done", lambda *arguments: transcript.st.stop())
    server.engine = FakeEngine(["one two"], gate=threading.Semaphore(0))
    conversation = server.add_conversation("First?")
    running = start_answer(server, conversation)
    visit = Visit(server, conversation)
    assert visit.at.menu_button(key="conversation_menu").disabled
    running.cancel()
    assert not visit.settle().at.menu_button(key="conversation_menu").disabled


def test_menu_opens_the_dialogs(server: Server) -> None:
    visit = Visit(server, server.add_conversation("First?", "Yes."))
    visit.at.menu_button(key="conversation_menu").click("rename").run()
    assert [field.label for field in visit.at.text_input if field.value == "First?"] == ["Title"]
    visit.at.menu_button(key="conversation_menu").click("delete").run()
    assert "Keep" in visit.labels()
