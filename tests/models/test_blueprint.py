"""What is known of a model before a number of it is read."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from glmcore.core.errors import ConfigError
from glmcore.models import blueprint as blueprint_module
from glmcore.models.blueprint import read_blueprint
from glmcore.models.files.tensor_files import list_tensors
from glmcore.models.places.devices import Device
from tests.models.reference import FAMILIES, folder_of, loaded_model

CPU = Device("cpu", "", 10**9, 10**9)

each_family = pytest.mark.parametrize("family", FAMILIES)


def blueprint(path, **options):
    return read_blueprint("model", path, [CPU], **({"dtype": "float32", "device": "cpu"} | options))


def bytes_of(model):
    return sum(weight.nbytes for weight in model.parameters())


@each_family
@pytest.mark.parametrize(
    ("form", "bits"), [("full", None), ("int8", None), ("int4", None), ("full", 8), ("full", 4)]
)
def test_memory_of_an_original_folder_is_known_to_the_byte(family, form, bits):
    known = blueprint(folder_of(family, form), quantization_bits=bits)
    model = loaded_model(family, f"int{bits} on load" if bits else form).model
    assert known.weight_bytes == bytes_of(model)
    assert set(known.sizes) == {name for name, _ in model.named_parameters()}
    assert known.needed_bytes == known.weight_bytes + 1024 * known.kv_bytes_per_token


@each_family
def test_cache_of_an_original_folder_is_known_to_the_byte(family):
    known, loaded = blueprint(folder_of(family)), loaded_model(family)
    ids = torch.tensor([[20, 21, 5, 8, 22]])
    cache = loaded.model(input_ids=ids, use_cache=True).past_key_values
    stored = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert known.kv_bytes_per_token == stored // ids.shape[1]


@each_family
def test_half_precision_halves_what_is_not_packed(family):
    whole, half = (blueprint(folder_of(family, "int4"), dtype=dtype) for dtype in ("float32", "float16"))
    for name, size in whole.sizes.items():
        is_packed = ".layers." in name and name.endswith("weight") and "layernorm" not in name
        assert half.sizes[name] == (size if is_packed else size // 2)


@each_family
def test_layout_names_the_parts_that_the_family_has(family):
    known = blueprint(folder_of(family))
    names = known.family.layer_names
    assert known.layout is not None
    assert [part.name for part in known.layout.embedding] == [names.embedding]
    assert [part.name for part in known.layout.layers] == [f"{names.layers}.0", f"{names.layers}.1"]
    places = known.place([CPU], max_memory={"cpu": "1GB"}).device_map
    assert set(places) >= {names.norm, names.head, names.embedding, *names.beside_embedding}
    modules = dict(loaded_model(family).model.named_modules())
    assert set(places) - {"transformer.prefix_encoder"} <= set(modules)


def test_folder_that_transformers_knows_is_sized_by_its_files(tiny_model_dir):
    known = blueprint(tiny_model_dir, dtype="bfloat16")
    assert known.source is None
    assert known.family.name == "llama"
    assert known.weight_bytes * 2 == blueprint(tiny_model_dir).weight_bytes
    assert known.layout is not None and len(known.layout.layers) == 2


def test_gguf_has_no_layout(tiny_gguf):
    known = blueprint(tiny_gguf)
    assert known.layout is None
    assert known.weight_bytes > 0
    assert known.place([CPU], device_map="auto").device_map == "auto"


@pytest.mark.parametrize("bits", [5, "4", 0, 4.0, True])
def test_number_of_bits_is_checked_before_anything_is_read(tiny_model_dir, bits):
    with pytest.raises(ConfigError, match="expected 4 or 8, or nothing"):
        blueprint(tiny_model_dir, quantization_bits=bits)


def test_device_that_is_not_there_is_named(tiny_model_dir):
    with pytest.raises(ConfigError, match="'cuda' is not here; this machine has cpu"):
        blueprint(tiny_model_dir, device="cuda")


@pytest.mark.parametrize(
    ("stored", "loaded"), [("float32", "float32"), ("float16", "float16"), ("float64", "float32")]
)
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_number_format_is_that_of_most_weights_whatever_the_config_says(
    stored, loaded, file, tiny_model_dir, tmp_path, monkeypatch
):
    folder = shutil.copytree(tiny_model_dir, tmp_path / "tiny")
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    changed = {name: tensor.to(getattr(torch, stored)) for name, tensor in tensors.items()}
    changed["model.norm.weight"] = tensors["model.norm.weight"].bfloat16()
    save_file(changed, folder / file) if file.endswith("safetensors") else torch.save(changed, folder / file)
    seen = []
    monkeypatch.setattr(blueprint_module, "choose_dtype", lambda *found: seen.append(found) or "float32")
    blueprint(folder, dtype="auto")
    assert seen == [("auto", "cpu", loaded)]


def test_files_are_listed_once(monkeypatch):
    listed = []
    monkeypatch.setattr(
        blueprint_module, "list_tensors", lambda folder: listed.append(folder) or list_tensors(folder)
    )
    for path in (folder_of("chatglm-6b"), folder_of("chatglm2-6b", "int4")):
        blueprint(path)
    assert listed == [folder_of("chatglm-6b"), folder_of("chatglm2-6b", "int4")]
