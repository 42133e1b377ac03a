"""The sidebar's list: open, rename, pin, archive, delete and undo, and titles that are no Markdown."""

import threading

import pytest
from streamlit.testing.v1 import AppTest

from glmcore.core.errors import NotFoundError
from glmcore.core.messages import GenerationParams
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.history import Conversation
from glmcore.ui import conversation_list, transcript
from glmcore.ui.asking import AnswerOptions, answer
from glmcore.ui.history import actions
from tests.fakes import FakeEngine
from tests.ui.visits import OWNER, Server, Visit


def choose(visit: Visit, action: str) -> Visit:
    """Take an action from the open conversation's menu."""
    visit.at.menu_button(key="conversation_menu").click(action).run()
    return visit


def listed(visit: Visit) -> list[str]:
    keys = [button.key or "" for button in visit.at.button]
    return [key.removeprefix("open_") for key in keys if key.startswith("open_")]


def open_rename(conversation: Conversation) -> AppTest:
    """A page that shows the dialog in every run, as the browser does until it is closed."""

    def page(conversation_id: str) -> None:
        import streamlit as st

        from glmcore.ui import services
        from glmcore.ui.history import dialogs
        from glmcore.ui.session import OWNER

        shared = services.services()
        seen = st.session_state.setdefault("seen", shared.history.conversations.get(OWNER, conversation_id))
        dialogs.rename(shared, seen)

    return AppTest.from_function(page, args=(conversation.id,), default_timeout=20).run()


def test_latest_conversation_comes_first_and_a_click_opens_one(server: Server) -> None:
    first = server.add_conversation("First?", "Yes.")
    second = server.add_conversation("Second?", "No.")
    visit = Visit(server)
    assert listed(visit) == [second.id, first.id]
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
    assert len(listed(visit)) == conversation_list.PAGE_SIZE
    visit.click("more_conversations")
    assert len(listed(visit)) == conversation_list.PAGE_SIZE + 3
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


def test_pinned_ones_come_first_with_a_mark(server: Server) -> None:
    first = server.add_conversation("First?", "Yes.")
    second = server.add_conversation("Second?", "No.")
    visit = choose(Visit(server, first), "pin")
    assert listed(visit) == [first.id, second.id]
    assert "keep" in visit.at.button(key=f"open_{first.id}").icon
    choose(visit, "pin")
    assert listed(visit) == [second.id, first.id]


def test_archived_ones_are_not_listed_and_can_be_brought_back(server: Server) -> None:
    conversation = server.add_conversation("First?", "Yes.")
    visit = choose(Visit(server, conversation), "archived")
    assert listed(visit) == [] and visit.conversation_id is None
    assert server.services.history.conversations.get(OWNER, conversation.id).shelf == "archived"
    visit.click("history_undo_now")
    assert listed(visit) == [conversation.id]


def test_deleted_one_is_gone_and_undo_brings_it_back(server: Server) -> None:
    doomed, other = server.add_conversation("First?", "Yes."), server.add_conversation("Second?", "No.")
    visit = choose(Visit(server, doomed), "deleted")
    assert (listed(visit), visit.conversation_id) == ([other.id], None)
    with pytest.raises(NotFoundError):
        server.services.history.conversations.get(OWNER, doomed.id)
    visit.click("history_undo_now")
    assert set(listed(visit)) == {doomed.id, other.id}
    assert server.texts(doomed) == ["First?", "Yes."] and not visit.has("history_undo_now")


def test_undo_is_offered_for_a_while_only(server: Server, monkeypatch) -> None:
    visit = choose(Visit(server, server.add_conversation("First?")), "deleted")
    assert visit.has("history_undo_now")
    now = actions.time.monotonic()
    monkeypatch.setattr(actions.time, "monotonic", lambda: now + 3600)
    visit.at.run()
    assert not visit.has("history_undo_now")


def test_rename_does_not_overwrite_what_another_window_wrote(server: Server) -> None:
    conversation = server.add_conversation("First?")
    at = open_rename(conversation)
    at.text_input[0].set_value("  Named  ").run()
    server.services.history.conversations.rename(OWNER, conversation.id, "By another")
    at.button(key="history_rename_now").click().run()
    assert "was changed in another window" in at.error[0].value
    assert server.conversations()[0].title == "By another"


def start_answer(server: Server, conversation: Conversation):
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
    assert visit.at.toggle(key="temporary_switch").disabled
    running.cancel()
    assert not visit.settle().at.menu_button(key="conversation_menu").disabled


def test_menu_opens_the_dialog(server: Server) -> None:
    visit = choose(Visit(server, server.add_conversation("First?", "Yes.")), "rename")
    assert [field.label for field in visit.at.text_input if field.value == "First?"] == ["Title"]
