"""Notes and marks: kept, shared by two writers, and never in the way."""

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.core.errors import DataError, StorageError
from glmcore.curves.remarks import Remarks, RunRemarks

RUN = "0123456789ab"


@pytest.fixture
def remarks(tmp_path):
    return Remarks(tmp_path / "curves" / "remarks")


def file_of(remarks):
    return remarks.folder / f"{RUN}.jsonl"


def test_run_without_remarks_has_none_and_no_file(remarks):
    assert remarks.of(RUN) == RunRemarks() and not remarks.folder.exists()


def test_note_and_marks_are_found_by_another_reader(remarks):
    remarks.set_note(RUN, "  学习率太高\nsecond line ")
    late = remarks.add_mark(RUN, 200, "rate halved", metric="loss")
    early = remarks.add_mark(RUN, 50.5, "data fixed")
    found = Remarks(remarks.folder).of(RUN)
    assert found == RunRemarks("学习率太高\nsecond line", (early, late))
    assert late.metric == "loss" and early.metric is None and late.id != early.id


def test_old_note_stays_in_the_file_and_an_empty_one_takes_it_away(remarks):
    for text in ("first", "second", "second", ""):
        remarks.set_note(RUN, text)
    assert remarks.of(RUN).note == ""
    assert [json.loads(line)["text"] for line in file_of(remarks).open()] == ["first", "second", ""]


def test_removed_mark_is_gone_and_can_be_removed_twice(remarks):
    mark = remarks.add_mark(RUN, 1, "x")
    kept = remarks.add_mark(RUN, 1, "y")
    remarks.remove_mark(RUN, mark.id)
    size = file_of(remarks).stat().st_size
    remarks.remove_mark(RUN, mark.id)
    assert remarks.of(RUN).marks == (kept,) and file_of(remarks).stat().st_size == size


def test_two_who_write_at_once_lose_nothing(remarks):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda step: Remarks(remarks.folder).add_mark(RUN, step, "x" * 300), range(80)))
    assert [mark.step for mark in remarks.of(RUN).marks] == list(range(80))


def test_half_line_is_passed_over_and_does_not_swallow_the_next(remarks):
    remarks.add_mark(RUN, 1, "whole")
    with file_of(remarks).open("ab") as file:
        file.write(b'{"kind": "mark", "id": "ab')
    remarks.add_mark(RUN, 2, "after")
    assert [mark.text for mark in remarks.of(RUN).marks] == ["whole", "after"]


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 5000,
        b"null",
        b'{"kind": "mark", "id": 3, "step": 1, "text": "x", "at": 1}',
        b'{"kind": "mark", "id": "a", "step": 1e999, "text": "x", "at": 1}',
        b'{"kind": "mark", "id": "a", "step": true, "text": "x", "at": 1}',
        b'{"kind": "mark", "id": "a", "step": 1' + b"0" * 400 + b', "text": "x", "at": 1}',
        b'{"kind": "note", "text": ["x"]}',
        b'{"kind": "removed", "id": {}}',
        b"\xff\xfe",
    ],
)
def test_lines_of_others_are_passed_over(remarks, line):
    remarks.set_note(RUN, "mine")
    with file_of(remarks).open("ab") as file:
        file.write(line + b"\n")
    assert remarks.of(RUN) == RunRemarks("mine")


@pytest.mark.parametrize(
    "run_id", ["", "../../etc/pw", "0123456789AB", "0123456789ab\n", "0123456789abc", "a/b", "x" * 5000]
)
def test_only_ids_of_runs_name_files(remarks, run_id):
    for call in (
        remarks.of,
        lambda one: remarks.set_note(one, "x"),
        lambda one: remarks.add_mark(one, 1, "x"),
    ):
        with pytest.raises(DataError, match="is no id of a run"):
            call(run_id)
    assert not remarks.folder.exists()


@pytest.mark.parametrize(
    ("step", "text", "sentence"),
    [
        (1, "x" * 501, "has 501 letters; at most 500"),
        (1, "  ", "needs a text"),
        (float("nan"), "x", "a step that is a number; found nan"),
        (10**400, "x", "a step that is a number"),
    ],
)
def test_marks_are_bounded(remarks, step, text, sentence):
    with pytest.raises(DataError, match=sentence):
        remarks.add_mark(RUN, step, text)
    with pytest.raises(DataError, match="has 10001 letters"):
        remarks.set_note(RUN, "x" * 10_001)


def test_full_disk_and_a_folder_that_is_none_are_sentences(remarks, monkeypatch):
    remarks.folder.parent.mkdir(parents=True)
    remarks.folder.write_text("a file")
    with pytest.raises(StorageError, match="cannot be written"):
        remarks.add_mark(RUN, 1, "x")
    with pytest.raises(StorageError, match="cannot be read"):
        remarks.of(RUN)
    remarks.folder.unlink()

    def refuse(file, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(StorageError, match="no space is left"):
        remarks.set_note(RUN, "x")


def test_half_of_a_pair_is_kept_as_something_readable(remarks):
    remarks.set_note(RUN, "a\ud800b")
    assert remarks.of(RUN).note == "a?b"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_no_file_is_too_broken_to_read(tmp_path_factory, lines):
    remarks = Remarks(tmp_path_factory.getbasetemp())
    file_of(remarks).write_bytes(b"\n".join(lines))
    assert isinstance(remarks.of(RUN), RunRemarks)
