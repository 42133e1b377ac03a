"""How many steps a run has, as transformers' trainer counts them."""

from dataclasses import dataclass
from math import ceil

from glmcore.tuning.job_config.fields import JobConfig


@dataclass(frozen=True, slots=True)
class Steps:
    """Optimizer steps of a run, and of one pass over its training rows."""

    total: int
    per_epoch: int


def count_steps(job: JobConfig, num_examples: int) -> Steps:
    """The steps of a job with so many training examples."""
    training = job.training
    batches = ceil(num_examples / (training.per_device_train_batch_size * job.devices.num_processes))
    per_epoch = max(1, ceil(batches / training.gradient_accumulation_steps))
    return Steps(training.max_steps or ceil(training.num_train_epochs * per_epoch), per_epoch)
