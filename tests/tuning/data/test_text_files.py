"""Text files in other encodings, and files that are no text."""

import codecs
from pathlib import Path

import pytest

from glmcore.core.errors import DataError
from glmcore.tuning.data import text_files
from glmcore.tuning.data.text_files import iter_lines, open_text


def lines_of(path: Path, encoding: str = "utf-8") -> list[str]:
    with open_text(path, encoding, newline="\n") as file:
        return list(iter_lines(path, file))


def fault_of(path: Path, encoding: str = "utf-8") -> str:
    with pytest.raises(DataError) as caught:
        lines_of(path, encoding)
    return str(caught.value).replace(f"{path.parent}/", "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "UTF8", "gb18030", "utf-16"])
def test_text_is_read_in_its_encoding_without_a_byte_order_mark(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes("你好\nb\n".encode("utf-8-sig" if encoding == "UTF8" else encoding))
    assert lines_of(path, encoding) == ["你好\n", "b\n"]


@pytest.mark.parametrize("chunk", [1, 3, 1 << 20])
@pytest.mark.parametrize(
    ("content", "encoding", "line", "byte", "likely"),
    [
        ("ab\n你\n".encode() + "好".encode("gb18030"), "utf-8", 3, 8, "gb18030"),
        (b"ab\n" + "你".encode()[:2], "utf-8", 2, 4, "gb18030"),
        (codecs.BOM_UTF8 + b"a\n\xff", "utf-8", 2, 6, "gb18030"),
        ("你好\n你".encode("gb18030") + b"\xff\xff", "gb18030", 2, 8, "utf-8"),
        ("a\n".encode("utf-16-le"), "ascii", None, None, None),
        (codecs.BOM_UTF16_LE + "a\n".encode("utf-16-le"), "utf-8", 1, 1, "utf-16"),
    ],
)
def test_first_byte_of_another_encoding_is_found(
    tmp_path, monkeypatch, content, encoding, line, byte, likely, chunk
):
    monkeypatch.setattr(text_files, "CHUNK_BYTES", chunk)
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    fault = fault_of(path, encoding)
    if line is None:  # ascii takes the null bytes of UTF-16 for text, we do not
        assert fault.startswith("a.csv, line 1: found a null byte")
    else:
        assert fault.startswith(f"a.csv, line {line}: byte {byte} is not {encoding};")
        assert f"encoding={likely})" in fault


@pytest.mark.parametrize("encoding", ["utf-99", "zip", "a\0b"])
def test_unknown_encoding_is_refused(tmp_path, encoding):
    (tmp_path / "a.csv").write_text("a")
    assert fault_of(tmp_path / "a.csv", encoding).startswith(f"There is no text encoding {encoding!r}")


def test_null_byte_is_found(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"a\nb\0c\n")
    assert fault_of(tmp_path / "a.csv").startswith("a.csv, line 2: found a null byte")


def test_line_without_an_end_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(text_files, "MAX_ROW_CHARACTERS", 100)
    (tmp_path / "a.csv").write_text("a\n" + "b" * 1000)
    assert fault_of(tmp_path / "a.csv").startswith(
        "a.csv, line 2: the row that begins here has more than 100"
    )
