"""The list of adapters is read again only where something has changed, and is always what lies there."""

import json
import os
import shutil
import threading
import time

import pytest

from glmcore.core.errors import NotFoundError
from glmcore.core.settings import Settings
from glmcore.models.adapters import folders
from glmcore.models.adapters.folders import find_adapter, list_adapters
from glmcore.models.adapters.walk import FolderWalk

OLD = 1_700_000_000  # seconds; long settled


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", allow_hub=False)


@pytest.fixture
def looked(monkeypatch):
    """The folders that were looked into."""
    paths = []
    look = folders._adapter_in
    monkeypatch.setattr(folders, "_adapter_in", lambda folder: paths.append(folder) or look(folder))
    folders._walk_of.cache_clear()
    yield paths
    folders._walk_of.cache_clear()


def checkpoint(settings, job="a", step=100, *, whole=True):
    folder = settings.jobs_dir / job / "checkpoints" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    write(folder / "adapter_config.json", {"peft_type": "LORA"})
    if whole:
        write(folder / "complete.json", {})
    return folder


def write(path, values):
    path.write_text(json.dumps(values))


def age(root, seconds=OLD):
    """Let everything be as old as files are that nobody has just written."""
    for path in [root, *root.rglob("*")]:
        os.utime(path, (seconds, seconds))


def names(settings):
    return [entry.name.rpartition("checkpoints/")[2] for entry in list_adapters(settings)]


def test_what_has_not_changed_is_not_looked_into_again(settings, looked):
    for step in (1, 2):
        checkpoint(settings, step=step)
    age(settings.home)
    assert names(settings) == ["checkpoint-1", "checkpoint-2"]
    looked.clear()
    assert names(settings) == ["checkpoint-1", "checkpoint-2"]
    assert looked == []


def test_what_was_changed_just_now_is_looked_into_again(settings, looked):
    folder = checkpoint(settings)
    assert names(settings) == ["checkpoint-100"]
    looked.clear()
    assert names(settings) == ["checkpoint-100"]
    assert folder in looked, "it may have changed within the same tick of the clock"


@pytest.mark.parametrize("is_old", [True, False])
def test_new_and_deleted_checkpoints_are_seen_at_once(settings, is_old):
    first = checkpoint(settings)
    if is_old:
        age(settings.home)
    assert names(settings) == ["checkpoint-100"]
    checkpoint(settings, step=200)
    checkpoint(settings, "b", step=7)
    assert names(settings) == ["checkpoint-100", "checkpoint-200", "checkpoint-7"]
    shutil.rmtree(first)
    assert names(settings) == ["checkpoint-200", "checkpoint-7"]
    shutil.rmtree(settings.jobs_dir)
    assert names(settings) == []


def test_content_that_grows_in_place_is_read_again(settings):
    folder = settings.home / "copied"
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text('{"peft_ty')
    age(settings.home)
    assert [entry.method for entry in list_adapters(settings)] == ["ptuning_v2"]
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    os.utime(folder, (OLD, OLD))
    assert [entry.method for entry in list_adapters(settings)] == ["lora"]


def test_unfinished_checkpoints_of_runs_are_not_offered(settings):
    unfinished = checkpoint(settings, whole=False)
    checkpoint(settings, step=50)
    age(settings.home)
    assert names(settings) == ["checkpoint-50"]
    with pytest.raises(NotFoundError, match="choose one of: jobs/a/checkpoints/checkpoint-50"):
        find_adapter("jobs/a/checkpoints/checkpoint-100", settings)
    write(unfinished / "complete.json", {})
    assert names(settings) == ["checkpoint-100", "checkpoint-50"]
    (unfinished / "complete.json").unlink()  # its deletion has begun
    assert names(settings) == ["checkpoint-50"]


def test_checkpoints_of_a_run_elsewhere_are_held_to_the_same(settings):
    run = settings.home / "runs" / "mine"
    folder = run / "checkpoints" / "checkpoint-3"
    folder.mkdir(parents=True)
    write(folder / "adapter_config.json", {})
    assert len(list_adapters(settings)) == 1, "nobody knows whose it is"
    (run / "job.yaml").write_text("")
    os.utime(folder)
    assert list_adapters(settings) == []


def test_many_known_names_are_not_all_listed_in_an_error(settings):
    for step in range(30):
        checkpoint(settings, step=step)
    with pytest.raises(NotFoundError) as raised:
        find_adapter("jobs/a/checkpoints/checkpoint-77", settings)
    assert str(raised.value).count("checkpoint-") == 4


def test_walks_of_several_threads_give_the_same(settings):
    for step in range(20):
        checkpoint(settings, step=step)
    age(settings.home)
    found = []
    threads = [threading.Thread(target=lambda: found.append(names(settings))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4 and all(each == names(settings) for each in found)


def test_hundreds_of_jobs_cost_little_at_every_rerun(tmp_path):
    count = 0
    for job in range(60):
        for step in range(4):
            (tmp_path / f"{job}" / "checkpoints" / f"checkpoint-{step}").mkdir(parents=True)
    age(tmp_path)

    def look(folder):
        nonlocal count
        count += 1
        return folder.name if folder.name.startswith("checkpoint-") else None

    walk = FolderWalk(tmp_path, 5, (), look)
    assert len(walk.items()) == 240 and count == 1 + 60 + 60 + 240
    began = time.process_time()
    assert len(walk.items()) == 240 and count == 361
    assert time.process_time() - began < 0.2
