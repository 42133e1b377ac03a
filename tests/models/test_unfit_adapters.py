"""Adapters that do not fit or are damaged are refused; those that only describe themselves wrongly load."""

import shutil

import pytest
import torch
from safetensors.torch import save_file

from glmcore.core.errors import ModelLoadError, NotFoundError
from glmcore.models import load_model
from glmcore.models.adapters.manifest import FILE, AdapterManifest, write_manifest
from tests.models.original_folders import make_original, make_ptuning, published_config
from tests.models.reference import (
    FAMILIES,
    PREFIXES,
    change_json,
    folder_of,
    loaded_model,
    one_thread,
    prefix_folder,
    relative_error,
    tensors,
)
from tests.models.spoiling import sentence_of, without

V1, V2, V3 = FAMILIES
EMBEDDING, LAST = (f"transformer.prefix_encoder.{name}.weight" for name in ("embedding", "trans.2"))

each_family = pytest.mark.parametrize("family", FAMILIES)
each_prefix = pytest.mark.parametrize("form", PREFIXES)
on_one_thread = pytest.fixture(autouse=True, scope="module")(one_thread)


@pytest.fixture
def checkpoint(family, form, tmp_path):
    """A P-tuning checkpoint to damage."""
    return shutil.copytree(prefix_folder(family, form), tmp_path / "checkpoint-3000")


@pytest.fixture
def attach(settings):
    return lambda loaded, adapter: loaded.with_adapter(adapter, settings)


def change_prefix(checkpoint, change):
    path = checkpoint / "pytorch_model.bin"
    weights = torch.load(path, weights_only=True)
    changed = change(weights)
    torch.save(weights if changed is None else changed, path)


def logits_of(loaded, family):
    with torch.no_grad():
        return loaded.model(input_ids=tensors(family)["input_ids"][:2]).logits


@each_prefix
@pytest.mark.parametrize("family, other", [(a, b) for a in FAMILIES for b in FAMILIES if a != b])
def test_prefix_of_another_family_is_refused(family, other, form, attach):
    said = sentence_of(lambda: attach(loaded_model(family), prefix_folder(other, form)))
    title = {V1: "ChatGLM-6B", V2: "ChatGLM2-6B", V3: "ChatGLM3-6B"}
    assert f"config.json was tuned on {title[other]}, but {family} is of the family {title[family]}" in said


@each_prefix
def test_prefix_on_a_model_that_is_no_chatglm_is_refused(tiny_model_dir, form, attach):
    llama = load_model(tiny_model_dir, dtype="float32", device="cpu")
    said = sentence_of(lambda: attach(llama, prefix_folder(V1, form)))
    assert "is a P-tuning checkpoint of a ChatGLM model, but tiny is of the family Llama" in said


@pytest.mark.parametrize("family", ["chatglm", "chatglm2"])
@pytest.mark.parametrize("projection", [False, True])
def test_prefix_of_another_number_of_layers_is_refused(family, projection, tmp_path, attach):
    loaded = load_model(make_original(tmp_path / family, family), dtype="float32", device="cpu")
    longer = published_config(family) | {"num_layers": 3}
    adapter = make_ptuning(tmp_path / "checkpoint-3", longer, projection=projection)
    said = sentence_of(lambda: attach(loaded, adapter))
    assert f"{adapter / 'pytorch_model.bin'}: the prefix has" in said
    assert f"but {family} needs" in said and "(2 × 2 layers × " in said


@each_family
@each_prefix
@pytest.mark.parametrize(
    "said_wrongly",
    [
        {"pre_seq_len": None, "prefix_projection": None},
        {"pre_seq_len": 128, "prefix_projection": True},
        {"pre_seq_len": "5", "prefix_projection": False},
        {"num_layers": 28, "hidden_size": 4096},
        None,
    ],
    ids=str,
)
def test_prefix_is_loaded_by_its_shapes(family, form, said_wrongly, checkpoint, attach):
    if said_wrongly is None:
        (checkpoint / "config.json").unlink()
    else:
        change_json(checkpoint / "config.json", **said_wrongly)
    attached = attach(loaded_model(family), checkpoint)
    wanted = logits_of(loaded_model(family, form), family)
    assert torch.equal(logits_of(attached, family), wanted)


@pytest.mark.parametrize(("family", "form"), [(V2, "prefix"), (V3, "prefix")])
def test_prefix_whose_config_names_no_model_is_loaded_by_its_shapes(family, form, checkpoint, attach):
    """ChatGLM2 and 3 differ in their names only, and a trainer writes the path that it was given."""
    change_json(checkpoint / "config.json", _name_or_path="/data/base")
    attached = attach(loaded_model(family), checkpoint)
    assert torch.equal(logits_of(attached, family), logits_of(loaded_model(family, form), family))


def cut(name, rows):
    return lambda weights: weights.update({name: weights[name][:rows].clone()})


@pytest.mark.parametrize("family", [V1, V2])
@each_prefix
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda weights: without(weights, EMBEDDING),
            f"holds no {EMBEDDING}, so it is no P-tuning checkpoint",
        ),
        (lambda weights: {"other": torch.ones(2)}, f"holds no {EMBEDDING}"),
        (cut(EMBEDDING, 0), "shape [0, "),
        (lambda weights: weights.update({EMBEDDING: torch.ones(7)}), "shape [7]"),
        (lambda weights: weights | {"transformer.prefix_encoder.ghost": torch.ones(2)}, "ghost"),
    ],
    ids=["no embedding", "other", "no rows", "flat", "ghost"],
)
def test_damaged_prefix_is_named(family, form, change, said, checkpoint, attach):
    change_prefix(checkpoint, change)
    found = sentence_of(lambda: attach(loaded_model(family), checkpoint))
    assert str(checkpoint) in found and said in found


@pytest.mark.parametrize("family", [V1, V2])
@pytest.mark.parametrize("form", ["prefix_projection"])
@pytest.mark.parametrize("name", ["trans.0.weight", "trans.0.bias", "trans.2.weight", "trans.2.bias"])
@pytest.mark.parametrize("how", ["missing", "short"])
def test_damaged_projection_is_named(family, form, name, how, checkpoint, attach):
    name = f"transformer.prefix_encoder.{name}"
    change_prefix(checkpoint, cut(name, -1) if how == "short" else lambda weights: without(weights, name))
    assert str(checkpoint) in sentence_of(lambda: attach(loaded_model(family), checkpoint))


class Trap:
    def __reduce__(self):
        return (print, ("code of the pickle was run",))


@pytest.mark.parametrize(("family", "form"), [(V1, "prefix")])
def test_prefix_with_code_is_refused_and_not_run(family, form, checkpoint, attach, capsys):
    torch.save({EMBEDDING: Trap()}, checkpoint / "pytorch_model.bin")
    said = sentence_of(lambda: attach(loaded_model(family), checkpoint))
    assert "which could run code" in said and "was run" not in capsys.readouterr().out


def test_folder_without_an_adapter_is_named(tmp_path, attach):
    assert f"{tmp_path} holds no adapter" in sentence_of(lambda: attach(loaded_model(V1), tmp_path))
    assert "holds no adapter" in sentence_of(lambda: attach(loaded_model(V1), folder_of(V2, "int8")))
    absent = sentence_of(lambda: attach(loaded_model(V1), tmp_path / "absent"), NotFoundError)
    assert f"There is no adapter '{tmp_path / 'absent'}'" in absent


# What stands in a manifest.


@pytest.mark.parametrize(("family", "form"), [(V1, "prefix"), (V3, "prefix_projection")])
def test_manifest_of_another_template_or_family_is_refused(family, form, checkpoint, attach):
    loaded = loaded_model(family)
    right = {
        "base_model": family,
        "family": loaded.family.name,
        "template_hash": loaded.template_hash,
        "method": "ptuning_v2",
    }
    for wrong in ("family", "template_hash"):
        write_manifest(checkpoint, AdapterManifest(**(right | {wrong: "another"})))
        said = sentence_of(lambda: attach(loaded, checkpoint))
        assert f"{checkpoint / FILE}: " in said and "another" in said and right[wrong] in said
    write_manifest(checkpoint, AdapterManifest(**right))
    assert attach(loaded, checkpoint).adapter == "checkpoint-3000"


@pytest.mark.parametrize(("family", "form"), [(V1, "prefix")])
@pytest.mark.parametrize("text", ["", "[]", "{}", '{"family": 3}'])
def test_damaged_manifest_is_named(family, form, text, checkpoint, attach):
    (checkpoint / FILE).write_text(text)
    assert f"{FILE} is not a readable adapter manifest" in str(
        raised(lambda: attach(loaded_model(family), checkpoint))
    )


def raised(call):
    with pytest.raises(ModelLoadError) as caught:
        call()
    return caught.value


# LoRA.


def lora(folder, layers=(0, 1), width=48):
    change = '{"peft_type": "LORA", "r": 4, "lora_alpha": 4, "target_modules": ["query_key_value"]}'
    (folder / "adapter_config.json").write_text(change)
    weights = {}
    for layer in layers:
        name = f"base_model.model.transformer.layers.{layer}.attention.query_key_value"
        weights[f"{name}.lora_A.weight"] = torch.ones(4, width)
        weights[f"{name}.lora_B.weight"] = torch.ones(144, 4)
    save_file(weights, folder / "adapter_model.safetensors")


def test_lora_that_fits_changes_the_answer(tmp_path, attach):
    lora(tmp_path)
    assert (
        relative_error(logits_of(attach(loaded_model(V1), tmp_path), V1), logits_of(loaded_model(V1), V1))
        > 0.1
    )


@pytest.mark.parametrize("layers", [(0,), (0, 1, 2), (3, 4), ()], ids=str)
def test_lora_of_another_number_of_layers_is_refused(layers, tmp_path, attach):
    lora(tmp_path, layers)
    said = sentence_of(lambda: attach(loaded_model(V1), tmp_path))
    assert f"{tmp_path} does not fit {V1}" in said and "lora_A" in said


def test_lora_of_another_width_or_target_is_refused(tmp_path, attach):
    lora(tmp_path, width=47)
    assert "does not fit" in str(raised(lambda: attach(loaded_model(V1), tmp_path)))
    lora(tmp_path)
    assert "query_key_value" in str(raised(lambda: attach(loaded_model(V2), tmp_path)))


def test_lora_without_weights_is_named(tmp_path, attach):
    lora(tmp_path)
    (tmp_path / "adapter_model.safetensors").unlink()
    said = sentence_of(lambda: attach(loaded_model(V1), tmp_path))
    assert f"{tmp_path} has no weights; expected adapter_model.safetensors" in said
