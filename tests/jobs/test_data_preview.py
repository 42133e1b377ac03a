"""Data files looked at: columns with their roles, pages of rows, and how many there are."""

import json
from pathlib import Path

import pytest

from glmcore.core.errors import DataError
from glmcore.jobs import data_preview
from glmcore.jobs.data_preview import BLOCK, KEPT_BLOCKS, LONGEST_VALUE, DataPreview
from glmcore.tuning.job_config import DataConfig


def write(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def numbered(path: Path, count: int) -> Path:
    return write(path, [{"prompt": f"question {number}", "response": "a"} for number in range(count)])


def test_columns_have_kinds_samples_and_roles(tmp_path: Path) -> None:
    rows = [
        {"prompt": "", "response": 3, "history": [["a", "b"]]},
        {"prompt": "ask", "response": 4.5, "is": True},
    ]
    path = write(tmp_path / "rows.jsonl", rows)
    look = DataPreview().look(path, "utf-8")
    assert [(column.name, column.kind, column.sample) for column in look.columns] == [
        ("prompt", "text", "ask"),
        ("response", "number", "3"),
        ("history", "list", '[["a", "b"]]'),
        ("is", "true or false", "true"),
    ]
    roles = look.roles(DataConfig(), path)
    assert (roles.prompt, roles.response, roles.history) == ("prompt", "response", "history")
    assert look.roles(DataConfig(prompt_column="is"), path).prompt == "is"
    with pytest.raises(DataError, match="no column 'gone'"):
        look.roles(DataConfig(prompt_column="gone"), path)


def test_rows_are_counted_or_said_to_be_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = numbered(tmp_path / "rows.jsonl", 1200)
    look = DataPreview().look(path, "utf-8")
    assert (look.num_rows, look.is_counted) == (1200, True)
    monkeypatch.setattr(data_preview, "MOST_COUNTED", 1100)
    look = DataPreview().look(path, "utf-8")
    assert (look.num_rows, look.is_counted) == (1100, False)


def test_pages_follow_each_other_and_the_last_is_short(tmp_path: Path) -> None:
    preview, path = DataPreview(), numbered(tmp_path / "rows.jsonl", 25)
    first, last = preview.rows(path, "utf-8", 0, 10), preview.rows(path, "utf-8", 20, 10)
    assert [row.number for row in first.rows] == list(range(1, 11)) and first.has_more
    assert [row.values["prompt"] for row in last.rows] == [f"question {number}" for number in range(20, 25)]
    assert not last.has_more
    assert not preview.rows(path, "utf-8", 15, 10).has_more
    assert preview.rows(path, "utf-8", 900, 10).rows == ()


def test_leafing_reads_on_and_not_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []

    def counted(path: Path, encoding: str):
        begun.append(path)
        return real(path, encoding)

    real = data_preview.iter_rows
    monkeypatch.setattr(data_preview, "iter_rows", counted)
    preview, path = DataPreview(), numbered(tmp_path / "rows.jsonl", (KEPT_BLOCKS + 5) * BLOCK)
    for start in (0, 10, 500, 510, 490, (KEPT_BLOCKS + 4) * BLOCK, (KEPT_BLOCKS + 3) * BLOCK):
        page = preview.rows(path, "utf-8", start, 10)
        assert page.rows[0].values["prompt"] == f"question {start}"
    assert len(begun) == 1
    preview.rows(path, "utf-8", 0, 10)  # forgotten meanwhile
    assert len(begun) == 2


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    preview, path = DataPreview(), numbered(tmp_path / "rows.jsonl", 2)
    assert preview.look(path, "utf-8").num_rows == 2 and len(preview.rows(path, "utf-8", 0, 9).rows) == 2
    numbered(path, 3)
    assert preview.look(path, "utf-8").num_rows == 3 and len(preview.rows(path, "utf-8", 0, 9).rows) == 3


def test_rows_before_a_broken_one_are_shown(tmp_path: Path) -> None:
    preview, path = DataPreview(), numbered(tmp_path / "rows.jsonl", 15)
    with path.open("a") as file:
        file.write("{broken\n")
    look = preview.look(path, "utf-8")
    assert look.num_rows == 15 and not look.is_counted and "line 16" in str(look.fault)
    assert preview.rows(path, "utf-8", 0, 10).fault is None
    page = preview.rows(path, "utf-8", 10, 10)
    assert len(page.rows) == 5 and not page.has_more and "line 16" in str(page.fault)


def test_another_encoding_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes("问题,回答\n你好,世界\n".encode("gb18030"))
    look = DataPreview().look(path, "utf-8")
    assert not look.columns and look.fault is not None and look.likely_encoding == "gb18030"
    look = DataPreview().look(path, "gb18030")
    assert [column.name for column in look.columns] == ["问题", "回答"] and look.fault is None


def test_what_no_browser_takes_is_cut_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a\\ud800": "\\udfff", "b": null, "c": "%s"}\n' % ("x" * 9999))
    preview = DataPreview()
    (row,) = preview.rows(path, "utf-8", 0, 5).rows
    assert list(row.values) == ["a?", "b", "c"] and row.values["a?"] == "?" and row.values["b"] is None
    assert len(row.values["c"] or "") == LONGEST_VALUE
    assert preview.look(path, "utf-8").columns[0].name == "a?"


def test_a_file_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        DataPreview().look(tmp_path / "rows.csv", "utf-8")
