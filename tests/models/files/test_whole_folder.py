"""A folder that is there whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
from collections import namedtuple

import pytest

from glmcore.core.errors import ConfigError, DataError, StorageError
from glmcore.models.files import whole_folder as module
from glmcore.models.files.whole_folder import whole_folder
from tests.sources import ROOT

FILL = """
import sys, time
from pathlib import Path
from glmcore.models.files.whole_folder import whole_folder
with whole_folder(Path(sys.argv[1]), 1) as folder:
    (folder / "config.json").write_text("{}")
    print("half way", flush=True)
    time.sleep(60)
"""


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def start_filling(target):
    process = subprocess.Popen(
        [sys.executable, "-c", FILL, str(target)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "half way\n"
    return process


def expect_refusal(target, kind, sentence, needed=1):
    with pytest.raises(kind, match=sentence), whole_folder(target, needed):
        pytest.fail("entered")


@pytest.mark.parametrize("exists", [False, True])
def test_folder_appears_at_the_end(tmp_path, exists):
    target = tmp_path / "new" / "model"
    if exists:
        target.mkdir(parents=True)
    with whole_folder(target, 1) as folder:
        (folder / "config.json").write_text("{}")
        assert not (target / "config.json").exists()
    assert names_in(target) == ["config.json"]
    assert names_in(target.parent) == ["model"]


def test_exception_leaves_nothing(tmp_path):
    with pytest.raises(DataError), whole_folder(tmp_path / "model", 1) as folder:
        (folder / "config.json").write_text("{}")
        raise DataError("broken")
    assert names_in(tmp_path) == []


def test_killed_program_leaves_no_folder_and_the_next_one_cleans_up(tmp_path):
    target = tmp_path / "model"
    process = start_filling(target)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert names_in(tmp_path) == [".model.unfinished"]
    with whole_folder(target, 1) as folder:
        assert names_in(folder) == []
    assert names_in(tmp_path) == ["model"]


def test_two_programs_do_not_fill_the_same_folder(tmp_path):
    process = start_filling(tmp_path / "model")
    try:
        expect_refusal(tmp_path / "model", ConfigError, "being written by another process")
        assert names_in(tmp_path) == [".model.unfinished"]
    finally:
        process.kill()
        process.wait()


def test_small_disk_is_said_before_anything_is_written(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: usage(2**29))
    expect_refusal(tmp_path / "model", StorageError, r"0\.5 GiB are free, 3\.0 GiB are needed", 3 * 2**30)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "sentence"), [(errno.ENOSPC, "is full"), (errno.EIO, "cannot be written: Input/output error")]
)
def test_disk_that_fails_on_the_way_leaves_nothing(tmp_path, number, sentence):
    with pytest.raises(StorageError, match=sentence), whole_folder(tmp_path / "model", 1):
        raise OSError(number, os.strerror(number))
    assert names_in(tmp_path) == []


def test_target_in_use_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    for target in (tmp_path, tmp_path / "file"):
        expect_refusal(target, ConfigError, "exists already and is not an empty folder")
    monkeypatch.setattr(module.os.path, "ismount", lambda path: True)
    with pytest.raises(ConfigError, match="where a disk is mounted"), whole_folder(tmp_path / "disk", 1):
        pytest.fail("entered")
    assert names_in(tmp_path) == ["file"]
