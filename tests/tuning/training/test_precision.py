"""The numbers of a run: asked for, or the best that its device is fast at."""

import pytest
import torch

from glmcore.tuning.job_config import JobConfig, TrainingConfig, TuningConfig
from glmcore.tuning.training.precision import base_dtype, choose_precision


def job_with(precision="auto", method="lora"):
    return JobConfig(training=TrainingConfig(precision=precision), tuning=TuningConfig(method=method))


@pytest.mark.parametrize(("knows", "expected"), [(True, "bf16"), (False, "fp32")])
def test_auto_is_bf16_on_cpus_that_have_it(knows, expected, monkeypatch):
    monkeypatch.setattr("glmcore.models.places.devices._has_cpu_bfloat16", lambda: knows)
    assert choose_precision(job_with(), torch.device("cpu")) == expected


@pytest.mark.parametrize(("knows", "expected"), [(True, "bf16"), (False, "fp16")])
def test_auto_has_16_bits_on_every_gpu(knows, expected, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda: knows)
    assert choose_precision(job_with(), torch.device("cuda")) == expected


@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32"])
def test_what_is_asked_for_is_taken(precision):
    assert choose_precision(job_with(precision), torch.device("cpu")) == precision


def test_weights_that_learn_are_float32_and_frozen_ones_are_what_is_computed_in():
    assert [base_dtype(job_with(), name) for name in ("bf16", "fp16", "fp32")] == [
        "bfloat16",
        "float16",
        "float32",
    ]
    assert base_dtype(job_with(method="full"), "bf16") == "float32"
