"""What is known before weights are read is what loading and preparing the model then gives."""

from itertools import product

import pytest

from glmcore.core.errors import ConfigError, GlmcoreError, ModelLoadError
from glmcore.core.settings import Settings
from glmcore.models import load_model
from glmcore.models.places.devices import GIB, Device
from glmcore.tuning.methods.choose import tune
from glmcore.tuning.planning import outline
from glmcore.tuning.planning.outline import read_outline
from glmcore.tuning.training.base import example_builder
from tests.models import reference
from tests.tuning.cases import slow_but
from tests.tuning.running import BASES, METHODS, base_folder, job_file

pytestmark = pytest.mark.usefixtures("one_thread")
QUICK = [(base, "lora") for base in BASES] + [("chatglm", method) for method in METHODS if method != "lora"]
QUANTIZED = ["int8", "int4", "int4 on load"]
GPUS = [Device(f"cuda:{number}", "", free * GIB, 80 * GIB) for number, free in enumerate((70, 60, 75))]


def outline_of(folder, base, method="lora", **values):
    job = job_file(folder, base, method, **{"precision": "fp32", **values}).config
    return job, read_outline(job, Settings(home=folder, allow_hub=False), lambda stage, share: None)


def loaded_for(job):
    bits = job.model.quantization_bits
    return load_model(job.model.base_model, dtype="float32", device="cpu", quantization_bits=bits)


def assert_same_numbers(found, tuned):
    frozen = [weight for weight in tuned.model.parameters() if not weight.requires_grad]
    assert found.sizes.num_trainable == tuned.num_trainable > 0
    assert found.sizes.num_parameters == tuned.num_parameters
    assert found.sizes.frozen_bytes == sum(weight.numel() * weight.element_size() for weight in frozen)


@pytest.mark.parametrize("base, method", slow_but(QUICK, product(BASES, METHODS)))
def test_parameters_are_counted_as_the_run_counts_them(tmp_path, base, method):
    job, found = outline_of(tmp_path, base, method)
    assert_same_numbers(found, tune(loaded_for(job), job))


@pytest.mark.parametrize(
    "family, method, form",
    slow_but(
        zip(reference.FAMILIES, ["lora", "projected", "lora"], QUANTIZED, strict=True),
        product(reference.FAMILIES, ["lora", "projected"], QUANTIZED),
    ),
)
def test_parameters_beside_quantized_weights_are_counted(tmp_path, family, method, form):
    bits = 4 if form == "int4 on load" else ""
    folder = reference.folder_of(family, form)
    job, found = outline_of(tmp_path, folder, method, quantization_bits=bits)
    assert_same_numbers(found, tune(loaded_for(job), job))
    assert found.sizes.unpacked > 0


@pytest.mark.parametrize("form", reference.PREFIXES)
@pytest.mark.parametrize("family", reference.FAMILIES)
def test_a_prefix_that_is_gone_on_from_has_its_own_size(tmp_path, family, form):
    adapter = reference.prefix_folder(family, form)
    job, found = outline_of(tmp_path, reference.folder_of(family), "prefix", adapter_path=adapter)
    assert_same_numbers(found, tune(loaded_for(job), job))
    assert found.sizes.prefix_length == 5


@pytest.mark.parametrize("method", ["lora", "prefix", "projected"])
def test_an_adapter_that_is_gone_on_from_has_its_own_size(tmp_path, method):
    job = job_file(tmp_path, "llama", method).config
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    tune(loaded_for(job), job).save(adapter, None)
    sizes = {"lora_rank": 32} if method == "lora" else {"num_virtual_tokens": 50}
    job, found = outline_of(tmp_path, "llama", method, adapter_path=adapter, **sizes)
    assert_same_numbers(found, tune(loaded_for(job), job))


@pytest.mark.parametrize("base", BASES)
def test_an_outline_builds_the_prompts_of_the_model_and_has_no_weights(tmp_path, base):
    job, found = outline_of(tmp_path, base)
    loaded = loaded_for(job)
    assert {weight.device.type for weight in found.loaded.model.parameters()} == {"meta"}
    assert found.loaded.template_hash == loaded.template_hash
    assert found.loaded.eos_token_ids == loaded.eos_token_ids
    assert found.loaded.window == loaded.window
    assert found.loaded.notes == loaded.notes
    assert example_builder(job, found.loaded).ends == example_builder(job, loaded).ends


def test_weights_that_are_shared_are_counted_once(tmp_path):
    from tests.models.tiny_model import build_model, build_tokenizer

    model = build_model()
    model.config.tie_word_embeddings = True
    model.tie_weights()
    model.save_pretrained(tmp_path / "tied")
    build_tokenizer().save_pretrained(tmp_path / "tied")
    job, found = outline_of(tmp_path, tmp_path / "tied", "full")
    assert_same_numbers(found, tune(loaded_for(job), job))


@pytest.mark.parametrize(
    ("values", "fault", "sentence"),
    [
        ({"lora_targets": "nothing"}, ConfigError, "lora_targets is"),
        ({"base_model": reference.DATA / "nowhere"}, GlmcoreError, "nowhere"),
        ({"device": "cuda:7"}, ConfigError, "this machine has cpu"),
        ({"adapter_path": reference.DATA}, ModelLoadError, "holds no adapter_config.json"),
    ],
    ids=str,
)
def test_what_a_run_would_refuse_is_refused(tmp_path, monkeypatch, values, fault, sentence):
    monkeypatch.setattr(outline, "describe_devices", lambda: [Device("cpu", "", GIB, GIB)])
    with pytest.raises(fault, match=sentence):
        outline_of(tmp_path, values.pop("base_model", "llama"), **values)


def test_quantized_weights_cannot_be_tuned_in_full(tmp_path):
    with pytest.raises(ConfigError, match="has quantized weights"):
        outline_of(tmp_path, reference.folder_of("chatglm2-6b", "int8"), "full")


def test_a_folder_with_other_weights_than_its_config_says_is_refused(tmp_path):
    folder = reference.copy_of("chatglm2-6b", "full", tmp_path / "model")
    reference.change_json(folder / "config.json", ffn_hidden_size=99)
    with pytest.raises(ModelLoadError, match="different models"):
        outline_of(tmp_path, folder)


def test_processes_share_the_memory_of_a_cpu_and_have_a_gpu_each(tmp_path, monkeypatch):
    devices = [*GPUS, Device("cpu", "", 64 * GIB, 64 * GIB)]
    monkeypatch.setattr(outline, "describe_devices", lambda: devices)
    monkeypatch.setattr("glmcore.models.loading.describe_devices", lambda: devices)
    _, found = outline_of(tmp_path, "llama", num_processes=4)
    assert found.free_bytes == 16 * GIB
    on_gpus = {"device": "cuda"}
    _, found = outline_of(tmp_path, "llama", num_processes=2, **on_gpus)
    assert found.free_bytes == 60 * GIB
    _, found = outline_of(tmp_path, "llama", **on_gpus)
    assert found.free_bytes == 75 * GIB and found.blueprint.device.name == "cuda:2"
    with pytest.raises(ConfigError, match="num_processes is 4, but this machine has 3 GPUs"):
        outline_of(tmp_path, "llama", num_processes=4, **on_gpus)


def test_without_a_gpu_auto_is_the_cpu(tmp_path, monkeypatch):
    devices = [Device("mps", "", GIB, GIB), Device("cpu", "", GIB, GIB)]
    monkeypatch.setattr(outline, "describe_devices", lambda: devices)
    _, found = outline_of(tmp_path, base_folder("llama"), device="auto")
    assert found.blueprint.device.name == "cpu"
