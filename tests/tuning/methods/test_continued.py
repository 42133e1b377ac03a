"""Earlier adapters that are gone on from: with their own sizes, from where they were, into their own form."""

import shutil
from itertools import product

import pytest
import torch

from glmcore.core.errors import GlmcoreError, ModelLoadError
from glmcore.core.settings import Settings
from glmcore.models import load_model
from glmcore.models.native.prefix import PrefixEncoder, cache_shape
from glmcore.tuning.training.batches import Padding
from glmcore.tuning.training.losses import answer_losses
from tests.models import reference
from tests.models.adapters.making import make_lora, make_peft_prefix
from tests.models.original_folders import make_original
from tests.tuning.cases import slow_but
from tests.tuning.running import (
    assert_same_tensors,
    base_folder,
    checkpoint,
    learnt_weights,
    points,
    read_json,
    run,
    write_rows,
)

pytestmark = pytest.mark.usefixtures("one_thread")

ADAPTERS = ["lora", "prefix", "projected"]
START = "transformer.prefix_encoder."
ONE_BATCH = {
    "max_steps": 1,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 1,
    "learning_rate": 1e-3,
    "lr_scheduler_type": "constant",
}


@pytest.fixture
def settings(tmp_path):
    return Settings(home=tmp_path / "home", allow_hub=False)


@pytest.fixture(autouse=True)
def no_dropout(monkeypatch):
    """What is learnt on is then what is asked."""
    monkeypatch.setattr("glmcore.models.native.prefix.DROPOUT", 0.0)


def loss_of_rows(loaded, folder):
    """The mean loss of the tokens that the only batch of a run teaches."""
    from datasets import Dataset

    from glmcore.tuning.training.batches import Rows

    (arrow,) = (folder / "run" / "prepared").rglob("rows.arrow")
    rows = Rows(Dataset.from_file(str(arrow)))
    sums_B, counts_B = answer_losses(loaded.model, Padding(0)([rows[index] for index in range(len(rows))]))
    return float(sums_B.sum() / counts_B.sum())


def continued(folder, base, method, adapter, **values):
    write_rows(folder / "train.jsonl", 4)
    run(folder, base, method, adapter_path=adapter, **(ONE_BATCH | values))
    return next(point["loss"] for point in points(folder) if "loss" in point)


@pytest.mark.parametrize(
    "family, form",
    slow_but(
        [("chatglm-6b", "prefix"), ("chatglm2-6b", "prefix_projection")],
        product(reference.FAMILIES, reference.PREFIXES),
    ),
)
def test_a_checkpoint_of_2023_is_gone_on_from(family, form, tmp_path, settings):
    base, adapter = reference.folder_of(family), reference.prefix_folder(family, form)
    plain = load_model(base, dtype="float32", device="cpu", settings=settings)
    found = continued(tmp_path, base, "prefix", adapter)
    adapted = plain.with_adapter(adapter, settings)
    assert found == pytest.approx(loss_of_rows(adapted, tmp_path), rel=1e-5)
    assert found != pytest.approx(loss_of_rows(plain, tmp_path), rel=1e-3)

    # What is saved has the original's names, shapes and numbers …
    saved = torch.load(checkpoint(tmp_path, 1) / "pytorch_model.bin", weights_only=True)
    original = torch.load(adapter / "pytorch_model.bin", weights_only=True)
    assert {name: weight.shape for name, weight in saved.items()} == {
        name: weight.shape for name, weight in original.items() if name.startswith(START)
    }
    assert all(weight.dtype == torch.float32 for weight in saved.values())
    assert all(not torch.equal(weight, original[name].float()) for name, weight in saved.items())
    config = read_json(checkpoint(tmp_path, 1) / "config.json")
    assert config["pre_seq_len"] == original[f"{START}embedding.weight"].shape[0]
    assert config["prefix_projection"] == (form == "prefix_projection")

    # … and loads as the scripts did: the part of the names dropped, strictly.
    layers, heads, size = cache_shape(plain.model.config)
    embedding = saved[f"{START}embedding.weight"]
    inner = saved[f"{START}trans.0.weight"].shape[0] if config["prefix_projection"] else None
    encoder = PrefixEncoder(
        pre_seq_len=config["pre_seq_len"],
        num_layers=layers,
        num_heads=heads,
        head_size=size,
        projection=(embedding.shape[1], inner) if inner else None,
    )
    encoder.load_state_dict({name[len(START) :]: weight for name, weight in saved.items()}, strict=True)
    after = plain.with_adapter(checkpoint(tmp_path, 1), settings)
    assert loss_of_rows(after, tmp_path) < found


@pytest.mark.parametrize(
    "base, method",
    slow_but(
        [("chatglm", "prefix"), ("chatglm3", "projected"), ("glm", "lora")],
        product(["chatglm", "chatglm3", "glm"], ADAPTERS),
    ),
)
def test_an_adapter_of_an_earlier_run_is_gone_on_from(base, method, tmp_path, settings):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    run(first, base, method, max_steps=2, lora_dropout=0)
    adapter = checkpoint(first, 2)
    loaded = load_model(base_folder(base), dtype="float32", device="cpu", settings=settings)
    found = continued(
        second, base, method, adapter, lora_rank=7, num_virtual_tokens=9, prefix_projection="false"
    )
    assert found == pytest.approx(loss_of_rows(loaded.with_adapter(adapter, settings), second), rel=1e-5)
    before, after = learnt_weights(adapter), learnt_weights(checkpoint(second, 1))
    assert {name: weight.shape for name, weight in before.items()} == {
        name: weight.shape for name, weight in after.items()
    }
    assert sum(torch.equal(before[name], after[name]) for name in before) == 0
    # Everything is learnt at the same size, so that a further run takes it again.
    third = tmp_path / "third"
    third.mkdir()
    again = continued(third, base, method, checkpoint(second, 1))
    assert again == pytest.approx(
        loss_of_rows(loaded.with_adapter(checkpoint(second, 1), settings), third), rel=1e-5
    )


@pytest.mark.parametrize(
    "make, method, options",
    [
        (make_lora, "lora", {"layers": ["q_proj", "v_proj", "gate_up_proj"]}),
        (make_peft_prefix, "prefix", {}),
        (make_peft_prefix, "prefix", {"projection": True}),
    ],
)
def test_an_adapter_that_peft_wrote_is_gone_on_from(make, method, options, tmp_path, settings):
    loaded = load_model(base_folder("glm"), dtype="float32", device="cpu", settings=settings)
    adapter = make(tmp_path / "made", loaded, **options)
    found = continued(tmp_path, "glm", method, adapter)
    assert found == pytest.approx(loss_of_rows(loaded.with_adapter(adapter, settings), tmp_path), rel=1e-5)
    after = loaded.with_adapter(checkpoint(tmp_path, 1), settings)
    assert loss_of_rows(after, tmp_path) < found


def test_a_continued_run_that_breaks_off_goes_on_from_its_own_checkpoint(tmp_path):
    first, whole, broken = tmp_path / "first", tmp_path / "whole", tmp_path / "broken"
    for folder in (first, whole, broken):
        folder.mkdir()
    run(first, "chatglm", "projected", max_steps=2)
    options = {"adapter_path": checkpoint(first, 2), "lr_scheduler_type": "constant"}
    run(whole, "chatglm", "projected", max_steps=4, **options)
    run(broken, "chatglm", "projected", max_steps=2, **options)
    run(broken, "chatglm", "projected", max_steps=4, **options)
    assert_same_tensors(learnt_weights(checkpoint(broken, 4)), learnt_weights(checkpoint(whole, 4)))


# --- what cannot be gone on from


def test_an_adapter_of_another_kind_is_refused(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    run(first, "glm", "lora", max_steps=1)
    with pytest.raises(ModelLoadError, match="of the type LORA, expected PREFIX_TUNING"):
        run(second, "glm", "prefix", max_steps=1, adapter_path=checkpoint(first, 1))
    with pytest.raises(GlmcoreError):
        run(tmp_path, "chatglm", "prefix", max_steps=1, adapter_path=checkpoint(first, 1))
    with pytest.raises(GlmcoreError, match="method full tunes the base model alone"):
        run(tmp_path / "second", "glm", "full", max_steps=1, adapter_path=checkpoint(first, 1))


@pytest.mark.parametrize("method", slow_but(["prefix"], ["lora", "prefix"]))
def test_an_adapter_of_another_base_is_refused(method, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    run(first, "chatglm2", method, max_steps=1)
    with pytest.raises(ModelLoadError, match="tuned with family chatglm2, but chatglm3 has chatglm3"):
        run(second, "chatglm3", method, max_steps=1, adapter_path=checkpoint(first, 1))


@pytest.mark.parametrize(
    "base, method",
    slow_but([("chatglm", "projected"), ("glm", "lora")], product(["chatglm", "glm"], ADAPTERS)),
)
def test_an_adapter_of_a_model_of_another_size_is_refused(base, method, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir(), second.mkdir()
    family = "chatglm3" if base == "glm" else base
    original = make_original(tmp_path / f"{family}-large", family, num_layers=3)
    larger = original
    if base == "glm":
        from glmcore.models.native.convert import convert_folder

        larger = convert_folder(original, tmp_path / "glm-large").folder
    run(first, larger, method, max_steps=1)
    with pytest.raises(ModelLoadError) as caught:
        run(second, base, method, max_steps=1, adapter_path=checkpoint(first, 1))
    assert "checkpoint-1" in str(caught.value)


@pytest.mark.parametrize(
    "base, method",
    slow_but([("chatglm", "projected"), ("glm", "lora")], product(["chatglm", "glm"], ADAPTERS)),
)
def test_a_damaged_adapter_is_refused(base, method, tmp_path):
    first = tmp_path / "first"
    first.mkdir()
    run(first, base, method, max_steps=1)
    names = {path.name for path in checkpoint(first, 1).iterdir()}
    read = {"adapter_config.json", "prompt_encoder.safetensors", "pytorch_model.bin"}
    if method == "lora":
        read |= {"adapter_model.safetensors"}
    for name in sorted(names & read):
        second = tmp_path / name
        second.mkdir()
        damaged = shutil.copytree(checkpoint(first, 1), second / "damaged")
        whole = (damaged / name).read_bytes()
        (damaged / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(GlmcoreError):
            run(second, base, method, max_steps=1, adapter_path=damaged)
