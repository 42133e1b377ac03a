"""What is done with the native families beside asking them: trained, split, shrunk, saved."""

import gc

import pytest
import torch
from safetensors.torch import save_file

from glmcore.models import load_model
from glmcore.models.files.tensor_files import iter_tensors
from tests.models.reference import (
    DATA,
    FAMILIES,
    PREFIXES,
    VOCABULARIES,
    change_json,
    copy_of,
    expected,
    folder_of,
    loaded_model,
    one_thread,
    prefix_folder,
    prompts_of,
    relative_error,
    tensors,
)
from tests.models.spoiling import change_weights

CLOSE = 1e-5
NUM_IMAGE_TOKENS = 20_000

each_family = pytest.mark.parametrize("family", FAMILIES)
on_one_thread = pytest.fixture(autouse=True, scope="module")(one_thread)


@torch.no_grad()
def logits_of(loaded, ids, **options):
    return loaded.model(input_ids=ids, **options).logits


def gradients(model, family, checkpointing):
    """Of everything that is trained, after one backward pass."""
    model.zero_grad()
    if checkpointing:
        model.gradient_checkpointing_enable()
    rows = {name: tensors(family)[name] for name in ("input_ids", "labels")}
    model(**rows).loss.backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


@each_family
@pytest.mark.parametrize("form", ["full", *PREFIXES, "int4"])
def test_gradient_checkpointing_gives_the_same_gradients(family, form):
    adapter = prefix_folder(family, form) if form in PREFIXES else None
    folder = folder_of(family, "full" if adapter else form)
    model = load_model(folder, dtype="float32", device="cpu", adapter=adapter).model
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    model.train()
    plain, checkpointed = gradients(model, family, False), gradients(model, family, True)
    assert plain.keys() == checkpointed.keys()
    assert any(gradient.abs().sum() > 0 for gradient in plain.values())
    assert not adapter or any("prefix_encoder" in name for name in plain)
    for name, gradient in plain.items():
        torch.testing.assert_close(checkpointed[name], gradient, rtol=1e-4, atol=1e-6)


@each_family
def test_only_the_logits_asked_for_are_computed(family):
    loaded, ids = loaded_model(family), torch.tensor([prompts_of(family)[0]])
    whole = logits_of(loaded, ids)
    assert relative_error(logits_of(loaded, ids, logits_to_keep=2), whole[:, -2:]) < CLOSE
    assert (
        relative_error(logits_of(loaded, ids, logits_to_keep=torch.tensor([0, 2])), whole[:, [0, 2]]) < CLOSE
    )


@each_family
@pytest.mark.parametrize("form", ["full", "int8", "int4"])
@pytest.mark.parametrize(("dtype", "close"), [("float16", 0.01), ("bfloat16", 0.05)])
def test_half_precision_gives_nearly_the_same(family, form, dtype, close):
    """At most positions: where random weights leave two keys nearly even, rounding decides between them."""
    loaded = load_model(folder_of(family, form), dtype=dtype, device="cpu")
    ids = torch.tensor([prompts_of(family)[1]])
    found, wanted = logits_of(loaded, ids), logits_of(loaded_model(family, form), ids)
    assert found.dtype == getattr(torch, dtype)
    assert ((found - wanted).norm(dim=-1) / wanted.norm(dim=-1)).median() < close
    with_prefix = loaded.with_adapter(prefix_folder(family, "prefix_projection"))
    assert logits_of(with_prefix, ids).isfinite().all()


@each_family
@pytest.mark.parametrize("form", ["full", "int8", "int4", "prefix", "int4 on load"])
def test_model_on_cpu_and_disk_gives_the_same(family, form, settings):
    names = loaded_model(family).family.layer_names
    device_map = dict.fromkeys((names.embedding, names.norm, names.head, *names.beside_embedding), "cpu")
    device_map |= {f"{names.layers}.0": "cpu", f"{names.layers}.1": "disk"}
    stored = {"prefix": "full", "int4 on load": "full"}.get(form, form)
    spread = load_model(
        folder_of(family, stored),
        dtype="float32",
        device_map=device_map,
        quantization_bits=4 if form.endswith("load") else None,
        adapter=prefix_folder(family, "prefix") if form == "prefix" else None,
        settings=settings,
    )
    gc.collect()  # what an adapter was attached to may go, its weights on disk must not
    layers = spread.model.base_model.layers
    assert {weight.device.type for weight in layers[1].parameters()} == {"meta"}
    ids = tensors(family)["input_ids"][:2]
    whole = loaded_model(family, form)
    assert torch.equal(logits_of(spread, ids), logits_of(whole, ids))
    prompt = torch.tensor([prompts_of(family)[0]])
    options = {"input_ids": prompt, "max_new_tokens": 4, "do_sample": False}
    assert spread.model.generate(**options).tolist() == whole.model.generate(**options).tolist()


@each_family
def test_plan_by_memory_limits_is_followed(family, settings):
    loaded = loaded_model(family)
    layer = loaded.model.base_model.layers[0]
    layer_bytes = sum(weight.nbytes for weight in layer.parameters())
    limits = {"cpu": loaded.weight_bytes - layer_bytes // 2, "disk": "1GiB"}
    spread = load_model(folder_of(family), dtype="float32", max_memory=limits, settings=settings)
    assert sorted(set(spread.model.hf_device_map.values())) == ["cpu", "disk"]
    assert any("read again for every token" in note.text for note in spread.notes)
    ids = tensors(family)["input_ids"][:2]
    assert torch.equal(logits_of(spread, ids), logits_of(loaded, ids))


def with_image_tokens(folder):
    """The folder of before April 2023: so many rows of images in front of every id."""
    stored = dict(iter_tensors(folder))
    for name in ("transformer.word_embeddings.weight", "lm_head.weight"):
        images = torch.randn(NUM_IMAGE_TOKENS, stored[name].shape[1], dtype=stored[name].dtype)
        stored[name] = torch.cat([images, stored[name]])
    for path in folder.glob("pytorch_model*"):
        path.unlink()
    save_file(stored, folder / "model.safetensors")
    old = {"bos_token_id": 8, "eos_token_id": 9, "mask_token_id": 4, "gmask_token_id": 5, "pad_token_id": 3}
    shifted = {name: token + NUM_IMAGE_TOKENS for name, token in old.items()}
    change_json(folder / "config.json", vocab_size=708 + NUM_IMAGE_TOKENS, **shifted)


@pytest.mark.parametrize("said", [NUM_IMAGE_TOKENS, None], ids=["said", "not said"])
def test_vocabulary_with_image_tokens_shifts_every_id(tmp_path, said):
    folder = copy_of("chatglm-6b", "full", tmp_path / "chatglm-6b-v0")
    with_image_tokens(folder)
    change_json(folder / "tokenizer_config.json", num_image_tokens=said)
    loaded, slim = load_model(folder, dtype="float32", device="cpu"), loaded_model("chatglm-6b")
    for entry in expected("chatglm-6b")["tokenizer"]:
        ids = loaded.tokenizer(entry["text"])["input_ids"]
        assert ids == [token + NUM_IMAGE_TOKENS for token in entry["input_ids"]]
        assert loaded.tokenizer.decode(ids) == entry["decoded"]
    assert loaded.tokenizer.decode([7, NUM_IMAGE_TOKENS - 1]) == "<image_7><image_19999>"
    prompts = prompts_of("chatglm-6b")[:3]
    shifted = [[token + NUM_IMAGE_TOKENS for token in prompt] for prompt in prompts]
    old, new = (
        loaded.tokenizer.pad({"input_ids": shifted}, return_tensors="pt"),
        slim.tokenizer.pad({"input_ids": prompts}, return_tensors="pt"),
    )
    found = logits_of(loaded, old["input_ids"])[..., NUM_IMAGE_TOKENS:]
    assert relative_error(found, logits_of(slim, new["input_ids"])) < CLOSE


def test_saved_model_comes_back_through_the_auto_classes(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    import glmcore.models.native.chatglm
    import glmcore.models.tokenizers.chatglm  # noqa: F401 (both register their classes)

    loaded = loaded_model("chatglm-6b")
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    inputs = tokenizer("你好", return_tensors="pt")
    assert inputs["input_ids"].tolist()[0] == expected("chatglm-6b")["tokenizer"][0]["input_ids"]
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, logits_of(loaded, inputs["input_ids"]))
    assert model.lm_head.weight is model.transformer.word_embeddings.weight
    again = load_model(tmp_path, dtype="float32", device="cpu")
    assert again.family == loaded.family
    assert torch.equal(logits_of(again, inputs["input_ids"]), logits_of(loaded, inputs["input_ids"]))
    assert again.template_hash == loaded.template_hash


@each_family
def test_prefix_that_was_saved_with_the_model_is_part_of_it(family, tmp_path):
    folder = copy_of(family, "full", tmp_path / family)
    prefix = dict(iter_tensors(prefix_folder(family, "prefix")))
    change_weights(folder, lambda weights: weights | prefix)
    whole = load_model(folder, dtype="float32", device="cpu")
    ids = tensors(family)["input_ids"][:2]
    assert torch.equal(logits_of(whole, ids), logits_of(loaded_model(family, "prefix"), ids))
    assert not whole.can_batch  # paged attention would leave it out


def test_reference_data_stays_small():
    assert sum(path.stat().st_size for path in DATA.rglob("*") if path.is_file()) < 4_500_000
    assert all((DATA / family / name).is_file() for family, name in VOCABULARIES.items())
