"""Steps are counted as transformers' trainer counts them."""

import pytest

from glmcore.tuning.job_config import DeviceConfig, JobConfig, TrainingConfig
from glmcore.tuning.planning.steps import Steps, count_steps
from tests.tuning.running import job_file, run

pytestmark = pytest.mark.usefixtures("one_thread")


def job_with(num_processes=1, **values):
    return JobConfig(training=TrainingConfig(**values), devices=DeviceConfig(num_processes=num_processes))


@pytest.mark.parametrize(
    ("job", "examples", "expected"),
    [
        (job_with(num_train_epochs=3.0), 160, Steps(30, 10)),
        (job_with(num_train_epochs=3.0), 161, Steps(33, 11)),  # a last batch of one
        (job_with(num_train_epochs=0.25), 160, Steps(3, 10)),
        (job_with(max_steps=7), 160, Steps(7, 10)),
        (job_with(num_processes=4, num_train_epochs=1.0), 160, Steps(3, 3)),
        (job_with(num_train_epochs=2.0), 1, Steps(2, 1)),
    ],
)
def test_steps_follow_rows_batches_and_processes(job, examples, expected):
    assert count_steps(job, examples) == expected


def test_a_run_ends_where_it_was_said_to(tmp_path):
    values = {"num_train_epochs": 1.4, "max_train_samples": 11}
    job = job_file(tmp_path, "llama", **values).config
    assert run(tmp_path, "llama", **values).step == count_steps(job, 11).total == 5
