"""Asking, editing, regenerating, continuing: what is stored and what reaches the engine."""

import threading

import pytest

from glmcore.core.errors import EngineError, NotFoundError, StorageError
from glmcore.core.messages import GenerationParams, StopReason
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.history import Conversation, StoredMessage
from glmcore.ui.asking import AnswerOptions, answer, continue_answer, store_edited, store_question
from tests.fakes import FakeEngine
from tests.ui.visits import OWNER, Server

PARAMS = GenerationParams(temperature=0.25, top_k=7, seed=3)
OPTIONS = AnswerOptions(EMBEDDED_MODEL, PARAMS, "Be brief.")


def ask(server: Server, text: str, options: AnswerOptions = OPTIONS) -> Conversation:
    conversation, stored = store_question(server.services, OWNER, None, text, options)
    answer(server.services, stored, conversation, options)
    server.wait_for_answers()
    return conversation


def asked_of_engine(server: Server) -> list[tuple[str, str]]:
    """Roles and texts of the last request."""
    return [(message.role, message.content) for message in server.requests[-1].messages]


def message(server: Server, place: int) -> StoredMessage:
    return server.path()[place]


def test_question_is_stored_before_the_engine_is_asked(server: Server) -> None:
    conversation, stored = store_question(server.services, OWNER, None, "Why?", OPTIONS)
    assert server.requests == []
    assert server.texts() == ["Why?"]
    assert (stored.role, conversation.params, conversation.system_prompt) == ("user", PARAMS, "Be brief.")


def test_request_carries_system_prompt_parameters_model_and_owner(server: Server) -> None:
    ask(server, "Why?")
    assert asked_of_engine(server) == [("system", "Be brief."), ("user", "Why?")]
    request = server.requests[-1]
    assert (request.params, request.model, request.user) == (PARAMS, EMBEDDED_MODEL, OWNER)


def test_adapter_reaches_the_engine_and_the_facts(server: Server) -> None:
    attached: list[str] = []
    server.attach = lambda base, adapter, settings: attached.append(adapter) or server.engine
    ask(server, "Why?", AnswerOptions(EMBEDDED_MODEL, PARAMS, "", "tuned"))
    assert (attached, server.requests[-1].adapter) == (["tuned"], "tuned")
    stored = message(server, -1)
    assert stored.facts is not None and stored.facts.adapter == "tuned"


def test_blank_system_prompt_is_not_sent(server: Server) -> None:
    ask(server, "Why?", AnswerOptions(EMBEDDED_MODEL, PARAMS, " \n"))
    assert asked_of_engine(server) == [("user", "Why?")]


def test_answer_is_stored_with_its_facts(server: Server) -> None:
    ask(server, "Why?")
    stored = message(server, -1)
    assert (stored.content, stored.state) == ("An answer.", "done")
    assert stored.facts is not None
    assert (stored.facts.model, stored.facts.params, stored.facts.stop_reason) == (
        EMBEDDED_MODEL,
        PARAMS,
        StopReason.END,
    )
    assert (stored.facts.prompt_tokens, stored.facts.completion_tokens) == (3, 2)


def test_another_version_keeps_the_first_and_sees_the_same_history(server: Server) -> None:
    conversation = ask(server, "Why?")
    answer(server.services, message(server, 0), conversation, OPTIONS)
    server.wait_for_answers()
    entries = server.services.history.messages.path(OWNER, conversation.id)
    assert len(entries[-1].sibling_ids) == 2
    assert asked_of_engine(server) == [("system", "Be brief."), ("user", "Why?")]


def test_edited_question_is_a_sibling_with_an_answer_of_its_own(server: Server) -> None:
    conversation = ask(server, "Why?")
    edited = store_edited(server.services, conversation, message(server, 0), "How?")
    answer(server.services, edited, conversation, OPTIONS)
    server.wait_for_answers()
    assert server.texts() == ["How?", "An answer."]
    assert asked_of_engine(server)[1:] == [("user", "How?")]
    assert len(server.services.history.messages.path(OWNER, conversation.id)[0].sibling_ids) == 2


def test_continued_answer_starts_with_the_old_text_and_the_engine_is_told_it(server: Server) -> None:
    server.engine = FakeEngine([[" and", " more."]])
    conversation = server.add_conversation("Why?")
    cut_id = server.add_answer(conversation, message(server, 0).id, "Because", StopReason.LENGTH)
    continue_answer(server.services, conversation, message(server, -1), OPTIONS)
    server.wait_for_answers()
    assert asked_of_engine(server)[-1] == ("assistant", "Because")
    assert server.texts()[-1] == "Because and more."
    assert server.services.history.messages.get(OWNER, cut_id).content == "Because"


def test_parameters_become_those_of_the_conversation(server: Server) -> None:
    conversation = ask(server, "Why?")
    changed = AnswerOptions("other", GenerationParams(top_k=1), "")
    _, stored = store_question(server.services, OWNER, conversation.id, "And?", changed)
    answer(server.services, stored, conversation, changed)
    server.wait_for_answers()
    kept = server.conversations()[0]
    assert (kept.model, kept.params, kept.system_prompt) == ("other", changed.params, "")


def test_full_registry_refuses_and_the_question_stays(server: Server, monkeypatch) -> None:
    monkeypatch.setattr(server.services.answers, "_max_running", 0)
    conversation, stored = store_question(server.services, OWNER, None, "Why?", OPTIONS)
    with pytest.raises(EngineError, match="already running"):
        answer(server.services, stored, conversation, OPTIONS)
    assert server.texts() == ["Why?"]


def test_answer_refused_at_the_last_moment_is_stored_as_failed(server: Server, monkeypatch) -> None:
    monkeypatch.setattr(server.services.answers, "_max_running", 0)
    monkeypatch.setattr(type(server.services.answers), "check_room", lambda self: None)
    monkeypatch.setattr(type(server.services.answers), "start", refuse)
    conversation, stored = store_question(server.services, OWNER, None, "Why?", OPTIONS)
    with pytest.raises(EngineError):
        answer(server.services, stored, conversation, OPTIONS)
    assert (message(server, -1).role, message(server, -1).state) == ("assistant", "failed")


def refuse(*args: object, **kwargs: object) -> None:
    raise EngineError("Full.")


def test_no_question_follows_half_an_answer(server: Server) -> None:
    gate = threading.Semaphore(0)
    server.engine = FakeEngine(["one two"], gate=gate)
    conversation, stored = store_question(server.services, OWNER, None, "Why?", OPTIONS)
    answer(server.services, stored, conversation, OPTIONS)
    with pytest.raises(EngineError, match="being written"):
        store_question(server.services, OWNER, conversation.id, "And?", OPTIONS)
    gate.release(2)
    server.wait_for_answers()
    store_question(server.services, OWNER, conversation.id, "And?", OPTIONS)
    assert server.texts() == ["Why?", "one two", "And?"]


def test_answer_of_a_deleted_conversation_ends_quietly(server: Server, caplog) -> None:
    gate = threading.Semaphore(0)
    server.engine = FakeEngine(["one two"], gate=gate)
    conversation, stored = store_question(server.services, OWNER, None, "Why?", OPTIONS)
    answer(server.services, stored, conversation, OPTIONS)
    server.services.history.conversations.delete(OWNER, conversation.id)
    gate.release(2)
    server.wait_for_answers()
    assert not [record for record in caplog.records if record.exc_info]
    with pytest.raises(NotFoundError):
        server.services.history.conversations.get(OWNER, conversation.id)


def test_store_that_fails_is_said(server: Server, monkeypatch) -> None:
    def fail(*args: object, **named: object) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(server.services.history.messages, "add_question", fail)
    with pytest.raises(StorageError, match="disk is full"):
        store_question(server.services, OWNER, None, "Why?", OPTIONS)
    assert server.requests == []


def test_a_question_whose_answer_failed_is_not_told_to_the_engine_again(server: Server) -> None:
    server.engine = FakeEngine([EngineError("It broke."), "Now it works."])
    conversation = ask(server, "First?")
    stored = server.services.history.messages.add_question(
        OWNER, conversation.id, message(server, -1).id, "Second?"
    )
    answer(server.services, stored, conversation, OPTIONS)
    server.wait_for_answers()
    assert asked_of_engine(server)[1:] == [("user", "Second?")]
