"""What a run does not survive: said in our sentences and in its status, before or after weights are read."""

import errno
import shutil
from collections import namedtuple

import pytest
import torch

from glmcore.core.errors import ConfigError, DataError, NotEnoughMemoryError, StorageError
from glmcore.models.places.devices import Device
from glmcore.tuning.checkpoints import last_checkpoint
from glmcore.tuning.run_folder import RunFolder
from glmcore.tuning.training.train import explained
from tests.tuning.running import read_json, run, write_rows

pytestmark = pytest.mark.usefixtures("one_thread")

PLACE = "glmcore.tuning.training.train"
DISK_USAGE = namedtuple("Usage", "total used free")


def status_of(folder):
    return read_json(folder / "run" / "status.json")


def raising(fault):
    def fail(*args, **options):
        raise fault

    return fail


@pytest.fixture
def weights_are_never_read(monkeypatch):
    monkeypatch.setattr(f"{PLACE}.load_base", raising(AssertionError("the weights were read")))


@pytest.mark.usefixtures("weights_are_never_read")
def test_a_run_that_does_not_fit_into_memory_is_refused_before_its_weights_are_read(tmp_path, monkeypatch):
    small = [Device("cpu", "", 1000, 1000)]
    monkeypatch.setattr("glmcore.tuning.planning.outline.describe_devices", lambda: small)
    with pytest.raises(NotEnoughMemoryError, match="GiB are free") as caught:
        run(tmp_path, "llama", max_steps=1)
    assert (status_of(tmp_path)["state"], status_of(tmp_path)["reason"]) == ("failed", caught.value.to_dict())


@pytest.mark.usefixtures("weights_are_never_read")
def test_a_run_whose_checkpoints_have_no_room_is_refused_before_its_weights_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: DISK_USAGE(1000, 990, 10))
    with pytest.raises(StorageError, match="lower keep_checkpoints"):
        run(tmp_path, "llama", max_steps=1)
    assert status_of(tmp_path)["state"] == "failed"


def test_a_model_that_cannot_be_is_said_before_the_data_is_read(tmp_path):
    data = tmp_path / "train.jsonl"
    data.write_text("no rows at all")
    with pytest.raises(DataError):
        run(tmp_path, "llama", max_steps=1)
    with pytest.raises(ConfigError, match="lora_targets is"):
        run(tmp_path, "llama", max_steps=1, lora_targets="nothing")


@pytest.mark.parametrize(
    ("fault", "kind", "sentence"),
    [
        (MemoryError(), NotEnoughMemoryError, "Memory ran out while training; lower per_device"),
        (torch.OutOfMemoryError("CUDA"), NotEnoughMemoryError, "Memory ran out while training"),
        (OSError(errno.ENOSPC, "full"), StorageError, "The disk of .*run is full; free some space"),
        (OSError(errno.EDQUOT, "quota"), StorageError, "The disk of .*run is full"),
    ],
)
def test_memory_and_disk_that_run_out_in_the_steps_are_said_and_gone_on_from(
    fault, kind, sentence, tmp_path, monkeypatch
):
    from glmcore.tuning.training.trainer import TuningTrainer

    original = TuningTrainer.training_step

    def training_step(self, *args, **options):
        if self.state.global_step == 1:
            raise fault
        return original(self, *args, **options)

    options = {"max_steps": 2, "save_every_steps": 1, "gradient_accumulation_steps": 1}
    with monkeypatch.context() as patch:
        patch.setattr(TuningTrainer, "training_step", training_step)
        with pytest.raises(kind, match=sentence) as caught:
            run(tmp_path, "llama", **options)
    assert caught.value.__cause__ is fault
    assert status_of(tmp_path)["reason"] == caught.value.to_dict()
    assert last_checkpoint(RunFolder(tmp_path / "run")).step == 1
    assert run(tmp_path, "llama", **options).state == "finished"


@pytest.mark.parametrize("fault", [ValueError("odd"), OSError(errno.EIO, "broken"), ZeroDivisionError()])
def test_a_fault_of_ours_stays_as_it_is_and_is_named_in_the_status(fault, tmp_path, monkeypatch):
    assert explained(fault, RunFolder(tmp_path)) is None
    monkeypatch.setattr(f"{PLACE}.prepare_training", raising(fault))
    with pytest.raises(type(fault)):
        run(tmp_path, "llama", max_steps=1)
    reason = status_of(tmp_path)["reason"]
    assert "a fault of this program" in reason["template"]
    assert reason["values"] == {"fault": repr(fault)}


def test_a_disk_that_is_too_full_for_the_status_hides_no_fault(tmp_path, monkeypatch):
    full = OSError(errno.ENOSPC, "full")
    monkeypatch.setattr(f"{PLACE}.prepare_training", raising(full))
    monkeypatch.setattr("glmcore.tuning.training.run_log.StatusFile.update", raising(full))
    with pytest.raises(StorageError, match="is full"):
        run(tmp_path, "llama", max_steps=1)


def test_ctrl_c_before_the_steps_leaves_the_run_stopped(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(f"{PLACE}.load_base", raising(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, "llama", max_steps=1)
    assert status_of(tmp_path)["state"] == "stopped"
    write_rows(tmp_path / "train.jsonl")
    assert run(tmp_path, "llama", max_steps=1).state == "finished"
