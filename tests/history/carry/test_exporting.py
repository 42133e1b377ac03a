"""Exports: complete ones come back as they were; the others are read by people, tables and other programs."""

import csv
import io
import json
from pathlib import Path

import pytest

from glmcore.history import ConversationFilter, HistoryStore, open_temporary
from glmcore.history.carry import FORMS, carry_out, export, file_name, read_import
from glmcore.history.carry.markdown_form import harmless
from tests.history.carry.samples import CHATGPT, OPEN_WEBUI, OWNER, exported, fill, imported, written


def test_what_is_imported_into_an_empty_history_is_exported_as_the_same_text(
    store: HistoryStore, tmp_path: Path
) -> None:
    before = open_temporary()
    fill(before)
    for name, values in (("a.json", CHATGPT), ("b.json", OPEN_WEBUI)):
        imported(before, written(tmp_path, values, name))
    text = exported(before)
    assert len(imported(store, written(tmp_path, text)).ids) == 5
    assert exported(store) == text


def test_our_json_is_one_json_text_even_of_nothing() -> None:
    store = open_temporary()
    assert json.loads(exported(store)) == {"format": "glmcore-history", "version": 1, "conversations": []}


def test_only_the_conversations_that_are_meant_are_exported(store: HistoryStore) -> None:
    talk_id = fill(store)
    chosen = ConversationFilter(ids=(talk_id,))
    found = json.loads(b"".join(export(store, OWNER, chosen, "json")))["conversations"]
    assert [each["id"] for each in found] == [talk_id]
    assert b"".join(export(store, "bob", chosen, "sharegpt")) == b""


def test_rows_of_turns_hold_the_prompt_and_the_shown_branch_as_it_was_answered(store: HistoryStore) -> None:
    talk_id = fill(store)
    (line,) = exported(store, "openai").splitlines()
    values = json.loads(line)
    assert values["messages"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Where do pandas live?"},
        {"role": "assistant", "content": "In Sich"},
    ]
    assert values["glmcore"]["id"] == talk_id
    turns = json.loads(exported(store, "sharegpt"))["conversations"]
    assert [turn["from"] for turn in turns] == ["system", "human", "gpt"]


@pytest.mark.parametrize("form", ["openai", "sharegpt"])
def test_an_export_of_turns_is_known_where_it_came_from_and_new_elsewhere(
    store: HistoryStore, tmp_path: Path, form: str
) -> None:
    fill(store)
    path = written(tmp_path, exported(store, form), "chats.jsonl")
    assert read_import(store, OWNER, path).num_known == 1
    other = open_temporary()
    assert [imported(other, path).imported, imported(other, path).imported] == [1, 0]
    (found,) = other.conversations.page(OWNER)
    assert found.tags == ("animals", "教学") and found.conversation.title == "=Pandas & <b>"
    assert found.conversation.system_prompt == "Be kind."


def test_no_cell_of_a_table_is_taken_for_a_formula(store: HistoryStore) -> None:
    fill(store)
    text = exported(store, "csv").removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["is_shown"] for row in rows] == ["1", "0", "1"]
    assert {row["title"] for row in rows} == {"'=Pandas & <b>"}
    assert rows[2]["repair"] == "In Sichuan." and rows[2]["thumb"] == "-1"


def test_a_lone_return_in_a_text_begins_no_row_of_a_table(store: HistoryStore) -> None:
    talk = store.conversations.create(OWNER, model="tiny")
    store.messages.add_question(OWNER, talk.id, None, "harmless\r=1+1")
    text = exported(store, "csv").removeprefix("\ufeff")
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["content"] == "harmless\r=1+1"


def test_markdown_tells_who_said_what_and_how_it_was_judged(store: HistoryStore) -> None:
    fill(store)
    text = exported(store, "markdown")
    assert text.startswith("# =Pandas & \\<b\\>\n")
    assert "## Assistant (tiny)\n\nIn Sich\n" in text and "In China." not in text
    assert "Judged: 👎 ★★ incomplete" in text and "### Ideal answer\n\nIn Sichuan." in text


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("a < b and <!-- x", "a < b and &lt;!-- x"),
        ("![x](http://spy)", "!\\[x](http://spy)"),
        ("# User\n###### deep\n#tag", "### User\n###### deep\n#tag"),
        ("```html\n<b>\n```\n<i>", "```html\n<b>\n```\n&lt;i>"),
        ("1. ```\n   ```\n<i>", "1. \\`\\`\\`\n```\n<i>\n```"),
        (" ```\n```\n<i>", "```\n```\n&lt;i>"),
        ("> ~~~\n<i>", "> \\~\\~\\~\n&lt;i>"),
        ("``` a`b\n<i>", "\\`\\`\\` a`b\n&lt;i>"),
        ("````\n```\n<b>", "````\n```\n<b>\n````"),
        ("~~~\n    ~~~\n<b>", "~~~\n    ~~~\n<b>\n~~~"),
    ],
)
def test_tags_and_pictures_are_shown_as_written_but_code_is_left_alone(said: str, shown: str) -> None:
    assert harmless(said) == shown


def test_a_file_is_named_after_the_only_conversation_or_the_day() -> None:
    assert file_name("markdown", "../熊猫: a/b?") == "熊猫-a-b.md"
    assert file_name("csv", "///").startswith("conversations-20")
    assert {file_name(form)[-3:] for form in FORMS} == {"son", ".md", "csv", "onl"}


def test_pieces_are_bounded_however_much_is_exported(tmp_path: Path) -> None:
    store = open_temporary()
    lines = "".join(f'{{"messages": [{{"role": "user", "content": "{n:0999}"}}]}}\n' for n in range(300))
    carry_out(
        store, OWNER, read_import(store, OWNER, written(tmp_path, lines, "a.jsonl")), skip_problems=False
    )
    pieces = list(export(store, OWNER, ConversationFilter(), "json"))
    assert len(pieces) > 3 and max(map(len, pieces)) < 1 << 17
