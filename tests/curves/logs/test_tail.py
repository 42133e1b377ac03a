"""Reading on where the last reading ended: lines half written, logs cut, replaced, vanished, a deadline."""

import os
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.curves.logs import tail as tail_module
from glmcore.curves.logs.json_lines import JsonLines
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.tail import GONE, REPLACED, TOO_LONG, Tail
from glmcore.curves.numbers import as_floats
from glmcore.curves.table import Block

LONG_AGO = time.time() - 3600


def line(step, loss=1.0):
    return f'{{"step": {step}, "loss": {loss}}}\n'


def lines(first, last):
    return "".join(line(step) for step in range(first, last + 1))


def open_tail(*paths, **kept):
    return Tail(lambda: paths, JsonLines, **kept)


def steps(tail):
    """As they were written, so that a point read twice would be seen."""
    return tail.table.to_arrays()[0].tolist()


def problems(tail):
    return {template for one in tail.problems for template in one.counts}


def append(path, text):
    with path.open("a") as file:
        file.write(text)


def make_old(path):
    os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(lines(1, 3))
    return path


def test_appended_lines_are_added_and_nothing_is_read_twice(log):
    tail = open_tail(log)
    assert tail.refresh() and not tail.refresh()
    append(log, lines(4, 5))
    assert tail.refresh() and not tail.refresh()
    assert steps(tail) == [1, 2, 3, 4, 5]
    assert tail.read_bytes == log.stat().st_size and tail.unread_bytes == 0
    assert not problems(tail)


@given(cuts=st.lists(st.integers(0, 200), max_size=12))
@settings(max_examples=30, deadline=None)
def test_wherever_a_log_is_cut_while_it_grows_each_line_is_read_once(tmp_path_factory, cuts):
    text = lines(1, 9)
    path = tmp_path_factory.mktemp("cuts") / "log"
    tail = open_tail(path)
    for end in sorted({min(cut, len(text)) for cut in cuts} | {len(text)}):
        path.write_text(path.read_text() if path.exists() else "")
        append(path, text[path.stat().st_size : end])
        tail.refresh()
    assert steps(tail) == list(range(1, 10))
    assert not problems(tail)


def test_a_half_written_last_line_waits_for_its_end(log):
    tail = open_tail(log)
    append(log, '{"step": 4, "lo')
    tail.refresh()
    assert steps(tail) == [1, 2, 3] and tail.unread_bytes == 0
    append(log, 'ss": 2.0}\n')
    assert tail.refresh()
    assert steps(tail) == [1, 2, 3, 4] and not problems(tail)


def test_a_last_line_without_its_end_counts_once_the_log_rests(log):
    tail = open_tail(log)
    append(log, line(4).rstrip())
    tail.refresh()
    assert steps(tail) == [1, 2, 3]
    make_old(log)
    assert tail.refresh() and not tail.refresh()
    assert steps(tail) == [1, 2, 3, 4]
    append(log, "\n" + line(5))
    tail.refresh()
    assert steps(tail) == [1, 2, 3, 4, 5] and not problems(tail)


def test_half_a_line_in_a_log_that_rests_is_no_line_and_may_still_be_completed(log):
    append(log, '{"step": 4, "loss": 1')
    make_old(log)
    tail = open_tail(log)
    tail.refresh()
    assert steps(tail) == [1, 2, 3] and not tail.refresh()
    append(log, "}\n")
    tail.refresh()
    assert steps(tail) == [1, 2, 3, 4] and not problems(tail)


def test_a_log_that_was_cut_is_read_anew(log):
    tail = open_tail(log)
    tail.refresh()
    log.write_text(lines(7, 8))
    assert tail.refresh()
    assert steps(tail) == [7, 8] and problems(tail) == {REPLACED}


def test_a_log_that_was_emptied_shows_no_old_points(log):
    tail = open_tail(log)
    tail.refresh()
    log.write_text("")
    assert tail.refresh(), "the old points are gone, which is news"
    assert steps(tail) == []


def test_a_log_written_over_in_its_place_with_the_same_size_is_read_anew(log):
    tail = open_tail(log)
    tail.refresh()
    time.sleep(0.01)  # the clock of the disk ticks every few milliseconds
    log.write_text(lines(4, 6))
    tail.refresh()
    assert steps(tail) == [4, 5, 6] and problems(tail) == {REPLACED}


@pytest.mark.parametrize("others", [lines(4, 6), lines(1, 2), lines(4, 9)], ids=["same", "shorter", "longer"])
def test_a_log_replaced_by_another_file_is_read_anew(log, others):
    tail = open_tail(log)
    tail.refresh()
    beside = log.with_name("beside")
    beside.write_text(others)
    os.replace(beside, log)
    tail.refresh()
    assert "".join(line(int(step)) for step in steps(tail)) == others
    assert problems(tail) == {REPLACED}


def test_a_log_cut_while_it_is_read_ends_the_reading(log, monkeypatch):
    class Cutting(JsonLines):
        def parse(self, data, *, at_end):
            os.truncate(log, 0)
            return super().parse(data, at_end=at_end)

    monkeypatch.setattr(tail_module, "CHUNK_BYTES", 40)
    tail = Tail(lambda: [log], Cutting)
    tail.refresh()
    assert steps(tail) == [1]
    tail.refresh()
    assert steps(tail) == []


def test_a_log_that_grows_while_it_is_read_loses_nothing(log, monkeypatch):
    class Growing(JsonLines):
        def parse(self, data, *, at_end):
            if log.stat().st_size < 2000:
                append(log, line(log.stat().st_size))
            return super().parse(data, at_end=at_end)

    monkeypatch.setattr(tail_module, "CHUNK_BYTES", 64)
    tail = Tail(lambda: [log], Growing)
    while tail.refresh():
        pass
    written = [int(text.split('"step": ')[1].split(",")[0]) for text in log.read_text().splitlines()]
    assert steps(tail) == written and len(written) > 20


def test_a_log_replaced_between_looking_and_opening_is_left_for_the_next_look(log, monkeypatch):
    tail = open_tail(log)
    read_on = Tail._read_on

    def replaced_first(self, path, *rest):
        beside = log.with_name("beside")
        beside.write_text(lines(10, 12))
        os.replace(beside, log)
        return read_on(self, path, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(Tail, "_read_on", replaced_first)
        tail.refresh()
    tail.refresh()
    assert steps(tail) == [10, 11, 12]


def test_a_log_that_vanishes_keeps_its_points_and_is_counted_once(log):
    tail = open_tail(log)
    tail.refresh()
    log.unlink()
    for _ in range(3):
        assert not tail.refresh()
    assert steps(tail) == [1, 2, 3]
    assert [note.values["count"] for one in tail.problems for note in one.notes()] == [1]
    log.write_text(lines(4, 5))
    tail.refresh()
    assert steps(tail) == [4, 5]


def test_a_log_that_may_not_be_opened_is_counted_once_and_read_when_it_may(log, monkeypatch):
    tail = open_tail(log)
    with monkeypatch.context() as patch:
        patch.setattr(
            type(log), "open", lambda *_, **__: (_ for _ in ()).throw(PermissionError(13, "denied"))
        )
        for _ in range(3):
            assert not tail.refresh()
    assert problems(tail) == {GONE} and tail.unread_bytes == 0
    assert tail.problems[1].counts[GONE] == 1 and "denied" in tail.problems[1].examples[GONE]
    tail.refresh()
    assert steps(tail) == [1, 2, 3]


def test_a_folder_or_a_pipe_in_the_place_of_a_log_is_passed_over(tmp_path):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    tail = open_tail(tmp_path / "folder", tmp_path / "pipe")
    assert not tail.refresh() and steps(tail) == []


def test_what_the_deadline_left_is_read_later(log, monkeypatch):
    monkeypatch.setattr(tail_module, "CHUNK_BYTES", 64)
    log.write_text(lines(1, 100))
    clock = iter(range(1_000_000))
    monkeypatch.setattr(tail_module.time, "monotonic", lambda: next(clock))
    tail = open_tail(log)
    assert not tail.refresh(deadline=-1) and tail.unread_bytes == log.stat().st_size
    assert tail.refresh(deadline=5)
    first = len(tail.table)
    assert 0 < first < 20 and tail.unread_bytes == log.stat().st_size - tail.read_bytes
    tail.refresh()
    assert steps(tail) == list(range(1, 101)) and tail.unread_bytes == 0


class Records:
    """A parser of records that begin with their length in four digits."""

    def __init__(self, memory=None):
        self.memory, self.problems = dict(memory or {}), Problems()

    def parse(self, data, *, at_end):
        found, used = [], 0
        while used + 4 <= len(data) and used + (size := int(data[used : used + 4])) <= len(data):
            found.append(float(size))
            used += size
        return Block(as_floats(found), as_floats([0.0] * len(found))), used


def test_a_record_longer_than_a_chunk_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(tail_module, "CHUNK_BYTES", 16)
    (tmp_path / "log").write_bytes(b"".join(b"%04d" % size + b"x" * (size - 4) for size in (10, 500, 16, 33)))
    tail = Tail(lambda: [tmp_path / "log"], Records)
    tail.refresh()
    assert steps(tail) == [10, 500, 16, 33] and not problems(tail)


def test_bytes_that_hold_no_record_are_skipped_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(tail_module, "CHUNK_BYTES", 16)
    monkeypatch.setattr(tail_module, "LONGEST_RECORD", 64)
    (tmp_path / "log").write_bytes(b"9999" * 32 + b"0008xxxx" * 2)
    tail = Tail(lambda: [tmp_path / "log"], Records)
    tail.refresh()
    assert steps(tail) == [8, 8] and tail.problems[1].counts == {TOO_LONG: 2}


def test_another_process_goes_on_from_what_was_read(log):
    first = open_tail(log)
    first.refresh()
    append(log, line(4))
    tail = open_tail(log, table=first.table, places=first.places, memory=first.memory)
    assert tail.refresh() and steps(tail) == [1, 2, 3, 4]
    assert not open_tail(log, table=first.table, places=tail.places).refresh()
