"""A run is known as a holder of its device, and one that does not fit says who is there."""

import pytest

from glmcore.core.errors import NotEnoughMemoryError
from glmcore.core.settings import Settings
from glmcore.models.places.devices import GIB, Device
from glmcore.models.places.holders import hold, holders
from glmcore.tuning.training.train import train
from tests.tuning.running import job_file, read_json, run

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_run_holds_its_device_from_before_its_weights_are_read_until_its_end(tmp_path):
    home, seen = tmp_path / "home", []

    def look(stage, share):
        seen.append([(one.name, one.what, one.bytes > 0) for one in holders(home, "cpu")])

    train(
        job_file(tmp_path, "llama", max_steps=1),
        Settings(home=home, allow_hub=False),
        look,
        lambda note: None,
    )
    assert seen[0] == [] and seen[-1] == [("run", "job", True)]
    assert list((home / "holders").iterdir()) == []


def test_a_run_that_does_not_fit_says_who_is_there(tmp_path, monkeypatch):
    small = [Device("cpu", "", 1000, 1000)]
    monkeypatch.setattr("glmcore.tuning.planning.outline.describe_devices", lambda: small)
    there = hold(tmp_path / "home", name="tiny", what="chat", held={"cpu": GIB})
    with (
        there,
        pytest.raises(NotEnoughMemoryError, match=r"are free.* there: tiny \(1\.0 GiB\); un") as caught,
    ):
        run(tmp_path, "llama", max_steps=1)
    assert read_json(tmp_path / "run" / "status.json")["reason"] == caught.value.to_dict()


def test_memory_that_runs_out_in_the_steps_says_who_else_is_there(tmp_path, monkeypatch):
    from glmcore.tuning.training.trainer import TuningTrainer

    def training_step(self, *args, **options):
        raise MemoryError

    monkeypatch.setattr(TuningTrainer, "training_step", training_step)
    there = hold(tmp_path / "home", name="other", what="job", held={"cpu": GIB})
    with there, pytest.raises(NotEnoughMemoryError, match=r"ran out.* there: other \(1\.0 GiB\); stop"):
        run(tmp_path, "llama", max_steps=1)
    assert list((tmp_path / "home" / "holders").iterdir()) == []
