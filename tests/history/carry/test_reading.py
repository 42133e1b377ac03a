"""Reading a file: whatever is in it, a sentence tells what cannot be taken, and the store stays as it is."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from glmcore.core.errors import DataError, StorageError
from glmcore.history import HistoryStore, open_temporary
from glmcore.history.carry import fields, files, json_values, nodes, read_import
from tests.history.carry.samples import (
    CHATGPT,
    OPEN_WEBUI,
    OPENAI,
    OWNER,
    SHAREGPT,
    exported,
    fill,
    imported,
    written,
)

GOOD = json.dumps(SHAREGPT)


@pytest.fixture(scope="module")
def empty() -> HistoryStore:
    return open_temporary()


def problems(store: HistoryStore, path: Path) -> list[tuple[str, str]]:
    return [
        (each.place.text, str(each.error)) for each in read_import(store, OWNER, path).problems
    ] + exported_conversations(store)


def exported_conversations(store: HistoryStore) -> list[Any]:
    found: list[Any] = json.loads(exported(store))["conversations"]
    return found


@pytest.mark.parametrize(
    ("values", "form", "num_messages", "titles"),
    [
        (CHATGPT, "chatgpt", 3, ["熊猫"]),
        (CHATGPT[0], "chatgpt", 3, ["熊猫"]),
        (OPEN_WEBUI, "openwebui", 4, ["Sums", "Old"]),
        (OPEN_WEBUI[0]["chat"], "openwebui", 3, ["1+1?"]),
        ([OPENAI], "openai", 2, ["Look"]),
        (f"{json.dumps(OPENAI)}\n\n{json.dumps(OPENAI | {'title': 'T'})}", "openai", 4, ["Look", "T"]),
        (json.dumps(OPENAI, indent=1) * 2, "openai", 4, ["Look"]),
        ([SHAREGPT], "sharegpt", 2, ["Hello <script>alert(1)</script>"]),
        (f"\ufeff{GOOD}", "sharegpt", 2, ["Hello <script>alert(1)</script>"]),
    ],
)
def test_the_form_is_known_by_what_is_in_the_file(
    empty: HistoryStore, tmp_path: Path, values: Any, form: str, num_messages: int, titles: list[str]
) -> None:
    preview = read_import(empty, OWNER, written(tmp_path, values, "upload"))
    assert (preview.form, preview.num_messages, preview.num_problems) == (form, num_messages, 0)
    assert list(preview.samples) == titles and not exported_conversations(empty)


def test_a_file_is_read_as_utf_16_or_with_bytes_that_are_no_text(empty: HistoryStore, tmp_path: Path) -> None:
    path = tmp_path / "chats.jsonl"
    path.write_bytes(GOOD.encode("utf-16"))
    assert read_import(empty, OWNER, path).num_messages == 2
    path.write_bytes(GOOD.encode().replace(b"Hello", b"\xff\\u0000\\ud800"))
    (title,) = read_import(empty, OWNER, path).samples
    assert title.startswith("\ufffd\ufffd") and "\x00" not in title


def test_a_broken_line_hides_no_other(empty: HistoryStore, tmp_path: Path) -> None:
    lines = [GOOD, '{"conversations": [', GOOD.replace("Hi", "Ho"), "17", '{"a": 1} {']
    found = problems(empty, written(tmp_path, "\n".join(lines), "chats.jsonl"))
    assert [place for place, _text in found] == ["line 2", "line 4", "line 5", "line 5"]
    assert "one whole object" in found[0][1] and "found 17, expected an object" in found[1][1]


def test_a_file_that_was_cut_off_gives_what_came_before(empty: HistoryStore, tmp_path: Path) -> None:
    text = json.dumps([SHAREGPT, OPENAI])
    preview = read_import(empty, OWNER, written(tmp_path, text[:-30]))
    assert preview.num_conversations == 1
    (problem,) = preview.problems
    assert problem.place.text == "conversation 2" and "cut off" in str(problem.error)
    preview = read_import(empty, OWNER, written(tmp_path, text[:-1] + ", oops]"))
    assert preview.num_conversations == 2 and "broken JSON" in str(preview.problems[0].error)


def changed(values: Any, **changes: Any) -> Any:
    return json.loads(json.dumps(values)) | changes


def node(**changes: Any) -> Any:
    return changed(CHATGPT[0], mapping={**CHATGPT[0]["mapping"], "a2": CHATGPT[0]["mapping"]["a2"] | changes})


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ({"messages": "x"}, "messages: found 'x', expected a list"),
        ({"messages": [7]}, "messages[0]: found 7, expected an object"),
        ({"messages": [{"content": "x"}]}, "messages[0].role: found nothing, expected a text"),
        ({"messages": [{"role": "judge", "content": "x"}]}, "messages[0].role: found 'judge', expected user"),
        (
            {"messages": [{"role": "user", "content": [1]}]},
            "messages[0].content[0]: found 1, expected a text",
        ),
        ({"messages": [], "glmcore": {"id": "../x"}}, "glmcore.id: found '../x', expected an id"),
        ({"conversations": [{"from": "cat", "value": "miau"}]}, "conversations[0].from: found 'cat'"),
        ({"conversations": [{"from": "human", "value": {}}]}, "found an object, expected a text"),
        ({"mapping": [], "title": 1}, "mapping: found a list, expected an object"),
        (node(parent="gone"), "message 'a2': it follows 'gone', which is not in the conversation"),
        (node(parent="a2"), "message 'a2': the messages follow each other in a circle"),
        (node(message={"author": {"role": "ghost"}}), "mapping.a2.message.author.role: found 'ghost'"),
        ({"chat": {"history": {"messages": {"a": []}}}}, "chat.history.messages.a: found a list"),
        ({"chat": {"title": "x"}}, "chat.messages: found nothing, expected a list"),
        ({"something": 1}, "found an object with 'something'; expected a conversation"),
        (["x"], "conversation: found a list, expected an object"),
        ({"messages": [], "deep": json.loads("[" * 200 + "]" * 200)}, "more than 100 deep"),
    ],
)
def test_wrong_values_are_named_by_their_place(
    empty: HistoryStore, tmp_path: Path, bad: Any, sentence: str
) -> None:
    ((place, text),) = problems(empty, written(tmp_path, [SHAREGPT, bad]))
    assert place == "conversation 2" and sentence in text


@pytest.mark.parametrize(
    ("at", "name", "value", "sentence"),
    [
        ("", "id", "a b", "id: found 'a b', expected an id"),
        ("", "shelf", ["open"], "shelf: found a list, expected open, archived or deleted"),
        ("", "shown", "x", "shown: found 'x', expected the id of one of the messages"),
        ("", "tags", "x", "tags: found 'x', expected a list"),
        ("", "params", {"temperature": "hot"}, "params: temperature is 'hot'; expected a number"),
        ("", "params", {"stop": 7}, "params.stop: found 7, expected a list"),
        ("message", "parent", "x", "messages[2].parent: found 'x', expected the id of a message before"),
        ("message", "state", "dreaming", "messages[2].state: found 'dreaming', expected done"),
        ("message", "judgement", {"stars": 9}, "messages[2].judgement: stars of a judgement is 9"),
        ("message", "judgement", {"reason": {}}, "reason of a judgement"),
        ("facts", "stop_reason", "bored", "messages[2].facts.stop_reason: found 'bored'"),
        ("facts", "seconds", "1", "messages[2].facts.seconds: found '1', expected a number"),
        ("facts", "completion_tokens", -1, "facts.completion_tokens: found -1, expected a number"),
        ("facts", "engine", 7, "facts.engine: found 7"),
        ("facts", "error", {"template": "{a.b}", "values": {"a": "x"}}, "facts.error: found an object"),
        ("facts", "error", {"template": "{a:>999999999}", "values": {"a": "x"}}, "an error as this program"),
        ("facts", "error", {"template": "{b}", "values": {"a": "x"}}, "an error as this program writes it"),
    ],
)
def test_our_own_form_is_not_believed_either(
    empty: HistoryStore, tmp_path: Path, at: str, name: str, value: Any, sentence: str
) -> None:
    source = open_temporary()
    fill(source)
    values = json.loads(exported(source))
    talk = values["conversations"][0]
    {"": talk, "message": talk["messages"][2], "facts": talk["messages"][2]["facts"]}[at][name] = value
    ((place, text),) = problems(empty, written(tmp_path, values))
    assert place == "conversation 1" and sentence in text


def test_a_file_of_a_newer_program_is_refused_whole(empty: HistoryStore, tmp_path: Path) -> None:
    text = '{"format": "glmcore-history", "version": 2, "conversations": [{}]}'
    with pytest.raises(DataError, match=r"conversation that can be imported: The file is of version '2'"):
        read_import(empty, OWNER, written(tmp_path, text))


@pytest.mark.parametrize("text", ["", " \n ", "[]", '{"format": "glmcore-history", "conversations": []}'])
def test_an_empty_file_is_told(empty: HistoryStore, tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match="is empty"):
        read_import(empty, OWNER, written(tmp_path, text))


@pytest.mark.parametrize("text", ["hello", "\x89PNG\r\n", "<html>", "{}", "[[[", '"abc', "1e999", "9" * 9000])
def test_a_file_with_nothing_to_import_is_told(empty: HistoryStore, tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"no conversation that can be imported|is empty"):
        read_import(empty, OWNER, written(tmp_path, text))


def test_numbers_and_times_that_cannot_be_are_taken_for_none(empty: HistoryStore, tmp_path: Path) -> None:
    times = [1_700_000_000_000, 1.7e18, -5, 1e400, True, "2023-11-14T22:13:20+00:00", "soon", int("9" * 400)]
    found = [fields.seconds_of(value) for value in times]
    assert found == [1.7e9, 1.7e9, None, None, None, 1.7e9, None, None]
    odd = [changed(OPENAI, created_at=time) for time in (-5, True, "soon", 1e300, [], None)]
    assert read_import(empty, OWNER, written(tmp_path, odd)).num_problems == 0


def test_limits_are_told(empty: HistoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "MAX_MESSAGES", 2)
    monkeypatch.setattr(fields, "MAX_TEXT_CHARACTERS", 50)
    monkeypatch.setattr(json_values, "MAX_PARTS", 1_000)
    said = {"from": "human", "value": "x"}
    bad = [
        {"conversations": [said] * 3},
        {"conversations": [{"from": "human", "value": "x" * 51}]},
        {"conversations": [{"from": "human", "value": "x"}] * 2_000},
    ]
    found = problems(empty, written(tmp_path, [SHAREGPT, *bad, SHAREGPT]))
    assert [place for place, _text in found] == ["conversation 2", "conversation 3", "conversation 4"]
    assert "3 in one conversation" in found[0][1] and "51 characters" in found[1][1]
    assert "split it" in found[2][1]
    path = written(tmp_path, [SHAREGPT])
    with pytest.raises(DataError, match="more than 20 bytes"):
        read_import(empty, OWNER, path, max_bytes=20)


def zipped(folder: Path, **members: bytes) -> Path:
    path = folder / "export.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_json", ".json"), content)
    return path


def test_the_conversations_of_an_archive_are_read(empty: HistoryStore, tmp_path: Path) -> None:
    path = zipped(tmp_path, conversations_json=json.dumps(CHATGPT).encode(), user_json=b"{}")
    assert read_import(empty, OWNER, path).form == "chatgpt"
    path = zipped(tmp_path, chats_json=json.dumps(OPEN_WEBUI).encode())
    assert read_import(empty, OWNER, path).form == "openwebui"


def test_an_archive_that_is_none_or_a_trap_is_refused(
    empty: HistoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = zipped(tmp_path, conversations_json=b" " * 1_000_000)
    monkeypatch.setattr(files, "RATIO_MATTERS_BYTES", 100_000)
    with pytest.raises(DataError, match="would become 1,000,000 bytes"):
        read_import(empty, OWNER, whole)
    with pytest.raises(DataError, match="more than 5,000 bytes"):
        read_import(empty, OWNER, zipped(tmp_path, conversations_json=b"x" * 9_000), max_bytes=5_000)
    with pytest.raises(DataError, match=r"no conversations\.json"):
        read_import(empty, OWNER, zipped(tmp_path, a_json=b"{}", b_json=b"{}"))
    cut = whole.read_bytes()
    for content in (cut[:-10], cut[:40] + b"\xff" * 40 + cut[80:], b"PK\x03\x04"):
        whole.write_bytes(content)
        with pytest.raises(DataError, match=r"damaged|no conversation|would become"):
            read_import(empty, OWNER, whole)
    with pytest.raises(DataError, match="cannot be read"):
        read_import(empty, OWNER, tmp_path)


def test_known_ones_are_counted_those_twice_in_the_file_too(store: HistoryStore, tmp_path: Path) -> None:
    path = written(tmp_path, f"{GOOD}\n{GOOD}\n{json.dumps(OPENAI)}")
    assert read_import(store, OWNER, path).num_known == 1
    imported(store, path)
    assert read_import(store, OWNER, path).num_known == 3
    assert read_import(store, "bob", path).num_known == 1


def test_conversations_in_which_nothing_is_said_are_passed_over(empty: HistoryStore, tmp_path: Path) -> None:
    preview = read_import(empty, OWNER, written(tmp_path, [SHAREGPT, {"messages": []}]))
    assert (preview.num_conversations, preview.num_empty, preview.num_problems) == (1, 1, 0)


def test_a_folder_for_what_is_read_that_is_not_there_is_told(empty: HistoryStore, tmp_path: Path) -> None:
    path = written(tmp_path, [OPENAI])
    with pytest.raises(StorageError, match="does not fit into the folder for temporary files"):
        read_import(empty, OWNER, path, spool_folder=tmp_path / "gone")
