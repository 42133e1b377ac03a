"""Rows of CSV, Parquet and unusable files; what is particular to JSON and to text is beside."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from glmcore.core.errors import DataError
from glmcore.tuning.data import rows as rows_module
from glmcore.tuning.data.rows import iter_rows, read_names


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def values_of(path: Path, **options: Any) -> list[dict[str, Any]]:
    return [row.values for row in iter_rows(path, **options)]


def fault_of(path: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        list(iter_rows(path, **options))
    return str(caught.value).replace(f"{path.parent}/", "")


def test_csv_cells_stay_the_texts_they_are(tmp_path):
    path = written(tmp_path / "a.csv", "prompt,response\n007,NA\nnull, 1.0 \n2020-01-01,\n")
    assert [list(values.values()) for values in values_of(path)] == [
        ["007", "NA"],
        ["null", " 1.0 "],
        ["2020-01-01", ""],
    ]


def test_csv_rows_have_the_line_they_begin_on(tmp_path):
    path = written(tmp_path / "a.csv", 'p,r\r\n"a\r\nb","x,y"\r\n\r\nc,"say ""d"""\r\n')
    assert [tuple(row) for row in iter_rows(path)] == [
        (2, {"p": "a\r\nb", "r": "x,y"}),
        (5, {"p": "c", "r": 'say "d"'}),
    ]


def test_short_csv_rows_end_with_nothing(tmp_path):
    assert values_of(written(tmp_path / "a.csv", "p,r\na\n")) == [{"p": "a", "r": None}]


def test_tsv_is_separated_by_tabs_and_its_names_are_stripped(tmp_path):
    assert values_of(written(tmp_path / "a.TSV", "p\t r\na,b\tc\n")) == [{"p": "a,b", "r": "c"}]


def test_long_cells_are_read_whole(tmp_path):
    path = written(tmp_path / "a.csv", f"p,r\nq,{'a' * 300_000}\n")
    assert len(values_of(path)[0]["r"]) == 300_000


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("p,r\na,b\nc,d,e\n", "a.csv, line 3: found 3 fields, the header names 2"),
        ("p,p\na,b\n", "a.csv: the header names the column 'p' twice"),
        (
            'p,r\na,b\nc,"d\ne,f\n',
            "a.csv, line 3: the row that begins here is broken (unexpected end of data)",
        ),
        ('p,r\n"a"b,c\n', "a.csv, line 2: the row that begins here is broken"),
        ("", "a.csv has no rows"),
        ("p,r\n\n", "a.csv has no rows"),
    ],
)
def test_fault_of_a_csv_file_names_its_line(tmp_path, content, fault):
    assert fault_of(written(tmp_path / "a.csv", content)).startswith(fault)


def test_rows_before_a_broken_one_are_given(tmp_path):
    rows = iter_rows(written(tmp_path / "a.csv", "p,r\na,b\nc,d,e\n"))
    assert next(rows).values == {"p": "a", "r": "b"}
    with pytest.raises(DataError):
        next(rows)


def test_parquet_rows_keep_their_types(tmp_path):
    rows = [
        {"p": "007", "n": None, "history": [["q", "2020-01-01"]], "messages": [{"role": "user"}]},
        {"p": "8", "n": 1, "history": [], "messages": []},
    ]
    path = tmp_path / "data[1].parquet"  # not a pattern
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert [tuple(row) for row in iter_rows(path)] == [(1, rows[0]), (2, rows[1])]


def test_parquet_rows_are_counted_over_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "BATCH_ROWS", 3)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"p": [str(number) for number in range(1, 9)]}), path, row_group_size=4)
    assert [(row.number, row.values["p"]) for row in iter_rows(path)] == [(n, str(n)) for n in range(1, 9)]


@pytest.mark.parametrize("spoil", [lambda b: b[:-9], lambda b: b[:200] + bytes(200) + b[400:], lambda b: b""])
def test_damaged_parquet_file_is_said_to_be_so(tmp_path, spoil, capfd):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"p": [str(number) * 50 for number in range(1000)]}), path)
    path.write_bytes(spoil(path.read_bytes()))
    assert fault_of(path).startswith("a.parquet is no Parquet file, or damaged (")
    assert capfd.readouterr() == ("", "")


def test_parquet_file_without_rows_is_refused(tmp_path):
    pq.write_table(pa.table({"p": pa.array([], pa.string())}), tmp_path / "a.parquet")
    assert fault_of(tmp_path / "a.parquet").startswith("a.parquet has no rows")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_missing_file_is_named(tmp_path, ending):
    assert fault_of(tmp_path / f"a.{ending}").startswith(f"There is no file a.{ending}")


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_unreadable_file_is_told_with_the_systems_reason(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    path.symlink_to(path)
    assert fault_of(path).startswith(f"a.{ending} cannot be read: Too many levels")


def test_file_without_permission_is_told_so(tmp_path, monkeypatch):
    def refuse(self: Path, *_: Any, **__: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert fault_of(tmp_path / "a.jsonl") == "a.jsonl cannot be read: Permission denied."


def test_folder_is_refused(tmp_path):
    assert fault_of(tmp_path).endswith("is a folder; name one file with rows in it.")


@pytest.mark.parametrize("name", ["rows", "rows.txt", "rows.csv.gz"])
def test_unknown_ending_names_the_known_ones(tmp_path, name):
    fault = fault_of(written(tmp_path / name, "x"))
    assert fault == f"{name} has no known ending; expected one of .jsonl, .json, .csv, .tsv, .parquet."


def test_limit_stops_before_what_comes_later(tmp_path):
    path = written(tmp_path / "a.csv", "p,r\na,b\nc,d\ne,f,g\n")
    assert [row.number for row in iter_rows(path, limit=2)] == [2, 3]


def test_names_are_those_of_the_first_rows_together(tmp_path):
    path = written(tmp_path / "a.jsonl", '{"p": 1, "r": 2}\n{"p": 1, "history": [], "r": 2}\n')
    assert read_names(path) == ["p", "r", "history"]
