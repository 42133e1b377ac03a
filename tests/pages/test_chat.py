"""A chat on the page: asked, answered, answered again, edited, continued."""

import threading

import pytest

from glmcore.core.errors import EngineError, StorageError
from glmcore.core.messages import StopReason
from glmcore.ui import chat_page, transcript
from tests.fakes import FakeEngine
from tests.ui.visits import OWNER, Server, Visit


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page whose run ends where it would follow a running answer."""
    monkeypatch.setattr(transcript, "draw_until_done", lambda *arguments: transcript.st.stop())


def test_first_question_makes_a_conversation_with_an_address(server: Server) -> None:
    visit = Visit(server)
    assert visit.conversation_id is None
    visit.ask("What is a loss?")
    conversation = server.conversations()[0]
    assert visit.conversation_id == conversation.id
    assert (conversation.title, server.texts()) == ("What is a loss?", ["What is a loss?", "An answer."])


def test_answer_is_shown_with_its_facts(server: Server) -> None:
    visit = Visit(server).ask("What is a loss?")
    assert [message.name for message in visit.at.chat_message] == ["user", "assistant"]
    assert {"What is a loss?", "An answer."} <= set(visit.shown())
    assert visit.says("· 2 tokens ·") and visit.says("· complete")


def test_question_is_stored_once_and_before_the_engine_is_asked(server: Server) -> None:
    stored: list[list[str]] = []

    class Looking(FakeEngine):
        def submit(self, request):
            stored.append(server.texts())
            return super().submit(request)

    server.engine = Looking()
    Visit(server).ask("Why?")
    assert stored == [["Why?", ""]]  # the question, and the place of its answer
    assert len(server.conversations()) == 1


def test_second_question_follows_in_the_same_conversation(server: Server) -> None:
    server.engine = FakeEngine(["First answer.", "Second answer."])
    visit = Visit(server).ask("One?").ask("Two?")
    assert server.texts() == ["One?", "First answer.", "Two?", "Second answer."]
    assert [message.content for message in server.requests[-1].messages] == ["One?", "First answer.", "Two?"]
    assert len(visit.at.chat_message) == 4 and len(server.conversations()) == 1


def test_suggestion_asks_once(server: Server) -> None:
    visit = Visit(server)
    suggestion = visit.at.button(key="suggestion_1").label
    visit.click("suggestion_1")
    assert server.texts() == [suggestion, "An answer."]
    visit.click("new_chat").settle()
    assert len(server.conversations()) == 1


@pytest.mark.parametrize("blank", ["   ", "\n\n", "\t \u3000"])
def test_blank_question_is_not_sent(server: Server, blank: str) -> None:
    visit = Visit(server).ask(blank)
    assert server.conversations() == [] and visit.conversation_id is None


@pytest.mark.parametrize(
    "typed", ["<script>alert(1)</script>", "<b>x</b> **y** :red[z] $x$", "a\x07b\x1b[31mc\u202ed\n\te"]
)
def test_question_is_shown_as_typed(server: Server, typed: str) -> None:
    visit = Visit(server).ask(typed)
    assert typed in [text.value for text in visit.at.text]
    assert server.texts()[0] == typed == server.requests[0].messages[-1].content


def test_huge_question_is_answered_whole_and_shown_clipped(server: Server) -> None:
    visit = Visit(server).ask("word " * 40_000)
    assert len(server.requests[0].messages[-1].content) == 200_000
    assert len(visit.at.text[0].value) == transcript.LONG_QUESTION_CHARACTERS + 2
    assert visit.says("180000 more characters are not shown")


def test_html_and_pictures_of_an_answer_are_inert(server: Server) -> None:
    server.engine = FakeEngine([["<img src=x> ![p](http://x/y.png) :red[r]"]])
    visit = Visit(server).ask("Why?")
    answer = next(text for text in visit.at.markdown if "img" in text.value)
    assert answer.value == r"<img src=x> [p](http://x/y.png) \:red[r]"
    assert not answer.allow_html


def test_answer_again_makes_a_version_and_arrows_switch(server: Server) -> None:
    server.engine = FakeEngine(["First version.", "Second version."])
    visit = Visit(server).ask("Why?").click("regenerate")
    assert "Second version." in visit.shown() and "2/2" in visit.shown()
    shown_id = server.path()[-1].id
    assert visit.at.button(key=f"next_{shown_id}").disabled
    visit.click(f"previous_{shown_id}")
    assert "First version." in visit.shown() and "1/2" in visit.shown()
    visit.click(f"next_{server.path()[-1].id}")
    assert "Second version." in visit.shown()


def test_edited_question_makes_a_branch_of_its_own(server: Server) -> None:
    server.engine = FakeEngine(["To one.", "To two.", "To the edited."])
    visit = Visit(server).ask("One?").ask("Two?")
    first_id = server.path()[0].id
    visit.click(f"edit_{first_id}")
    assert visit.at.text_area(key=f"edited_{first_id}").value == "One?"
    visit.at.text_area(key=f"edited_{first_id}").set_value("Uno?").run()
    visit.click_label("Ask again")
    assert server.texts() == ["Uno?", "To the edited."]
    assert [message.content for message in server.requests[-1].messages] == ["Uno?"]
    visit.click(f"previous_{server.path()[0].id}")
    assert server.texts() == ["One?", "To one.", "Two?", "To two."]


def test_editing_can_be_given_up_and_blank_is_refused(server: Server) -> None:
    visit = Visit(server).ask("One?")
    question_id = server.path()[0].id
    visit.click(f"edit_{question_id}")
    visit.at.text_area(key=f"edited_{question_id}").set_value("  ").run()
    assert next(button for button in visit.at.button if button.label == "Ask again").disabled
    visit.click_label("Cancel")
    assert server.texts() == ["One?", "An answer."] and not visit.at.main.text_area


@pytest.mark.parametrize("reason", [StopReason.LENGTH, StopReason.CANCELLED, StopReason.INTERRUPTED])
def test_cut_answer_is_continued_from_its_text(server: Server, reason: StopReason) -> None:
    server.engine = FakeEngine([[" and", " so on."]])
    conversation = server.add_conversation("Why?")
    server.add_answer(conversation, server.path()[0].id, "Because", reason)
    visit = Visit(server, conversation).click("continue")
    assert "Because and so on." in visit.shown() and "2/2" in visit.shown()
    assert not visit.has("continue")


def test_complete_answer_is_not_offered_to_be_continued(server: Server) -> None:
    assert not Visit(server).ask("Why?").has("continue")


def test_question_without_an_answer_can_get_one(server: Server) -> None:
    conversation = server.add_conversation("Why?")
    visit = Visit(server, conversation)
    assert "This question has no answer yet." in visit.shown()
    visit.click("get_answer")
    assert server.texts() == ["Why?", "An answer."] and not visit.has("get_answer")


def test_full_registry_is_said_and_the_question_kept(server: Server, monkeypatch) -> None:
    monkeypatch.setattr(server.services.answers, "_max_running", 0)
    visit = Visit(server)
    visit.at.chat_input(key="question").set_value("Why?").run()
    assert visit.says("0 answers are already running or waiting")
    assert "Why?" in visit.shown() and visit.has("get_answer")
    monkeypatch.setattr(server.services.answers, "_max_running", 16)
    visit.click("get_answer")
    assert server.texts() == ["Why?", "An answer."] and not visit.at.warning


def test_question_that_cannot_be_stored_is_said_and_given_back(server: Server, monkeypatch) -> None:
    def fail(*arguments: object, **named: object) -> None:
        raise StorageError("{place}: the disk is full.", place="db")

    visit = Visit(server)
    with monkeypatch.context() as failing:
        failing.setattr(server.services.history.messages, "add_question", fail)
        visit.at.chat_input(key="question").set_value("A **long** thought").run()
    assert visit.says("the disk is full")
    assert visit.at.code[0].value == "A **long** thought"
    assert server.requests == []
    visit.at.run()  # and now it lies in the input box
    assert visit.at.chat_input(key="question").proto.value == "A **long** thought"
    assert not visit.at.error and server.requests == []


@pytest.mark.parametrize("answer", [EngineError("It broke."), ["Half", EngineError("It broke.")]])
def test_failed_answer_is_said_with_its_text_so_far(server: Server, answer: object) -> None:
    server.engine = FakeEngine([answer, "Fine."])
    visit = Visit(server).ask("Why?")
    assert visit.says("It broke.") and visit.says("· failed")
    assert ("Half" in visit.shown()) == isinstance(answer, list)
    visit.click("regenerate")
    assert "Fine." in visit.shown() and not visit.at.error


# While an answer is made.


def test_meanwhile_nothing_is_asked_and_stop_is_offered(server: Server, undrawn: None) -> None:
    server.engine = FakeEngine(["one two three"], gate=threading.Semaphore(1))
    visit = Visit(server)
    visit.at.chat_input(key="question").set_value("Why?").run()
    assert visit.at.chat_input(key="question").disabled and visit.has("stop")
    visit.click("stop")
    assert not visit.has("stop") and not visit.at.chat_input(key="question").disabled
    kept = server.path()[-1]
    assert kept.facts is not None and kept.facts.stop_reason == StopReason.CANCELLED


def test_stop_pressed_twice_stops_once(server: Server, undrawn: None) -> None:
    server.engine = FakeEngine(["one two three"], gate=threading.Semaphore(1))
    visit = Visit(server)
    visit.at.chat_input(key="question").set_value("Why?").run()
    running = server.services.answers.get(server.path()[-1].id)
    assert running is not None
    running.cancel()
    visit.click("stop")
    assert not visit.at.exception and visit.says("· stopped")


def test_second_window_cannot_ask_in_between_and_keeps_its_question(server: Server, undrawn: None) -> None:
    first, gate = Visit(server), threading.Semaphore(0)
    first.ask("One?")
    second = Visit(server, server.conversations()[0])
    server.engine = FakeEngine(["Second answer."], gate=gate)
    server.services.models.unload(server.conversations()[0].model)
    first.at.chat_input(key="question").set_value("Two?").run()
    second.at.chat_input(key="question").set_value("Three?").run()
    assert second.says("An answer is being written in this conversation")
    assert second.at.code[0].value == "Three?"
    gate.release(5)
    second.settle()
    assert second.at.chat_input(key="question").proto.value == "Three?"
    assert server.texts() == ["One?", "An answer.", "Two?", "Second answer."]


def test_other_window_follows_the_answer_to_its_end(server: Server) -> None:
    gate = threading.Semaphore(0)
    server.engine = FakeEngine(["one two three"], gate=gate)
    conversation = server.add_conversation("Why?")
    begin_answer(server, conversation)
    threading.Timer(0.3, gate.release, [3]).start()
    visit = Visit(server, conversation)
    assert "one two three" in visit.shown() and visit.says("· complete")


def begin_answer(server: Server, conversation) -> None:
    from glmcore.core.messages import GenerationParams
    from glmcore.ui.asking import AnswerOptions, answer

    options = AnswerOptions(conversation.model, GenerationParams(), "")
    answer(server.services, server.path(conversation)[-1], conversation, options)


def test_answer_that_ends_while_the_page_is_drawn_is_shown_whole(server: Server, monkeypatch) -> None:
    gate = threading.Semaphore(0)
    server.engine = FakeEngine(["one two three"], gate=gate)
    conversation = server.add_conversation("Why?")
    begin_answer(server, conversation)
    show_header = chat_page._show_header

    def slowly(*arguments):
        gate.release(3)
        server.wait_for_answers()
        return show_header(*arguments)

    monkeypatch.setattr(chat_page, "_show_header", slowly)
    visit = Visit(server, conversation)
    assert "one two three" in visit.shown() and visit.says("· complete")
    assert not visit.has("stop") and not visit.at.chat_input(key="question").disabled


def test_answer_written_by_another_server_is_shown_as_such(server: Server) -> None:
    conversation = server.add_conversation("Why?")
    history = server.services.history
    stored = history.messages.start_answer(OWNER, conversation.id, server.path()[0].id)
    history.messages.save_text(OWNER, stored.id, "So far")
    visit = Visit(server, conversation)
    assert {"So far", "Being written by another server."} <= set(visit.shown())
