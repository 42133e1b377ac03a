import pytest

from glmcore.core.errors import DataError
from glmcore.core.messages import AnswerFacts
from glmcore.history import Conversation, ConversationFilter, HistoryStore
from glmcore.history.search import find as finding
from glmcore.history.search.find import SearchHit, SearchPage

OWNER = "ann"


def find(store: HistoryStore, words: str, owner: str = OWNER, **others: object) -> SearchPage:
    return store.search.find(owner, ConversationFilter(words=words, **others))  # type: ignore[arg-type]


def found(store: HistoryStore, words: str, **others: object) -> list[str]:
    return [hit.listed.conversation.id for hit in find(store, words, **others).hits]


def shown(hit: SearchHit) -> str:
    return "".join(f"[{part.text}]" if part.is_hit else part.text for part in hit.snippet)


def ask(store: HistoryStore, text: str, *, title: str = "t") -> Conversation:
    talk = store.conversations.create(OWNER, model="tiny", title=title)
    store.messages.add_question(OWNER, talk.id, None, text)
    return talk


@pytest.mark.parametrize(
    ("words", "marked"),
    [
        ("微调", "我想对大模型进行[微调]，用LoRA[微调]，learning_rate=3.14"),
        ("微", "我想对大模型进行[微]调，用LoRA[微]调，learning_rate=3.14"),
        ("大模型", "我想对[大模型]进行微调，用LoRA微调，learning_rate=3.14"),
        ("用lora微调", "我想对大模型进行微调，[用LoRA微调]，learning_rate=3.14"),
        ('"调，用"', "我想对大模型进行微[调，用]LoRA微调，learning_rate=3.14"),
        ("learn*", "我想对大模型进行微调，用LoRA微调，[learning]_rate=3.14"),
        ("ＬＥＡＲＮＩＮＧ＿rate 3.14", "我想对大模型进行微调，用LoRA微调，[learning_rate]=[3.14]"),
        ("模型 -full", "我想对大[模型]进行微调，用LoRA微调，learning_rate=3.14"),
    ],
)
def test_words_are_found_and_marked(store: HistoryStore, words: str, marked: str) -> None:
    talk = ask(store, "我想对大模型进行微调，用LoRA微调，learning_rate=3.14")
    ask(store, "another one")
    (hit,) = find(store, words).hits
    assert hit.listed.conversation.id == talk.id
    assert (hit.role, hit.num_messages) == ("user", 1)
    assert store.messages.get(OWNER, hit.message_id or "").content
    assert shown(hit) == marked


@pytest.mark.parametrize(
    "words", ["调微", "learn", "lora调", "大型", "模型 -微", '"rate learning"', "rates*"]
)
def test_what_is_not_there_is_not_found(store: HistoryStore, words: str) -> None:
    ask(store, "我想对大模型进行微调，用LoRA微调，learning_rate=3.14")
    assert find(store, words) == SearchPage(hits=(), total=0, is_total_exact=True)


def test_all_words_must_be_in_the_same_message(store: HistoryStore) -> None:
    talk = ask(store, "apples")
    store.messages.add_question(OWNER, talk.id, None, "pears")
    assert found(store, "apples pears") == []
    store.messages.add_question(OWNER, talk.id, None, "pears and apples")
    assert find(store, "apples").hits[0].num_messages == 2
    assert find(store, "apples pears").hits[0].num_messages == 1


def test_a_title_comes_first_and_then_what_matches_best(store: HistoryStore) -> None:
    once = ask(store, "apples and a lot of other things that are not asked for here")
    often = ask(store, "apples, apples, apples")
    titled = ask(store, "nothing", title="About apples")
    page = find(store, "apples")
    assert [hit.listed.conversation.id for hit in page.hits] == [titled.id, often.id, once.id]
    assert (page.hits[0].message_id, page.hits[0].role, page.hits[0].num_messages) == (None, None, 0)
    assert shown(page.hits[0]) == "About [apples]"


def test_pages_follow_each_other(store: HistoryStore) -> None:
    talks = {ask(store, "apples").id for _ in range(5)}
    chosen = ConversationFilter(words="apples")
    pages = [store.search.find(OWNER, chosen, limit=2, offset=offset) for offset in (0, 2, 4, 6)]
    assert [page.total for page in pages] == [5] * 4
    assert {hit.listed.conversation.id for page in pages for hit in page.hits} == talks
    assert [len(page.hits) for page in pages] == [2, 2, 1, 0]


def test_of_very_many_the_newest_are_found(store: HistoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "RANKED", 3)
    finding._newest.cache_clear()
    talks = [ask(store, "apples").id for _ in range(5)]
    page = find(store, "apples")
    finding._newest.cache_clear()
    assert [hit.listed.conversation.id for hit in page.hits] == talks[:1:-1]
    assert (page.total, page.is_total_exact) == (3, False)


def test_other_conditions_hold_as_well(store: HistoryStore) -> None:
    kept, archived, deleted = (ask(store, "apples").id for _ in range(3))
    store.conversations.put_on(OWNER, [archived], "archived")
    store.conversations.put_on(OWNER, [deleted], "deleted")
    store.tags.set(OWNER, kept, ["fruit"])
    assert found(store, "apples") == [kept]
    assert found(store, "apples", shelf=None) == [archived, kept]
    assert found(store, "apples", shelf="deleted") == [deleted]
    assert found(store, "apples", tags=("fruit",)) == [kept]
    assert found(store, "apples", models=("big",)) == []
    assert found(store, "apples", until=0.0) == []


def test_the_list_takes_words_too(store: HistoryStore) -> None:
    talk = ask(store, "apples and pears", title="微调")
    ask(store, "pears " * 2_000 + "apples " + "pears " * 2_000)
    for words, count in (("微调", 1), ("apples pears", 2), ("pears -apples", 0), ("pe* apple*", 2)):
        assert store.conversations.count(OWNER, ConversationFilter(words=words)) == count
    (listed,) = store.conversations.page(OWNER, ConversationFilter(words="微"))
    assert listed.conversation.id == talk.id
    with pytest.raises(DataError, match="not closed"):
        store.conversations.page(OWNER, ConversationFilter(words='"a'))


def test_terms_far_apart_in_a_long_message_are_found_together(store: HistoryStore) -> None:
    talk = ask(store, "first " + "filler, " * 5_000 + "needle " + "filler, " * 5_000 + "last")
    other = ask(store, "first last")
    assert set(found(store, "first last")) == {talk.id, other.id}
    assert found(store, "first last needle") == [talk.id]
    assert found(store, "first -needle") == [other.id]
    assert found(store, 'first "filler needle"') == [talk.id]
    (hit,) = find(store, "needle").hits
    assert "[needle]" in shown(hit)
    assert hit.num_messages == 1


def test_a_hit_in_title_and_message_leads_to_the_message_and_stays_first(store: HistoryStore) -> None:
    ask(store, "apples apples apples")
    both = ask(store, "One pear, or some apples?", title="Some apples?")
    first = find(store, "apples").hits[0]
    assert (first.listed.conversation.id, first.role) == (both.id, "user")


def test_another_owner_finds_nothing(store: HistoryStore) -> None:
    ask(store, "apples", title="apples")
    assert find(store, "apples", owner="bob").total == 0
    assert store.conversations.count("bob", ConversationFilter(words="apples")) == 0


def test_an_answer_is_found_when_it_has_ended(
    store: HistoryStore, talk: Conversation, facts: AnswerFacts
) -> None:
    question = store.messages.add_question(OWNER, talk.id, None, "question")
    answer = store.messages.start_answer(OWNER, talk.id, question.id)
    store.messages.save_text(OWNER, answer.id, "apples")
    assert found(store, "apples") == []
    store.messages.finish_answer(OWNER, answer.id, "apples and pears", facts)
    (hit,) = find(store, "pears").hits
    assert (hit.message_id, hit.role) == (answer.id, "assistant")


def test_a_new_title_is_found_in_place_of_the_old_one(store: HistoryStore) -> None:
    talk = ask(store, "question", title="apples")
    store.conversations.rename(OWNER, talk.id, "pears")
    assert found(store, "apples") == []
    assert found(store, "pears") == [talk.id]


def test_a_malformed_query_is_explained(store: HistoryStore) -> None:
    with pytest.raises(DataError, match="not closed"):
        find(store, 'the "end')
