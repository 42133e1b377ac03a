"""Which checkpoints count, which stay, and what is left of a process that was killed."""

import pytest

from glmcore.tuning.checkpoints import (
    MARKER,
    last_checkpoint,
    list_checkpoints,
    mark_whole,
    read_marker,
    remove_oldest,
    remove_unfinished,
)
from glmcore.tuning.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


def make(folder, step, *, best=None, is_whole=True, **facts):
    path = folder.checkpoints / f"checkpoint-{step}"
    (path / "deep").mkdir(parents=True)
    (path / "weights.bin").write_bytes(b"x")
    (path / "deep" / "state").write_bytes(b"")
    if is_whole:
        mark_whole(path, {"step": step, "best_step": best, "metrics": {"eval_loss": step / 10}, **facts})
    return path


def steps(folder):
    return [one.step for one in list_checkpoints(folder)]


def test_a_run_without_checkpoints_has_none(folder):
    assert list_checkpoints(folder) == []
    assert last_checkpoint(folder) is None
    assert remove_unfinished(folder) == []
    remove_oldest(folder, 1)


def test_checkpoints_come_by_number_and_not_by_name(folder):
    for step in (1000, 9, 20):
        make(folder, step)
    assert steps(folder) == [9, 20, 1000]
    assert last_checkpoint(folder).step == 1000
    assert last_checkpoint(folder).metrics == {"eval_loss": 100.0}


@pytest.mark.parametrize("marker", [None, b"", b"{", b'{"step": 4', b"[]"])
def test_a_half_checkpoint_is_never_chosen_and_is_removed(marker, folder):
    make(folder, 2)
    half = make(folder, 4, is_whole=False)
    if marker is not None:
        (half / MARKER).write_bytes(marker)
    assert steps(folder) == [2]
    assert last_checkpoint(folder).step == 2
    assert remove_unfinished(folder) == [half]
    assert not half.exists()
    assert steps(folder) == [2]


def test_what_is_no_checkpoint_is_left_alone(folder):
    make(folder, 2)
    for name in ("checkpoint-", "checkpoint-x", "checkpoint-4.old", "runs", "tmp-checkpoint-4"):
        (folder.checkpoints / name).mkdir()
    (folder.checkpoints / "checkpoint-8").write_text("a file")
    assert remove_unfinished(folder) == []
    assert steps(folder) == [2]
    assert len(list(folder.checkpoints.iterdir())) == 7


def test_the_newest_and_the_best_are_kept(folder):
    for step in (1, 2, 3, 4, 5):
        make(folder, step, best=2 if step > 1 else 1)
    remove_oldest(folder, 2)
    assert steps(folder) == [2, 4, 5]
    assert [one.step for one in list_checkpoints(folder) if one.is_best] == [2]
    make(folder, 6, best=6)  # the best is another now
    remove_oldest(folder, 2)
    assert steps(folder) == [5, 6]
    assert sorted(path.name for path in folder.checkpoints.iterdir()) == ["checkpoint-5", "checkpoint-6"]


def test_keep_zero_keeps_all(folder):
    for step in (1, 2, 3):
        make(folder, step)
    remove_oldest(folder, 0)
    assert steps(folder) == [1, 2, 3]


def test_a_removal_that_is_broken_off_leaves_no_checkpoint_that_counts(folder, monkeypatch):
    for step in (1, 2):
        make(folder, step)

    def killed(path):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("glmcore.tuning.checkpoints.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_oldest(folder, 1)
    assert steps(folder) == [2]
    assert [path.name for path in remove_unfinished(folder)] == ["checkpoint-1"]


def test_the_marker_is_written_after_every_other_file_is_on_disk(folder, monkeypatch):
    synced = []
    monkeypatch.setattr("glmcore.tuning.checkpoints._sync", lambda path: synced.append(path.name))
    path = make(folder, 3)
    assert set(synced[:2]) == {"weights.bin", "state"}
    assert synced[2] == MARKER
    assert read_marker(path)["step"] == 3
    assert read_marker(path)["time"] > 0
