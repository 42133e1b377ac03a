"""`history search` in a terminal, in a pipe and for programs; and what it is told in other words."""

import json
import sys
from types import SimpleNamespace

import pytest

from glmcore.cli import main
from glmcore.cli.history_report import hits_text
from glmcore.core.messages import LOCAL_USER
from glmcore.core.settings import load_settings
from glmcore.history import Conversation, ListedConversation, open_history

HIT = "\x1b[1;31m"


@pytest.fixture
def store(english_in_an_empty_home):
    store = open_history(load_settings().resolved_database_url)
    yield store
    store.close()


@pytest.fixture
def talk(store):
    def make(title, *questions):
        made = store.conversations.create(LOCAL_USER, model="tiny", title=title)
        for question in questions:
            store.messages.add_question(LOCAL_USER, made.id, None, question)
        return made.id

    return make


def said(capsys, *arguments, code=0):
    assert main(["history", *arguments]) == code
    return capsys.readouterr()


def page_of(*parts, role="assistant", message_id="m1", num_messages=1):
    conversation = Conversation(
        id="c1",
        owner=LOCAL_USER,
        title="\x1b[2JRain",
        model="tiny",
        system_prompt="",
        params=None,
        leaf_id=None,
        created_at=0.0,
        updated_at=1e300,
    )
    snippet = [SimpleNamespace(text=text, is_hit=is_hit) for text, is_hit in parts]
    hit = SimpleNamespace(
        listed=ListedConversation(conversation=conversation),
        message_id=message_id,
        role=role,
        snippet=snippet,
        num_messages=num_messages,
    )
    return SimpleNamespace(hits=(hit,))


@pytest.mark.parametrize(
    ("is_terminal", "variables", "is_marked"),
    [(True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False), (True, {"TERM": "dumb"}, False)],
)
def test_words_are_marked_where_a_terminal_can(is_terminal, variables, is_marked, monkeypatch):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal, raising=False)
    text = hits_text(page_of(("because of\n", False), ("rain\x1b[0m", True), (" today", False)), "en")
    marked = f"{HIT}rain\x1b[0m" if is_marked else "rain"
    assert text.splitlines() == ["Rain  –  tiny  /chat?c=c1&m=m1", f"  answer: because of {marked} today"]


def test_title_and_further_messages_are_told():
    text = hits_text(page_of(("Rain", True), role=None, message_id=None, num_messages=3), "en")
    assert "/chat?c=c1\n  title: Rain" in text and "3 messages of it were found" in text


@pytest.mark.parametrize("words", ["rain", "下雨", '"下雨 today"', "下雨 -snow", "rai*"])
def test_search_finds_words_of_both_languages(words, talk, capsys):
    found, _ = talk("Weather", "Why is 下雨 today? rain!"), talk("Snow", "snow 下雪")
    out, err = said(capsys, "search", words)
    assert found in out and "Snow" not in out and HIT not in out and not err


def test_search_is_narrowed_counted_and_given_to_programs(talk, store, capsys):
    first, second = talk("Weather", "rain"), talk("Weather", "rain", "rain and rain")
    store.tags.set(LOCAL_USER, second, ["wet"])
    found = json.loads(said(capsys, "search", "rain", "--tag", "wet", "--json")[0])
    assert found["total"] == 1 and found["is_total_exact"] is True
    (hit,) = found["hits"]
    assert hit["id"] == second and hit["num_messages"] == 2 and hit["role"] == "user"
    assert any(part["is_hit"] and part["text"] == "rain" for part in hit["snippet"])
    out, err = said(capsys, "search", "rain", "--limit", "1")
    assert (first in out) is not (second in out) and "1 of 2 conversations are shown; see --limit" in err
    assert "Nothing is found for hail" in said(capsys, "search", "hail")[1]


def test_words_choose_for_lists_and_exports_too(talk, capsys):
    found, _ = talk("Weather", "rain"), talk("Cold", "snow")
    (one,) = json.loads(said(capsys, "list", "--words", "rain", "--json")[0])
    assert one["id"] == found
    assert said(capsys, "export", "json", "rain.json", "--words", "rain")[0].startswith("1 conversation is")


@pytest.mark.parametrize("arguments", [["search", '"open'], ["search", "*"], ["list", "--words=-only"]])
def test_query_that_cannot_be_understood_is_explained(arguments, talk, capsys):
    talk("Weather", "rain")
    out, err = said(capsys, *arguments, code=2)
    assert err and not out and "Traceback" not in err
