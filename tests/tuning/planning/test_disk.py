"""Checkpoints need a disk with room for those that are there at once."""

import os
from collections import namedtuple

import pytest

from glmcore.core.errors import StorageError
from glmcore.core.settings import Settings
from glmcore.models.places.devices import GIB
from glmcore.tuning.checkpoints import mark_whole
from glmcore.tuning.planning.disk import check_disk, checkpoint_bytes
from glmcore.tuning.planning.memory import estimate_memory
from glmcore.tuning.planning.outline import read_outline
from glmcore.tuning.run_folder import RunFolder
from tests.tuning.running import job_file

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def estimate(tmp_path):
    job = job_file(tmp_path, "llama").config
    outline = read_outline(job, Settings(home=tmp_path, allow_hub=False), lambda stage, share: None)
    return estimate_memory(job, outline)


def job_that(tmp_path, **values):
    return job_file(tmp_path, "llama", **values).config


@pytest.mark.parametrize(
    ("keep", "steps", "count"), [(3, 1000, 5), (3, 20, 2), (0, 1000, 100), (1, 1000, 3), (3, 11, 2)]
)
def test_those_are_counted_that_are_there_at_once(tmp_path, estimate, keep, steps, count):
    job = job_that(tmp_path, keep_checkpoints=keep, save_every_steps=10)
    needed = checkpoint_bytes(job, estimate, steps, RunFolder(tmp_path / "run"))
    assert needed == count * estimate.checkpoint_bytes > 0


def test_those_that_are_there_already_are_not_counted_again(tmp_path, estimate):
    folder = RunFolder(tmp_path / "run")
    for step in (10, 20):
        path = folder.checkpoints / f"checkpoint-{step}"
        path.mkdir(parents=True)
        mark_whole(path, {"step": step})
    job = job_that(tmp_path, keep_checkpoints=3, save_every_steps=10)
    assert checkpoint_bytes(job, estimate, 1000, folder) == 3 * estimate.checkpoint_bytes


def test_a_disk_without_room_is_refused_and_one_with_room_is_not(tmp_path, estimate, monkeypatch):
    job, folder = job_that(tmp_path), RunFolder(tmp_path / "not" / "made" / "yet")
    check_disk(job, estimate, 100, folder)
    assert not folder.path.exists()
    asked = []
    monkeypatch.setattr("shutil.disk_usage", lambda path: asked.append(path) or Usage(GIB, GIB, 10))
    with pytest.raises(StorageError, match="lower keep_checkpoints"):
        check_disk(job, estimate, 100, folder)
    assert asked == [tmp_path]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, estimate, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(StorageError, match="cannot be written"):
        check_disk(job_that(tmp_path), estimate, 1, RunFolder(tmp_path / "run"))
