"""The reference values on a GPU, and layers split over several. Needs the hardware: `pytest -m gpu`."""

import pytest
import torch

from glmcore.models import load_model
from tests.models.reference import (
    FAMILIES,
    ON_LOAD,
    STORED,
    expected,
    expected_ids,
    expected_logits,
    folder_of,
    prefix_folder,
    prompts_of,
    relative_error,
    tensors,
)

NUM_GPUS = torch.cuda.device_count()
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(NUM_GPUS == 0, reason="no GPU")]
each_family = pytest.mark.parametrize("family", FAMILIES)
CLOSE = 1e-4  # another device sums in another order


@torch.no_grad()
def assert_as_expected(loaded, family, form):
    found = loaded.model(input_ids=tensors(family)["input_ids"][:2].to(loaded.model.device)).logits.cpu()
    for row, wanted in enumerate(expected_logits(family, form)):
        end = expected(family)["lengths"][row]
        assert relative_error(found[row, end - len(wanted) : end], wanted) < CLOSE


@each_family
@pytest.mark.parametrize("form", [*STORED, *ON_LOAD])
def test_logits_on_a_gpu_are_the_originals(family, form):
    _, bits = (STORED | ON_LOAD)[form]
    loaded = load_model(folder_of(family, form), dtype="float32", device="cuda", quantization_bits=bits)
    assert loaded.device.startswith("cuda")
    assert_as_expected(loaded, family, form)


@each_family
def test_adapter_and_greedy_answer_on_a_gpu_are_the_originals(family):
    base = load_model(folder_of(family), dtype="float32", device="cuda")
    assert_as_expected(base.with_adapter(prefix_folder(family, "prefix")), family, "prefix")
    prompt = torch.tensor([prompts_of(family)[0]], device=base.model.device)
    found = base.model.generate(input_ids=prompt, max_new_tokens=24, do_sample=False)
    assert found[0, prompt.shape[1] :].tolist() == expected_ids(family, "full")[0]


@each_family
@pytest.mark.parametrize("device_map", ["auto", "chatglm"])
@pytest.mark.skipif(NUM_GPUS < 2, reason="one GPU")
def test_layers_split_over_gpus_give_the_same(family, device_map):
    loaded = load_model(folder_of(family), dtype="float32", device_map=device_map)
    assert len(set(loaded.model.hf_device_map.values())) > 1
    assert_as_expected(loaded, family, "full")


@each_family
def test_layers_offloaded_from_a_gpu_give_the_same(family):
    whole = load_model(folder_of(family), dtype="float32", device="cuda")
    room = int(whole.weight_bytes * 0.95)
    loaded = load_model(
        folder_of(family), dtype="float32", max_memory={0: room, "cpu": "1GiB"}, device="cuda"
    )
    assert "cpu" in loaded.model.hf_device_map.values()
    assert_as_expected(loaded, family, "full")
