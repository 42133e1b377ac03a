"""JSON: an object per line, or one array."""

import json
from pathlib import Path

import pytest

from glmcore.core.errors import DataError
from glmcore.tuning.data import json_files
from glmcore.tuning.data.json_files import iter_json


def read(path: Path, content: str | bytes) -> list[tuple]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(iter_json(path, "utf-8"))


def fault_of(path: Path, content: str | bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(path, content)
    return str(caught.value).replace(f"{path.parent}/", "")


def test_lines_are_rows_whatever_the_ending_says(tmp_path):
    rows = [(1, {"p": "a"}), (4, {"p": "b"})]
    for name in ("a.json", "a.jsonl"):
        assert read(tmp_path / name, '{"p": "a"}\r\n\n  \n{"p": "b"}') == rows


def test_array_is_rows_whatever_the_ending_says(tmp_path):
    for name in ("a.json", "a.jsonl"):
        assert read(tmp_path / name, ' \n[ {"p":\n"a"} ,\n\n{"p": "b"}]\n') == [
            (1, {"p": "a"}),
            (2, {"p": "b"}),
        ]


def test_columns_may_change_their_type(tmp_path):
    rows = [
        {"p": 1, "history": []},
        {"p": "x", "history": [["q", "a"]]},
        {"p": '"x"', "history": "2020-01-01", "new": {"a": [None, True]}},
    ]
    assert read(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows))) == list(enumerate(rows, 1))
    assert read(tmp_path / "a.json", json.dumps(rows, indent=2)) == list(enumerate(rows, 1))


def test_line_separators_of_unicode_end_no_line(tmp_path):
    assert read(tmp_path / "a.jsonl", '{"p": "a\u2028b\x85c"}\n') == [(1, {"p": "a\u2028b\x85c"})]


def test_array_is_read_through_a_narrow_window(tmp_path, monkeypatch):
    rows = [{"p": 'ä"]}, {' * size, "n": [1.5e3, None, {"x": "\\u"}]} for size in range(40)]
    for width in (1, 2, 7, 50):
        monkeypatch.setattr(json_files, "CHUNK_CHARACTERS", width)
        for indent in (None, 3):
            content = json.dumps(rows, indent=indent)
            assert read(tmp_path / "a.json", content) == list(enumerate(rows, 1)), (width, indent)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"p": 1}\n{"p": "x"\n', "line 2, character 10: broken JSON (Expecting ',' delimiter)"),
        ('{"p": 1}\n\n{"p": "x', "line 3, character 7: broken JSON (Unterminated string"),
        ("{'p': 1}\n", "line 1, character 2: broken JSON"),
        ('{\n "p": 1\n}', "line 1, character 2: broken JSON"),
        ('{"p": 1} {"p": 2}', "line 1, character 10: broken JSON (Extra data)"),
        ('{"p": 1}\n3\n', "row 2: found int, expected an object"),
        ('["a", "b"]', "row 1: found str, expected an object"),
        ('{"p": ' + "[" * 100_000, "line 1, character 1: broken JSON (brackets too deep"),
        ('[{"p": ' + "[" * 100_000, "line 1, element 1 of the array: broken JSON (brackets too deep"),
        (
            '{"p": ' + "9" * 5000 + "}",
            "line 1, character 1: broken JSON (brackets too deep inside each other, or a",
        ),
        ('[{"p": 1},\n{"p": 2}', "line 2, element 2 of the array: broken JSON (expected ',' or ']'"),
        ('[{"p": 1},\n{"p":\n', "line 3, element 2 of the array: broken JSON (Expecting value)"),
        ('[{"p": 1}\n\n{"p": 2}]', "line 3, element 1 of the array: broken JSON (expected ','"),
        ('[{"p": 1}]\n[]', "line 2, element 1 of the array: broken JSON (expected nothing after"),
        ('[{"p": 1},]', "line 1, element 2 of the array: broken JSON"),
        ("[\n", "line 2, element 1 of the array: broken JSON"),
    ],
)
def test_broken_json_is_found(tmp_path, content, fault):
    assert fault_of(tmp_path / "a.json", content).startswith(f"a.json, {fault}")


def test_line_of_a_fault_is_right_after_the_window_moved(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "CHUNK_CHARACTERS", 64)
    lines = [f'{{"p": "{number}"}},' for number in range(2, 101)]
    lines[50] = '{"p": nothing, "r": "' + "a" * 100 + '"},'
    fault = fault_of(tmp_path / "a.json", "[\n" + "\n".join(lines) + "\n]")
    assert fault.startswith("a.json, line 52, element 51 of the array: broken JSON (Expecting value)")


def test_element_without_an_end_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "MAX_ROW_CHARACTERS", 1000)
    monkeypatch.setattr(json_files, "CHUNK_CHARACTERS", 100)
    fault = fault_of(tmp_path / "a.json", '[{"p": 1},\n{"p": "' + "a" * 10_000)
    assert fault.startswith("a.json, line 2: the row that begins here has more than")


def test_empty_files_and_arrays_have_no_rows(tmp_path):
    assert [read(tmp_path / "a.json", content) for content in ("", " \n\n", "[]", "[ ]\n")] == [[]] * 4
