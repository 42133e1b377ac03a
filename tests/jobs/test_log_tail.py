import os
import time
import tracemalloc
from pathlib import Path

import pytest

from glmcore.jobs import log_tail
from glmcore.jobs.log_tail import LINE_CHARACTERS, LINES, READ_BYTES, LogTail, follow, last_lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log.txt"


def append(log: Path, data: bytes) -> None:
    with log.open("ab") as file:
        file.write(data)


def shown(log: Path, data: bytes) -> list[str]:
    log.write_bytes(data)
    return LogTail(log).read()


def test_half_a_line_is_a_line_until_the_rest_of_it_comes(log: Path) -> None:
    tail = LogTail(log)
    assert tail.read() == []
    append(log, b"one\ntw")
    assert tail.read() == tail.read() == ["one", "tw"]
    append(log, b"o\n\nthree\n")
    assert tail.read() == ["one", "two", "", "three"]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"0%\r50%\r100%\ndone", ["100%", "done"]),
        (b"0%\r50%\r", ["50%"]),
        (b"dos\r\nlines\r\r\n", ["dos", "lines"]),
        (b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07\x1b]8;;http://x\x1b\\link\x1b(B", ["red link"]),
        (b"\x1b]never ended\n\x1b[", ["never ended", ""]),
        (b"a\0\0\0b\x07\tc\n", ["a�b�\tc"]),
        (b"\xff\xfe\xe4\xbd\xa0\xe4\n", ["��你�"]),
        ("a\u202eb\u2028c\u0085d\n".encode(), ["a�b�c�d"]),
        (b"\n", [""]),
        (b"", []),
    ],
)
def test_lines_are_what_a_terminal_would_show(log: Path, data: bytes, lines: list[str]) -> None:
    assert shown(log, data) == lines
    assert [*follow(log, lambda: True)] == lines


def test_pieces_give_what_the_whole_gives(log: Path) -> None:
    data = "a 你\r\nbar 1\rbar 2\r\r\n\x1b[1mbold\x1b[0m\nlast\rx".encode()
    log.touch()
    tail = LogTail(log)
    for at in range(len(data)):
        append(log, data[at : at + 1])
        lines = tail.read()
    assert lines == ["a 你", "bar 2", "bold", "x"]


def test_a_progress_bar_that_grows_for_hours_stays_one_short_line(log: Path) -> None:
    tail = LogTail(log)
    for step in range(300):
        append(log, f"\r{step}/300 {'█' * step}".encode() * 20)
        assert tail.read() == [f"{step}/300 {'█' * step}"]
    assert len(tail._half) < 2000


def test_long_lines_are_cut_and_many_lines_are_forgotten(log: Path) -> None:
    lines = shown(log, b"".join(b"%d\n" % number for number in range(2000)))
    assert lines == [str(number) for number in range(2000 - LINES, 2000)]
    assert shown(log, b"y" * 50_000 + b"\nend") == ["y" * (LINE_CHARACTERS - 1) + "…", "end"]
    assert len(shown(log, "你".encode() * 50_000)[0]) == LINE_CHARACTERS


def test_a_long_line_goes_on_without_growing(log: Path) -> None:
    log.write_bytes(b"z" * 100_000)
    tail = LogTail(log)
    tail.read()
    append(log, b"z" * 100_000 + b"\rnew\n")
    assert tail.read() == ["new"]
    append(log, b"z" * 100_000 + b"\r")
    assert tail.read()[-1].endswith("z…")
    append(log, b"next")
    assert tail.read() == ["new", "next"]


def test_a_reader_far_behind_goes_on_near_the_end(log: Path) -> None:
    log.write_bytes(b"old\n")
    tail = LogTail(log)
    tail.read()
    append(log, b"line\n" * READ_BYTES + b"end\n")
    lines = tail.read()
    assert len(lines) == LINES and lines[-2:] == ["line", "end"] and set(lines[:-1]) == {"line"}


@pytest.mark.parametrize("change", ["cut", "replaced", "written anew", "gone"])
def test_a_log_that_is_not_the_same_any_more_is_read_anew(log: Path, change: str) -> None:
    log.write_bytes(b"old\n" * 10 + b"half")
    tail = LogTail(log)
    tail.read()
    if change == "cut":
        os.truncate(log, 0)
        append(log, b"new\n")
    elif change == "replaced":
        log.with_name("new").write_bytes(b"old\n" * 10 + b"half\nnew\n")
        os.replace(log.with_name("new"), log)
        assert tail.read() == ["old"] * 10 + ["half", "new"]
        return
    elif change == "written anew":
        log.write_bytes(b"new\n" * 20)
    else:
        log.unlink()
    assert set(tail.read()) == (set() if change == "gone" else {"new"})


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_has_no_lines(log: Path, make: object) -> None:
    assert callable(make)
    make(log)
    assert LogTail(log).read() == last_lines(log, 5) == [*follow(log, lambda: True)] == []


def test_the_last_lines_are_as_many_as_wanted(log: Path) -> None:
    log.write_bytes(b"1\n2\n3\n4")
    assert last_lines(log, 2) == ["3", "4"]
    assert last_lines(log, 9) == ["1", "2", "3", "4"]
    assert last_lines(log, 0) == last_lines(log, -1) == []


@pytest.mark.parametrize("letter", [b"\0", b"x", b"\r", b"\n", b"\x1b]"])
def test_a_hundred_megabytes_cost_little(log: Path, letter: bytes) -> None:
    with log.open("wb") as file:
        file.truncate(100 << 20)  # zeros that take no place
        file.seek((100 << 20) - READ_BYTES)
        file.write(letter * (READ_BYTES // len(letter)))
    tracemalloc.start()
    begun = time.process_time()
    lines = LogTail(log).read()
    spent = time.process_time() - begun
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(lines) <= LINES and all(len(line) <= LINE_CHARACTERS for line in lines)
    assert spent < 0.5 and peak < 4 << 20


def test_following_a_hundred_megabytes_in_one_line_costs_little(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.touch()
    lines = follow(log, lambda: os.path.getsize(log) > 0)
    monkeypatch.setattr(log_tail.time, "sleep", lambda _: os.truncate(log, 100 << 20))
    begun = time.process_time()
    assert [len(line) for line in lines] == [1]  # NULs in a row are one sign
    assert time.process_time() - begun < 1


def test_following_gives_each_line_once_until_it_is_stopped(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coming = [b"b\r", b"\nc", b"d\ne"]
    monkeypatch.setattr(log_tail.time, "sleep", lambda _: append(log, coming.pop(0)))
    append(log, b"a\n")
    assert [*follow(log, lambda: not coming)] == ["a", "b", "cd", "e"]


def test_following_waits_for_a_file_and_goes_on_in_one_that_replaced_it(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = [lambda: log.write_bytes(b"1\nhalf"), log.unlink, lambda: log.write_bytes(b"2\n")]
    monkeypatch.setattr(log_tail.time, "sleep", lambda _: steps.pop(0)())
    assert [*follow(log, lambda: not steps)] == ["1", "half", "2"]
