"""Logs that are rotated while they are read: by renaming, by copying and cutting, with inodes reused."""

import os
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.curves.logs.json_lines import JsonLines
from glmcore.curves.logs.tail import REPLACED, Tail


def write(path, first, last):
    with path.open("a") as file:
        file.writelines(f'{{"step": {step}, "loss": 1.0}}\n' for step in range(first, last + 1))


class Rotating:
    """A log that keeps some older files: log.1 is the newest of them."""

    def __init__(self, folder, keep=9):
        self.log, self.keep, self.step = folder / "log", keep, 0
        self.log.touch()
        self.tail = Tail(self.files, JsonLines)

    def files(self):
        older = [self.log.with_name(f"log.{number}") for number in range(self.keep, 0, -1)]
        return [path for path in older if path.exists()] + [self.log]

    def write(self, count):
        write(self.log, self.step + 1, self.step + count)
        self.step += count

    def rename(self):
        self._shift()
        self.log.rename(self.log.with_name("log.1"))
        self.log.touch()

    def copy_and_cut(self):
        self._shift()
        shutil.copy(self.log, self.log.with_name("log.1"))
        os.truncate(self.log, 0)

    def _shift(self):
        for number in range(self.keep - 1, 0, -1):
            if (older := self.log.with_name(f"log.{number}")).exists():
                older.replace(self.log.with_name(f"log.{number + 1}"))

    def read(self):
        self.tail.refresh()
        return self.tail.table.to_arrays()[0].tolist()

    @property
    def was_read_anew(self):
        return REPLACED in self.tail.problems[1].counts


@pytest.fixture
def rotating(tmp_path):
    return Rotating(tmp_path)


@pytest.mark.parametrize("rotate", [Rotating.rename, Rotating.copy_and_cut])
def test_rotation_loses_no_point_and_doubles_none(rotating, rotate):
    for _ in range(4):
        rotating.write(3)
        rotating.read()
        rotating.write(2)  # not read before the rotation
        rotate(rotating)
        rotating.write(2)
    assert rotating.read() == list(range(1, rotating.step + 1))
    assert not rotating.was_read_anew


@given(deeds=st.lists(st.sampled_from(["write", "read", "rename", "cut"]), max_size=25))
@settings(max_examples=40, deadline=None)
def test_however_writing_reading_and_rotation_follow_each_other_all_points_are_there(tmp_path_factory, deeds):
    rotating = Rotating(tmp_path_factory.mktemp("rotated"), keep=30)
    for deed in deeds:
        if deed == "write":
            rotating.write(2)
        elif deed == "read":
            rotating.read()
        elif rotating.log.stat().st_size:
            rotating.rename() if deed == "rename" else rotating.copy_and_cut()
    assert rotating.read() == list(range(1, rotating.step + 1))


def test_points_of_files_that_rotation_removed_are_kept(tmp_path):
    rotating = Rotating(tmp_path, keep=2)
    for _ in range(6):  # inodes of removed files are given to new ones
        rotating.write(3)
        rotating.read()
        rotating.rename()
        rotating.read()
    assert rotating.read() == list(range(1, 19)) and not rotating.was_read_anew


def test_a_copy_that_is_seen_before_the_log_is_cut_doubles_nothing(rotating):
    rotating.write(5)
    rotating.read()
    shutil.copy(rotating.log, rotating.log.with_name("log.1"))
    assert rotating.read() == [1, 2, 3, 4, 5]
    os.truncate(rotating.log, 0)
    rotating.write(2)
    assert rotating.read() == [1, 2, 3, 4, 5, 6, 7] and not rotating.was_read_anew


def test_an_older_file_that_comes_to_light_later_is_put_before_the_newer_one(rotating):
    rotating.step = 10
    rotating.write(3)
    assert rotating.read() == [11, 12, 13]
    write(rotating.log.with_name("log.1"), 1, 10)
    assert rotating.read() == list(range(1, 14))


def test_the_last_line_of_an_older_file_counts_though_it_has_no_end(rotating):
    rotating.write(2)
    with rotating.log.open("a") as file:
        file.write('{"step": 3, "loss": 1.0}')
    rotating.step = 3
    rotating.rename()
    rotating.write(2)
    assert rotating.read() == [1, 2, 3, 4, 5]


def test_a_log_cut_without_a_copy_is_read_anew_with_its_older_files(rotating):
    rotating.write(2)
    rotating.rename()
    rotating.write(3)
    rotating.read()
    os.truncate(rotating.log, 0)
    rotating.step = 2
    rotating.write(1)
    assert rotating.read() == [1, 2, 3] and rotating.was_read_anew
