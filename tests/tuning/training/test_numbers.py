"""Ways to compute that save memory or time, which must not change what is learnt."""

import pytest

from glmcore.core.errors import ConfigError
from tests.tuning.cases import slow_but
from tests.tuning.running import assert_same_tensors, checkpoint, learnt_weights, numbers_by_step, points, run

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = {"max_steps": 3, "save_every_steps": 3}


def losses(folder):
    return [point["loss"] for point in points(folder) if "loss" in point]


@pytest.mark.parametrize(
    "base, method",
    slow_but(
        [("chatglm", "lora"), ("chatglm3", "prefix"), ("llama", "full")],
        [
            ("chatglm", "lora"),
            ("chatglm", "projected"),
            ("chatglm", "full"),
            ("chatglm3", "prefix"),
            ("chatglm3", "full"),
            ("glm", "lora"),
            ("llama", "full"),
        ],
    ),
)
def test_gradient_checkpointing_learns_the_same(base, method, tmp_path):
    plain, saving = tmp_path / "plain", tmp_path / "saving"
    plain.mkdir(), saving.mkdir()
    run(plain, base, method, **STEPS, gradient_checkpointing="false")
    run(saving, base, method, **STEPS, gradient_checkpointing="true")
    assert losses(saving) == pytest.approx(losses(plain), rel=1e-5)
    before, after = learnt_weights(checkpoint(plain, 3)), learnt_weights(checkpoint(saving, 3))
    assert before.keys() == after.keys()
    assert all((before[name] - after[name]).abs().max() < 1e-4 for name in before)


@pytest.mark.parametrize("base, method", [("glm", "prefix"), ("llama", "projected")])
def test_gradient_checkpointing_that_a_method_cannot_do_is_refused(base, method, tmp_path):
    with pytest.raises(ConfigError, match="gradient_checkpointing is true"):
        run(tmp_path, base, method, **STEPS, gradient_checkpointing="true")


@pytest.mark.parametrize(
    "base, method",
    slow_but(
        [("chatglm", "prefix"), ("llama", "full")],
        [
            ("chatglm", "prefix"),
            ("chatglm3", "lora"),
            ("glm", "projected"),
            ("llama", "full"),
            ("chatglm", "full"),
        ],
    ),
)
def test_bf16_runs_and_learns_in_float32(base, method, tmp_path):
    import torch

    run(tmp_path, base, method, max_steps=4, precision="bf16")
    assert len(losses(tmp_path)) == 4
    assert all(0 < loss < 20 for loss in losses(tmp_path))
    weights = learnt_weights(checkpoint(tmp_path, 4))
    assert all(weight.dtype == torch.float32 for weight in weights.values())
    assert all(weight.isfinite().all() for weight in weights.values())


@pytest.mark.parametrize(
    "base, method", slow_but([("chatglm", "lora")], [("chatglm", "lora"), ("chatglm3", "prefix")])
)
def test_a_quantized_base_stays_as_it_is_and_is_learnt_on(base, method, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    whole.mkdir(), broken.mkdir()
    options = {"quantization_bits": 4, "lr_scheduler_type": "constant"}
    run(whole, base, method, max_steps=4, **options)
    run(broken, base, method, max_steps=2, **options)
    run(broken, base, method, max_steps=4, **options)
    assert numbers_by_step(broken, "loss") == numbers_by_step(whole, "loss")
    assert_same_tensors(learnt_weights(checkpoint(broken, 4)), learnt_weights(checkpoint(whole, 4)))


def test_accumulated_batches_learn_as_one_large_one(tmp_path):
    """The loss is the mean over tokens of all batches of a step, not a mean of means."""
    one, many = tmp_path / "one", tmp_path / "many"
    one.mkdir(), many.mkdir()
    same = {"max_steps": 3, "lora_dropout": 0, "lr_scheduler_type": "constant"}
    run(one, "glm", per_device_train_batch_size=6, gradient_accumulation_steps=1, **same)
    run(many, "glm", per_device_train_batch_size=1, gradient_accumulation_steps=6, **same)
    assert losses(many) == pytest.approx(losses(one), rel=1e-4)
