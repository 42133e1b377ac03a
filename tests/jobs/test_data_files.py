"""Data sets that are uploaded, listed and confined to their folder."""

import errno
import io
import os
from pathlib import Path

import pytest

from glmcore.core.errors import DataError, StorageError
from glmcore.core.settings import Settings
from glmcore.jobs import data_files
from glmcore.jobs.data_files import SHIPPED, DataFiles
from glmcore.jobs.text_encoding import guess_encoding

ROWS = b'{"prompt": "one", "response": "two"}\n'


@pytest.fixture
def files(settings: Settings) -> DataFiles:
    return DataFiles(settings)


def left(files: DataFiles) -> list[str]:
    return sorted(path.name for path in files.uploads.iterdir() if path.name != ".lock")


def test_the_same_content_is_one_file_and_another_gets_a_number(files: DataFiles) -> None:
    first = files.save("rows.jsonl", ROWS)
    assert first.read_bytes() == ROWS and first.parent == files.uploads
    other = files.save("rows.jsonl", ROWS * 2)
    assert files.save("rows.jsonl", io.BytesIO(ROWS)) == first
    assert files.save("rows.jsonl", ROWS * 2) == other
    assert left(files) == ["rows-2.jsonl", "rows.jsonl"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/pass wd.jsonl", "pass_wd.jsonl"),
        ("C:\\data\\rows.JSONL", "rows.jsonl"),
        ("?.jsonl", "data.jsonl"),
        (".hidden.jsonl", "hidden.jsonl"),
        ("数据 集.jsonl", "数据_集.jsonl"),
        ("a\0b\n<c>\ud800.jsonl", "a_b_c.jsonl"),
        ("x" * 500 + ".jsonl", "x" * 60 + ".jsonl"),
    ],
)
def test_a_name_leads_nowhere_else(files: DataFiles, name: str, kept: str) -> None:
    assert files.save(name, ROWS) == files.uploads / kept


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.exe", ROWS, "no known ending"),
        ("rows", ROWS, "no known ending"),
        ("rows.jsonl", b"", "rows.jsonl has no rows"),
        ("rows.jsonl", ROWS + b'{"prompt": ', "rows.jsonl, line 2"),
        ("rows.csv", b"a,b\n1,2\n1,2,3\n", "rows.csv, line 3"),
        ("rows.csv", b"a,b\ncaf\xe9 x,2\n", "rows.csv, line 2: byte 8 is not utf-8"),
        ("rows.json", b"[" * 100_000, "rows.json"),
        ("rows.parquet", b"PAR1 no PAR1", "rows.parquet is no Parquet file"),
    ],
)
def test_a_broken_file_is_refused_by_its_name_and_leaves_nothing(
    files: DataFiles, name: str, content: bytes, said: str
) -> None:
    with pytest.raises(DataError) as refused:
        files.save(name, content)
    assert said in str(refused.value) and str(files.folder) not in str(refused.value)
    assert not files.uploads.exists() or not left(files)


def test_a_full_disk_is_said_and_leaves_nothing(files: DataFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: Path, content: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(data_files, "_write", fail)
    with pytest.raises(StorageError, match="is full"):
        files.save("rows.jsonl", ROWS)
    assert not left(files)


def test_a_folder_that_cannot_be_made_is_said(files: DataFiles) -> None:
    files.folder.parent.mkdir(parents=True)
    files.folder.write_text("a file")
    with pytest.raises(StorageError, match="cannot be written"):
        files.save("rows.jsonl", ROWS)


def test_own_files_are_listed_newest_first_and_those_of_the_demo_last(files: DataFiles) -> None:
    old = files.save("old.jsonl", ROWS)
    os.utime(old, (1, 1))
    (files.folder / "mine").mkdir()
    (files.folder / "mine" / "new.csv").write_text("prompt,response\na,b\n")
    for hidden in (".hidden.csv", "notes.txt"):
        (files.folder / hidden).write_text("no")
    (files.folder / "gone.csv").symlink_to("nowhere.csv")
    found = files.list()
    assert [file.name for file in found[:2]] == ["mine/new.csv", "uploads/old.jsonl"]
    assert [file.name for file in found[2:]] == [
        "demo/test.jsonl",
        "demo/train.jsonl",
        "demo/validation.jsonl",
    ]
    assert [file.is_shipped for file in found] == [False, False, True, True, True]
    assert found[1].bytes == len(ROWS)


def test_no_other_file_is_among_the_data_sets(files: DataFiles, tmp_path: Path) -> None:
    inside = files.folder / "rows.csv"
    assert files.confined(inside) == inside
    assert files.confined(SHIPPED / "train.jsonl") == SHIPPED / "train.jsonl"
    for outside in (
        tmp_path / "rows.csv",
        files.folder / ".." / "rows.csv",
        files.folder / "link" / ".." / "rows.csv",
        files.folder.with_name("datasets-2") / "rows.csv",
        Path("rows.csv"),
    ):
        with pytest.raises(DataError, match="not among the data sets"):
            files.confined(outside)


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("你好".encode(), "utf-8"),
        ("你好".encode("utf-8-sig"), "utf-8"),
        ("你好".encode("gb18030"), "gb18030"),
        ("你好".encode("utf-16"), "utf-16"),
        (b"caf\xe9 x", "utf-8"),  # neither; its reader says where
        (b"", "utf-8"),
    ],
)
def test_the_encoding_is_told_by_the_bytes(tmp_path: Path, content: bytes, encoding: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_bytes(content)
    assert guess_encoding(path) == encoding


def test_of_a_training_set_the_rows_are_offered_and_nothing_else(files: DataFiles) -> None:
    folder = files.folder / "sums" / "1"
    folder.mkdir(parents=True)
    for name in ("train.jsonl", "preferences.jsonl", "dataset.json"):
        (folder / name).write_text("{}\n", encoding="utf-8")
    own = [file.name for file in files.list() if not file.is_shipped]
    assert own == [str(Path("sums", "1", "train.jsonl"))]
