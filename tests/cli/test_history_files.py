"""`history export` and `history import`: to a file, through a pipe, and what is wrong with one."""

import json
import os
from pathlib import Path

import pytest

from glmcore.cli import main
from glmcore.core.messages import LOCAL_USER
from glmcore.core.settings import load_settings
from glmcore.history import ConversationFilter, open_history


@pytest.fixture
def store(english_in_an_empty_home):
    store = open_history(load_settings().resolved_database_url)
    yield store
    store.close()


@pytest.fixture
def talk(store):
    def make(title):
        made = store.conversations.create(LOCAL_USER, model="tiny", title=title)
        store.messages.add_question(LOCAL_USER, made.id, None, f"Why {title}?")
        return made.id

    return make


def said(capsysbinary, *arguments, code=0):
    assert main(["history", *arguments]) == code
    out, err = capsysbinary.readouterr()
    return out.decode(), err.decode()


def lines(path, *rows):
    text = "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)
    Path(path).write_text(text, encoding="utf-8")


def turns(*texts):
    roles = ("user", "assistant") * len(texts)
    return {"messages": [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]}


def test_export_comes_back_by_an_import_into_another_home(talk, capsysbinary, monkeypatch, tmp_path):
    talk("Rain"), talk("下雨")
    assert said(capsysbinary, "export", "json", "all.json")[0] == "2 conversations are in all.json.\n"
    monkeypatch.setenv("GLMCORE_HOME", str(tmp_path / "other"))
    out, _ = said(capsysbinary, "import", "all.json", "--dry-run")
    assert "this program's JSON" in out and "Conversations: 2, messages: 2." in out and "  下雨" in out
    assert said(capsysbinary, "list")[0] == "No conversation is found.\n"
    imported = said(capsysbinary, "import", "all.json")[0]
    assert imported.endswith("Imported: 2. Here already: 0. Left out: 0.\n")
    assert said(capsysbinary, "import", "all.json")[0].endswith(
        "Imported: 0. Here already: 2. Left out: 0.\n"
    )


@pytest.mark.parametrize("form", ["json", "markdown", "csv", "sharegpt", "openai"])
def test_export_without_a_file_goes_through_a_pipe(form, talk, capsysbinary):
    wanted, _ = talk("Rain"), talk("Snow")
    out, err = said(capsysbinary, "export", form, "--id", wanted)
    assert "Why Rain?" in out and "Snow" not in out and not err


def test_export_into_a_folder_names_its_file_and_replaces_none_unasked(talk, capsysbinary, tmp_path):
    talk("Rain")
    (tmp_path / "kept").mkdir()
    said(capsysbinary, "export", "csv", "kept")
    (file,) = (tmp_path / "kept").iterdir()
    before = file.read_bytes()
    talk("Snow")
    assert "is there already" in said(capsysbinary, "export", "csv", "kept", code=2)[1]
    assert file.read_bytes() == before
    said(capsysbinary, "export", "csv", "kept", "--force")
    assert b"Snow" in file.read_bytes() and len(os.listdir(tmp_path / "kept")) == 1


def test_export_that_cannot_be_written_is_said(talk, capsysbinary, tmp_path):
    talk("Rain")
    (tmp_path / "file").touch()
    for place in ("absent/all.json", "file/all.json"):
        assert "cannot be written" in said(capsysbinary, "export", "json", place, code=2)[1]


def test_export_replaces_no_device(talk, capsysbinary, tmp_path):
    talk("Rain")
    os.mkfifo(tmp_path / "pipe")
    assert "no ordinary file" in said(capsysbinary, "export", "json", "pipe", "--force", code=2)[1]
    assert (tmp_path / "pipe").is_fifo()


def test_bad_lines_are_named_and_left_out_on_request(store, capsysbinary):
    lines("mixed.jsonl", turns("Why?", "Because."), "{not json", {"messages": "none"}, turns("And?", "So."))
    out, err = said(capsysbinary, "import", "mixed.jsonl", "--dry-run", code=1)
    assert "OpenAI messages" in out and "Conversations: 2" in out
    assert len(err.splitlines()) == 2 and "2: " in err.splitlines()[0] and "3: " in err.splitlines()[1]
    assert "Nothing was imported" in said(capsysbinary, "import", "mixed.jsonl", code=2)[1]
    assert store.conversations.count(LOCAL_USER, ConversationFilter()) == 0
    out, _ = said(capsysbinary, "import", "mixed.jsonl", "--skip-bad")
    assert out.endswith("Imported: 2. Here already: 0. Left out: 2.\n")


def test_many_problems_are_counted_and_cannot_drive_the_terminal(store, capsysbinary):
    lines("bad.jsonl", turns("\x1b[2JWhy?", "So."), *[{"messages": "\x1b[31m"}] * 30)
    out, err = said(capsysbinary, "import", "bad.jsonl", "--dry-run", code=1)
    assert "10 more problems." in err and "\x1b" not in out + err


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"hello", b"[", b"{}", b"[1, 2]"])
def test_file_of_nothing_is_a_sentence(content, store, capsysbinary, tmp_path):
    (tmp_path / "odd").write_bytes(content)
    out, err = said(capsysbinary, "import", "odd", code=2)
    assert "odd" in err and not out and "Traceback" not in err
