"""Loading real (tiny) models, and one sentence for each way a model can be broken."""

import json
import pickle
import shutil

import pytest
import torch

from glmcore.core.errors import (
    ConfigError,
    DataError,
    GlmcoreError,
    ModelLoadError,
    NotEnoughMemoryError,
    NotFoundError,
)
from glmcore.models import Message, load_model, loading
from glmcore.models.places.devices import Device
from tests.models.tiny_model import build_model, build_tokenizer

OWN_CODE = {"AutoModelForCausalLM": "trap.Model", "AutoConfig": "trap.Config"}
TWO_BYTE_HEADER = b"\x02" + bytes(7)
HELLO = [Message("user", "hello")]


@pytest.fixture(scope="module")
def loaded(tiny_model_dir):
    return load_model(tiny_model_dir, dtype="float32", device="cpu")


def change_config(folder, **values):
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **values}
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))


def sentence_for(path, settings, **options) -> str:
    with pytest.raises(GlmcoreError) as caught:
        load_model(path, settings=settings, **options)
    assert isinstance(caught.value, ModelLoadError)
    return str(caught.value)


def test_loaded_model_knows_its_facts(loaded, tiny_model_dir):
    assert (loaded.name, loaded.path, loaded.device, loaded.dtype) == (
        "tiny",
        tiny_model_dir,
        "cpu",
        "float32",
    )
    assert loaded.window == 512
    assert loaded.eos_token_ids == (257,)
    assert loaded.kv_bytes_per_token == 2 * 2 * 2 * 8 * 4
    assert loaded.weight_bytes == 4 * sum(parameter.numel() for parameter in loaded.model.parameters())
    assert loaded.can_batch
    assert loaded.notes == ()


def test_loaded_model_generates(loaded):
    ids = torch.tensor([loaded.prompt_ids(HELLO)])
    out = loaded.model.generate(input_ids=ids, max_new_tokens=4, do_sample=False)
    assert out.shape == (1, ids.shape[1] + 4)
    assert loaded.model(input_ids=ids, labels=ids).loss.isfinite()


def test_dtype_can_be_chosen_and_a_wrong_one_is_named(tiny_model_dir):
    assert load_model(tiny_model_dir, dtype="bfloat16", device="cpu").dtype == "bfloat16"
    with pytest.raises(ConfigError, match="dtype is 'int3'"):
        load_model(tiny_model_dir, dtype="int3")


def test_absent_device_is_named(tiny_model_dir):
    with pytest.raises(ConfigError, match=r"'cuda:7' is not here; this machine has .*cpu"):
        load_model(tiny_model_dir, device="cuda:7")


def test_adapter_that_is_not_there_is_named(tiny_model_dir, settings):
    with pytest.raises(NotFoundError, match="There is no adapter 'some/adapter'"):
        load_model(tiny_model_dir, adapter="some/adapter", settings=settings)


@pytest.mark.parametrize("bits", [8, 4])
def test_other_families_are_quantized_on_a_gpu_only(tiny_model_dir, monkeypatch, bits):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"quantization_bits needs a CUDA device .* this machine has none"):
        load_model(tiny_model_dir, quantization_bits=bits)


def test_gguf_is_not_quantized_again(tiny_gguf):
    with pytest.raises(ConfigError, match=r"quantization_bits is 4, but .*tiny\.gguf is a GGUF file"):
        load_model(tiny_gguf, quantization_bits=4)


def test_device_map_is_passed_on_to_accelerate(tiny_model_dir, settings):
    parts = {"model.embed_tokens": "cpu", "model.layers.0": "cpu", "model.layers.1": "disk"}
    rest = {"model.norm": "cpu", "model.rotary_emb": "cpu", "lm_head": "cpu"}
    loaded = load_model(
        tiny_model_dir,
        device_map={**parts, **rest},
        max_memory={"cpu": "1GiB"},
        dtype="float32",
        settings=settings,
    )
    assert loaded.model.hf_device_map["model.layers.1"] == "disk"
    assert not loaded.can_batch
    assert loaded.model(input_ids=torch.tensor([[1, 2, 3]])).logits.isfinite().all()


def test_model_that_does_not_fit_is_refused_before_loading(tiny_model_dir, monkeypatch):
    monkeypatch.setattr(loading, "describe_devices", lambda: [Device("cpu", "", 1000, 1000)])
    monkeypatch.setattr(loading, "_load", lambda *_: pytest.fail("it was loaded"))
    with pytest.raises(
        NotEnoughMemoryError, match=r"tiny needs 0\.0 GiB as float32, but cpu has 0\.0 GiB free"
    ):
        load_model(tiny_model_dir, dtype="float32", device="cpu")


def test_base_model_gets_a_plain_template_and_a_note(broken):
    (broken / "chat_template.jinja").unlink()
    loaded = load_model(broken, dtype="float32")
    assert loaded.decode(loaded.prompt_ids(HELLO)) == "user: hello\n\nassistant:"
    assert "base model" in loaded.notes[0].text


def test_pickled_weights_load_through_the_weights_only_reader(broken):
    from safetensors.torch import load_file

    torch.save(load_file(broken / "model.safetensors"), broken / "pytorch_model.bin")
    (broken / "model.safetensors").unlink()
    loaded = load_model(broken, dtype="float32")
    assert "pickle" in loaded.notes[0].text


class Trap:
    def __reduce__(self):
        return (print, ("code of the pickle was run",))


@pytest.mark.parametrize("is_zip", [True, False])
def test_pickle_with_code_is_refused_and_not_run(broken, settings, capsys, is_zip):
    if is_zip:
        torch.save({"weight": Trap()}, broken / "pytorch_model.bin")
    else:
        (broken / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    (broken / "model.safetensors").unlink()
    assert "could run code, so it was not loaded" in sentence_for(broken, settings)
    assert "was run" not in capsys.readouterr().out


def test_missing_folder_is_named(tmp_path, settings):
    assert "there is no such model folder or file" in sentence_for(tmp_path / "absent", settings)


def test_empty_folder_is_not_a_model(tmp_path, settings):
    assert "has no config.json (found: nothing)" in sentence_for(tmp_path, settings)


def test_adapter_folder_is_told_apart(broken, settings):
    (broken / "adapter_config.json").write_text("{}")
    assert "is an adapter, not a model" in sentence_for(broken, settings)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("{", "not valid JSON"), ("[]", "JSON list"), ("{}", "no model_type"), ("\x00\xff", "not valid JSON")],
)
def test_config_that_is_no_config_is_named(broken, settings, text, expected):
    (broken / "config.json").write_text(text)
    said = sentence_for(broken, settings)
    assert "config.json" in said and expected in said


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"model_type": "llamma"}, "'llamma', which transformers does not know"),
        ({"model_type": "vit"}, "do not chat"),
        ({"num_hidden_layers": 5}, "are not in the files, first model.layers.2"),
        ({"intermediate_size": 128}, "have the shape"),
        ({"hidden_size": "wide"}, "cannot be loaded"),
        ({"num_attention_heads": 0}, "cannot be loaded"),
        ({"vocab_size": 100}, "shape"),
    ],
)
def test_wrong_config_is_named(broken, settings, values, expected):
    change_config(broken, **values)
    said = sentence_for(broken, settings)
    assert expected in said
    assert str(broken) in said or "vit" in said


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"model_type": "chatglm"}, "but neither inner_hidden_size (ChatGLM-6B) nor padded_vocab_size"),
        ({"model_type": "own"}, "look for the model in a form that transformers knows"),
    ],
)
def test_model_that_needs_its_own_code_is_refused(broken, settings, values, expected):
    change_config(
        broken, auto_map={"AutoModelForCausalLM": "trap.Model", "AutoConfig": "trap.Config"}, **values
    )
    (broken / "trap.py").write_text("raise SystemExit('code of the folder was run')")
    assert expected in sentence_for(broken, settings)


def test_code_in_the_folder_of_a_known_model_is_not_run(broken):
    change_config(broken, auto_map=OWN_CODE)
    (broken / "trap.py").write_text("raise SystemExit('code of the folder was run')")
    assert type(load_model(broken, dtype="float32").model).__name__ == "LlamaForCausalLM"


def test_truncated_weights_are_named(broken, settings):
    path = broken / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    assert "model.safetensors has" in sentence_for(broken, settings)


@pytest.mark.parametrize(
    "data", [b"", b"short", b"\xff" * 64, TWO_BYTE_HEADER + b"[]", TWO_BYTE_HEADER + b"{]"]
)
def test_file_that_is_no_safetensors_is_named(broken, settings, data):
    (broken / "model.safetensors").write_bytes(data)
    assert "is not a readable safetensors file" in sentence_for(broken, settings)


def test_folder_without_weights_says_what_was_expected(broken, settings):
    (broken / "model.safetensors").unlink()
    assert "has no weights; expected model.safetensors" in sentence_for(broken, settings)


def test_sharded_model_loads_and_a_missing_shard_is_named(tiny_model_dir, tmp_path, settings):
    folder = shutil.copytree(tiny_model_dir, tmp_path / "sharded")
    (folder / "model.safetensors").unlink()
    build_model().save_pretrained(folder, max_shard_size="40KB")
    assert load_model(folder, dtype="float32").weight_bytes > 40_000
    sorted(folder.glob("model-*.safetensors"))[1].unlink()
    said = sentence_for(folder, settings)
    assert "1 of" in said and "model-00002-of-" in said


def test_index_that_points_outside_is_refused(broken, settings):
    (broken / "model.safetensors").rename(broken.parent / "model.safetensors")
    index = {"weight_map": {"model.norm.weight": "../model.safetensors"}}
    (broken / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "are missing, first ../model.safetensors" in sentence_for(broken, settings)


def test_missing_tokenizer_is_named(broken, settings):
    (broken / "tokenizer.json").unlink()
    assert "has no tokenizer" in sentence_for(broken, settings)


def test_damaged_tokenizer_is_named(broken, settings):
    (broken / "tokenizer.json").write_text('{"version": "1.0"')
    assert "the tokenizer cannot be loaded" in sentence_for(broken, settings)


def test_tokenizer_of_another_model_is_refused(broken, settings):
    build_tokenizer(num_extra_tokens=20).save_pretrained(broken)
    assert "the tokenizer has 27" in sentence_for(broken, settings)


def test_gguf_file_gives_the_same_answer_as_its_folder(tiny_gguf, loaded):
    from_gguf = load_model(tiny_gguf, dtype="float32", device="cpu")
    ids = from_gguf.prompt_ids(HELLO)
    assert ids == loaded.prompt_ids(HELLO)
    with torch.inference_mode():
        found, expected = (which.model(input_ids=torch.tensor([ids])).logits for which in (from_gguf, loaded))
    torch.testing.assert_close(found, expected)
    assert from_gguf.kv_bytes_per_token == loaded.kv_bytes_per_token


def test_gguf_with_weights_that_are_no_numbers_is_refused(tiny_gguf, tmp_path, settings):
    data = bytearray(tiny_gguf.read_bytes())
    data[-400:] = b"\xff" * 400
    path = tmp_path / "damaged.gguf"
    path.write_bytes(data)
    assert "are not finite" in sentence_for(path, settings)


def test_refused_conversation_is_a_data_error(loaded, monkeypatch):
    monkeypatch.setattr(loaded.tokenizer, "chat_template", "{{ raise_exception('roles must alternate') }}")
    with pytest.raises(DataError, match="roles must alternate"):
        loaded.prompt_ids(HELLO)
