import pytest

from glmcore.core.errors import StorageError
from glmcore.core.messages import AnswerFacts, GenerationParams
from glmcore.history import Conversation, HistoryStore
from glmcore.storage.columns import JsonOf, storable

OWNER = "ann"

EXACT = [
    "",
    "你好,世界 👩‍👩‍👧‍👦 🇩🇪 é",
    "tab\tnew\nreturn\r\nbell\x07 escape\x1b[0m delete\x7f \x85 \u2028 \ufeff \U0010ffff",
    "'; DROP TABLE messages; -- :name %s %(x)s {braces} ?",
    "<script>alert(1)</script>",
    "long " * 1_000_000,
]


@pytest.mark.parametrize("text", EXACT, ids=range(len(EXACT)))
def test_text_comes_back_exactly(store: HistoryStore, talk: Conversation, text: str) -> None:
    message = store.messages.add_question(OWNER, talk.id, None, text)
    assert message.content == text
    assert store.messages.get(OWNER, message.id).content == text


def test_text_no_database_can_keep_gets_replacement_characters(
    store: HistoryStore, talk: Conversation
) -> None:
    message = store.messages.add_question(OWNER, talk.id, None, "a\x00b\ud800c\udfffd")
    assert store.messages.get(OWNER, message.id).content == "a\ufffdb\ufffdc\ufffdd"


def test_every_text_of_a_row_is_made_storable(store: HistoryStore, facts: AnswerFacts) -> None:
    params = GenerationParams(stop=("\x00\ud800",))
    talk = store.conversations.create(
        "a\x00", model="m\ud800", title="t\x00", system_prompt="s\x00", params=params
    )
    assert store.conversations.get("a\x00", talk.id) == talk
    assert (talk.model, talk.title, talk.system_prompt) == ("m\ufffd", "t\ufffd", "s\ufffd")
    assert talk.params == params
    answer_to = store.messages.add_question("a\x00", talk.id, None, "?")
    answer = store.messages.start_answer("a\x00", talk.id, answer_to.id)
    store.messages.save_text("a\x00", answer.id, "half \ud83d")
    assert store.messages.get("a\x00", answer.id).content == "half \ufffd"
    store.messages.finish_answer("a\x00", answer.id, "whole \ud83d", facts)
    assert store.messages.get("a\x00", answer.id).content == "whole \ufffd"


def test_surrogate_pairs_and_all_other_characters_are_left_alone() -> None:
    everything = "".join(map(chr, [*range(1, 0xD800), *range(0xE000, 0x110000)]))
    assert storable(everything) == everything


def test_damaged_json_is_a_storage_error() -> None:
    column = JsonOf(GenerationParams)
    for damaged in ("{", "[]", "3", '{"temperature": 9}', '{"temperature": "x"}', '{"stop": 3}'):
        with pytest.raises(StorageError, match="damaged GenerationParams"):
            column.process_result_value(damaged, None)


def test_parameters_of_a_newer_version_are_read_without_what_is_unknown() -> None:
    value = JsonOf(GenerationParams).process_result_value('{"top_k": 3, "warmth": 1}', None)
    assert value == GenerationParams(top_k=3)
