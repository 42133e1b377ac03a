"""Chats over HTTP that become conversations of their user."""

import pytest
from openai import OpenAI

from glmcore.core.messages import LOCAL_USER
from glmcore.core.settings import EMBEDDED_MODEL

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is a zebra?"},
    {"role": "assistant", "content": "A horse."},
    {"role": "user", "content": "And a quagga?"},
]


def ask(openai, **more):
    return openai.chat.completions.create(model=EMBEDDED_MODEL, messages=MESSAGES, **more)


def path_of(services, owner, conversation):
    return [
        (entry.message.role, entry.message.content, entry.message.state)
        for entry in services.history.messages.path(owner, conversation.id)
    ]


def test_nothing_is_stored_unless_asked_for(openai, services) -> None:
    ask(openai)
    ask(openai, store=False)
    assert services.history.conversations.count(LOCAL_USER) == 0


def test_a_stored_chat_is_a_conversation_that_is_found_and_goes_on(openai, services) -> None:
    ask(openai, store=True, temperature=0.5)
    (conversation,) = services.history.conversations.list(LOCAL_USER)
    assert (conversation.title, conversation.system_prompt) == ("What is a zebra?", "Be brief.")
    assert conversation.params.temperature == 0.5 and conversation.num_turns == 2
    assert path_of(services, LOCAL_USER, conversation) == [
        ("user", "What is a zebra?", "done"),
        ("assistant", "A horse.", "done"),
        ("user", "And a quagga?", "done"),
        ("assistant", "An answer.", "done"),
    ]
    question = services.history.messages.add_question(
        LOCAL_USER, conversation.id, conversation.leaf_id, "More?", must_be_latest=True
    )
    assert question.parent_id == conversation.leaf_id


def test_several_answers_are_versions_of_each_other(openai, services) -> None:
    ask(openai, store=True, n=2)
    (conversation,) = services.history.conversations.list(LOCAL_USER)
    last = services.history.messages.path(LOCAL_USER, conversation.id)[-1]
    assert len(last.sibling_ids) == 2


def test_a_key_that_stores_does_so_under_its_user(services, client) -> None:
    _key, secret = services.keys.make("app", user="ada", stores_chats=True)
    openai = OpenAI(base_url="http://localhost/v1", api_key=secret, http_client=client)
    ask(openai)
    ask(openai, store=False)
    assert services.history.conversations.count("ada") == 1
    assert services.history.conversations.count(LOCAL_USER) == 0


def test_a_continued_answer_is_stored_whole(openai, services) -> None:
    begun = {"role": "assistant", "content": "It is:"}
    openai.chat.completions.create(
        model=EMBEDDED_MODEL,
        messages=[*MESSAGES, begun],
        store=True,
        extra_body={"continue_final_message": True},
    )
    (conversation,) = services.history.conversations.list(LOCAL_USER)
    assert path_of(services, LOCAL_USER, conversation)[-1] == ("assistant", "It is:An answer.", "done")


@pytest.mark.parametrize("content", ["", "  "])
def test_a_chat_of_blanks_is_answered_and_not_stored(openai, services, content) -> None:
    completion = openai.chat.completions.create(
        model=EMBEDDED_MODEL, messages=[{"role": "user", "content": content}], store=True
    )
    assert completion.choices[0].message.content == "An answer."
    assert services.history.conversations.count(LOCAL_USER) == 0
