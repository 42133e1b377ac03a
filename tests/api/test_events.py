"""Files that grow, are cut and written anew while somebody follows them."""

import os
from pathlib import Path

import pytest

from glmcore.api import events
from glmcore.api.events import Place, near_end, read_on


def texts(path: Path, place: Place, *, is_complete: bool = False) -> list[str]:
    return [line.decode() for line, _place in read_on(path, place, is_complete=is_complete).lines]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.txt"
    path.write_text("one\ntwo\nthree\nhal")
    return path


def test_whole_lines_are_given_with_the_place_behind_each(log: Path) -> None:
    lines = read_on(log, Place(), is_complete=False).lines
    assert [line for line, _ in lines] == [b"one", b"two", b"three"]
    assert [place.offset for _, place in lines] == [4, 8, 14]
    assert [texts(log, place) for _, place in lines] == [["two", "three"], ["three"], []]


def test_a_place_that_was_written_down_goes_on_exactly_there(log: Path) -> None:
    (_, first), *_ = read_on(log, Place(), is_complete=False).lines
    read_back = Place.parse(str(first))
    assert read_back == first and texts(log, first) == ["two", "three"]
    log.write_text(log.read_text() + "f\nfour\n")
    assert texts(log, first) == ["two", "three", "half", "four"]


@pytest.mark.parametrize(
    "text", ["", "x", "1", "1-", "-1", "1-2-3", "1-g", "1-" + "1" * 9, "f" * 13 + "-1", "١-1"]
)
def test_what_is_no_place_is_not_read_as_one(text: str) -> None:
    assert Place.parse(text) is None


def test_half_a_line_is_given_once_nobody_writes_any_more(log: Path) -> None:
    assert texts(log, Place(), is_complete=True) == ["one", "two", "three", "hal"]


@pytest.mark.parametrize("content", ["short\n", "quite another text that is longer than before\nend\n"])
def test_a_file_that_was_cut_or_written_anew_is_read_from_its_beginning(log: Path, content: str) -> None:
    place = read_on(log, Place(), is_complete=False).lines[-1][1]
    log.write_text(content)
    piece = read_on(log, place, is_complete=False)
    assert piece.is_anew and [line.decode() for line, _ in piece.lines] == content.splitlines()


def test_a_copy_in_the_files_place_is_gone_on_with(log: Path) -> None:
    place = read_on(log, Place(), is_complete=False).lines[-1][1]
    content = log.read_text()
    log.unlink()
    log.write_text(content + "f\n")
    piece = read_on(log, place, is_complete=False)
    assert not piece.is_anew and [line for line, _ in piece.lines] == [b"half"]


def test_a_line_without_end_comes_in_bounded_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "READ_BYTES", 100)
    path = tmp_path / "log.txt"
    path.write_bytes(b"x" * 250 + b"\nend\n")
    place, sizes = Place(), []
    while lines := (piece := read_on(path, place, is_complete=False)).lines:
        sizes += [len(line) for line, _ in lines]
        place = lines[-1][1]
        assert piece.is_behind == (len(sizes) < 3)
    assert sizes == [100, 100, 50, 3]


def test_every_split_of_a_file_gives_the_same_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"".join(b"%d" % number * (number % 40) + b"\n" for number in range(300))
    path = tmp_path / "log.txt"
    path.write_bytes(content)
    for size in (130, 997, 4096):
        monkeypatch.setattr(events, "READ_BYTES", size)
        place, found = Place(), []
        while lines := read_on(path, place, is_complete=True).lines:
            found += [line for line, _ in lines]
            place = lines[-1][1]
        assert b"\n".join(found) + b"\n" == content


def test_what_is_no_file_has_no_lines(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing", "pipe", "."):
        assert read_on(tmp_path / name, Place(4, 4), is_complete=True) == events.Piece()
        assert near_end(tmp_path / name) == Place()


def test_who_begins_near_the_end_begins_with_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_text("".join(f"line {number}\n" for number in range(20_000)))
    piece = read_on(path, near_end(path), is_complete=True)
    assert not piece.is_anew and piece.lines[-1][0] == b"line 19999"
    first = int(piece.lines[0][0].split()[1])
    assert len(piece.lines) == 20_000 - first and first > 10_000
