"""Config.json of an original folder, wrong in every way, also about the weights being quantized."""

import pytest
import torch

from glmcore.models import load_model
from tests.models.reference import FAMILIES, change_json, copy_of, loaded_model, one_thread
from tests.models.spoiling import QUERY, change_weights, sentence_for, without

V1, V2, V3 = FAMILIES
NUMBERS = {
    V1: ("vocab_size", "hidden_size", "num_layers", "num_attention_heads", "inner_hidden_size"),
    V2: ("padded_vocab_size", "hidden_size", "num_layers", "num_attention_heads", "ffn_hidden_size"),
}
OPTIONAL = ("kv_channels", "multi_query_group_num")
WRONG = ("48", -1, 0, 2.5, True, [1])

old_and_new = pytest.mark.parametrize("family", [V1, V2])
on_one_thread = pytest.fixture(autouse=True, scope="module")(one_thread)


@pytest.fixture
def folder(family, tmp_path):
    return copy_of(family, "full", tmp_path / family)


@pytest.mark.parametrize(
    ("family", "name"), [(family, name) for family in NUMBERS for name in NUMBERS[family]]
)
def test_config_without_a_number_or_with_a_wrong_one_is_named(family, name, folder, settings):
    for value in (None, *WRONG):
        change_json(folder / "config.json", **{name: value})
        said = sentence_for(folder, settings)
        assert "config.json" in said and name in said
        if value is not None:
            assert f"{name} is {value!r}, expected a positive whole number" in said


@pytest.mark.parametrize("family", [V2, V3])
@pytest.mark.parametrize("name", OPTIONAL)
@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_wrong_number_that_may_be_left_out_is_named(family, name, value, folder, settings):
    change_json(folder / "config.json", **{name: value})
    said = sentence_for(folder, settings)
    assert f"config.json: {name} is {value!r}" in said


@old_and_new
@pytest.mark.parametrize("value", ["1e-5", -1, [1]], ids=repr)
def test_wrong_epsilon_is_named(family, value, folder, settings):
    change_json(folder / "config.json", layernorm_epsilon=value)
    said = sentence_for(folder, settings)
    assert "config.json" in said and "layernorm_epsilon" in said


@pytest.mark.parametrize("family", [V2, V3])
@pytest.mark.parametrize("value", ["50", -1, [1]], ids=repr)
def test_wrong_rope_ratio_is_named(family, value, folder, settings):
    change_json(folder / "config.json", rope_ratio=value)
    said = sentence_for(folder, settings)
    assert "config.json" in said and "rope_ratio" in said


@pytest.mark.parametrize("family", [V1])
@pytest.mark.parametrize("heads", [7, 24, 1000], ids=repr)
def test_heads_that_do_not_divide_the_width_are_named(family, heads, folder, settings):
    """Two halves of a head are rotated in pairs, so its size is a multiple of 4."""
    change_json(folder / "config.json", num_attention_heads=heads)
    said = sentence_for(folder, settings)
    assert "config.json" in said and "num_attention_heads" in said and str(heads) in said


@old_and_new
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"num_layers": 3}, "are not in the files, first"),
        ({"num_layers": 1}, "which the model of config.json does not have"),
        ({"hidden_size": 96}, "config.json expects"),
        ({"vocab_size": 700, "padded_vocab_size": 700}, "config.json expects [700,"),
    ],
    ids=str,
)
def test_config_of_another_size_is_named(family, values, expected, folder, settings):
    change_json(folder / "config.json", **values)
    said = sentence_for(folder, settings)
    assert str(folder) in said and expected in said


@pytest.mark.parametrize("family", [V2])
@pytest.mark.parametrize("values", [{"multi_query_group_num": 4}, {"kv_channels": 8}], ids=str)
def test_other_number_of_query_rows_is_named_with_its_file(family, values, folder, settings):
    change_json(folder / "config.json", **values)
    said = sentence_for(folder, settings)
    assert str(folder / "pytorch_model-0000") in said and "query_key_value" in said and "128" in said


@pytest.mark.parametrize("family", [V1])
@pytest.mark.parametrize("name", ["bos_token_id", "gmask_token_id", "eos_token_id"])
@pytest.mark.parametrize("value", [7, "8"], ids=repr)
def test_control_token_of_another_vocabulary_is_named(family, name, value, folder, settings):
    change_json(folder / "config.json", **{name: value})
    said = sentence_for(folder, settings)
    assert "ice_text.model" in said and "config.json expects" in said


@pytest.mark.parametrize("name", ["bos", "gmask", "mask", "eos", "pad"])
def test_control_token_that_the_config_does_not_name_is_the_vocabularys(name, tmp_path, settings):
    folder = copy_of(V1, "full", tmp_path / V1)
    named = getattr(loaded_model(V1).model.config, f"{name}_token_id")
    change_json(folder / "config.json", **{f"{name}_token_id": None})
    found = load_model(folder, settings=settings).model.config
    assert getattr(found, f"{name}_token_id") == named


# Quantized folders.


def quantized(family, form, tmp_path, **config):
    folder = copy_of(family, form, tmp_path / family)
    change_json(folder / "config.json", **config)
    return folder


@old_and_new
@pytest.mark.parametrize("bits", [3, "4", -1, 16, [4], True, 4.0], ids=repr)
def test_number_of_bits_in_the_config_is_checked(family, bits, tmp_path, settings):
    folder = quantized(family, "int4", tmp_path, quantization_bit=bits)
    said = sentence_for(folder, settings)
    assert f"config.json: quantization_bit is {bits!r}, expected 4 or 8" in said


@old_and_new
@pytest.mark.parametrize(
    ("form", "said_bits"),
    [("int4", 8), ("int8", 4), ("full", 4), ("full", 8), ("int4", 0), ("int4", None), ("int8", None)],
)
def test_number_of_bits_that_the_weights_do_not_have_is_refused(family, form, said_bits, tmp_path, settings):
    folder = quantized(family, form, tmp_path, quantization_bit=said_bits)
    said = sentence_for(folder, settings)
    assert str(folder) in said and "config.json" in said and "layers.0" in said


@old_and_new
def test_missing_scale_is_named(family, tmp_path, settings):
    folder = quantized(family, "int8", tmp_path)
    change_weights(folder, lambda weights: without(weights, f"{QUERY[family]}_scale"))
    said = sentence_for(folder, settings)
    assert "are not in the files, first" in said and "weight_scale" in said


@old_and_new
def test_short_scale_is_named_with_its_file(family, tmp_path, settings):
    folder, name = quantized(family, "int8", tmp_path), f"{QUERY[family]}_scale"
    change_weights(folder, lambda weights: weights.update({name: weights[name][:-1]}))
    said = sentence_for(folder, settings)
    assert str(folder / "pytorch_model.bin") in said and name in said


@old_and_new
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32], ids=str)
def test_packed_weights_of_another_format_are_named(family, dtype, tmp_path, settings):
    folder, name = quantized(family, "int8", tmp_path), QUERY[family]
    change_weights(folder, lambda weights: weights.update({name: weights[name].to(dtype)}))
    said = sentence_for(folder, settings)
    assert name in said and str(dtype).removeprefix("torch.") in said
