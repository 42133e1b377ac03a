import numpy as np
import pytest

from glmcore.curves.findings.finding import Severity
from tests.curves.findings.synthetic import make_run, noisy, read

ADGEN = {"base_model": "chatglm-6b", "train_file": "data/AdvertiseGen/train.json", "method": "ptuning_v2"}


def of_level(level, **config):
    loss = noisy(np.append(np.linspace(6, level, 50), np.full(100, level)), 0.01)
    return read(make_run(loss=loss, config={**ADGEN, **config})).get("range")


@pytest.mark.parametrize(
    ("level", "severity"), [(3.74, Severity.GOOD), (4.8, Severity.WARNING), (2.5, Severity.INFO)]
)
def test_a_loss_is_compared_with_what_was_published(level, severity) -> None:
    finding = of_level(level)
    assert finding is not None and finding.severity is severity and "3.74" in finding.note.text


def test_the_range_depends_on_the_method() -> None:
    assert of_level(3.0, method="full").severity is Severity.GOOD
    assert of_level(3.0).severity is Severity.INFO
    assert of_level(3.0, method="unheard-of").severity is Severity.GOOD  # within all that were published


@pytest.mark.parametrize(
    "config",
    [{"base_model": "SmolLM2-135M"}, {"base_model": None}, {"train_file": "mine.jsonl"}, {"train_file": 5}],
)
def test_nothing_is_said_of_what_was_not_published(config) -> None:
    assert of_level(3.74, **config) is None
