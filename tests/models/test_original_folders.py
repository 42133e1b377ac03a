"""Original folders broken in every way: a sentence that names the file, what was found and expected."""

import json
import pickle
import shutil

import pytest
import torch

from glmcore.core.errors import ConfigError, DataError
from tests.models.reference import (
    DATA,
    FAMILIES,
    VOCABULARIES,
    copy_of,
    folder_of,
    loaded_model,
    one_thread,
    prompts_of,
)
from tests.models.spoiling import QUERY, change_weights, sentence_for, without

V1, V2, V3 = FAMILIES
EMBEDDING = {V1: "transformer.word_embeddings.weight", V2: "transformer.embedding.word_embeddings.weight"}
INDEX = "pytorch_model.bin.index.json"

each_family = pytest.mark.parametrize("family", FAMILIES)
old_and_new = pytest.mark.parametrize("family", [V1, V2])
on_one_thread = pytest.fixture(autouse=True, scope="module")(one_thread)


@pytest.fixture
def folder(family, tmp_path):
    return copy_of(family, "full", tmp_path / family)


def change_index(folder, change):
    index = json.loads((folder / INDEX).read_text())
    change(index["weight_map"])
    (folder / INDEX).write_text(json.dumps(index))


# Files and their index.


@each_family
def test_missing_shard_is_named(family, folder, settings):
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    said = sentence_for(folder, settings)
    assert f"1 of 2 weight files named by {INDEX} are missing, first pytorch_model-00002-of-00002.bin" in said


@each_family
def test_index_that_names_another_file_is_refused(family, folder, settings):
    name = QUERY[family]

    def swap(weight_map):
        weight_map[name] = next(file for file in weight_map.values() if file != weight_map[name])

    change_index(folder, swap)
    said = sentence_for(folder, settings)
    assert INDEX in said and f"holds the weights {name}, but it does not" in said


@each_family
def test_index_without_a_tensor_of_its_files_is_refused(family, folder, settings):
    change_index(folder, lambda weight_map: weight_map.pop(QUERY[family]))
    said = sentence_for(folder, settings)
    assert INDEX in said and QUERY[family] in said


@old_and_new
def test_index_of_tensors_that_are_not_there_is_refused(family, folder, settings):
    change_index(folder, lambda weight_map: weight_map.update(ghost="pytorch_model-00001-of-00002.bin"))
    assert "holds the weights ghost, but it does not" in sentence_for(folder, settings)


@old_and_new
def test_same_shard_under_two_names_is_refused(family, folder, settings):
    first, second = sorted(folder.glob("pytorch_model-*.bin"))
    shutil.copyfile(first, second)
    assert f"{second} and {first.name} both hold the weights" in sentence_for(folder, settings)


@pytest.mark.parametrize("family", [V1])
@pytest.mark.parametrize(
    ("text", "expected"),
    [("{", "not valid JSON"), ("[]", "expected an object"), ('{"weight_map": []}', "has no weight_map")],
)
def test_index_that_is_none_is_named(family, folder, settings, text, expected):
    (folder / INDEX).write_text(text)
    said = sentence_for(folder, settings)
    assert INDEX in said and expected in said


# Vocabularies.


@pytest.mark.parametrize("family, other", [(V1, V2), (V2, V1), (V3, V1)])
def test_vocabulary_of_another_family_is_refused(family, other, folder, settings):
    path = folder / VOCABULARIES[family]
    shutil.copyfile(DATA / other / VOCABULARIES[other], path)
    said = sentence_for(folder, settings)
    assert str(path) in said and ("expects" in said or "the model" in said)


@each_family
def test_vocabulary_under_another_familys_name_is_missing(family, folder, settings):
    path = folder / VOCABULARIES[family]
    path.rename(folder / ("tokenizer.model" if family == V1 else "ice_text.model"))
    assert f"{path} is missing, the vocabulary of ChatGLM" in sentence_for(folder, settings)


@each_family
@pytest.mark.parametrize("kept", [0.0, 0.5, 0.999])
def test_truncated_vocabulary_is_named(family, folder, settings, kept):
    path = folder / VOCABULARIES[family]
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    assert f"{path} is not a SentencePiece vocabulary" in sentence_for(folder, settings)


# Tensors.


@old_and_new
@pytest.mark.parametrize("shape", [(-1, 1), (1, -1), (1, 1, 1), ()], ids=str)
def test_tensor_of_another_shape_is_named(family, folder, settings, shape):
    def reshape(weights):
        old = weights[QUERY[family]]
        new = [old.shape[0] - 1 if size < 0 else size for size in shape]
        weights[QUERY[family]] = torch.ones(new, dtype=old.dtype)

    change_weights(folder, reshape)
    said = sentence_for(folder, settings)
    assert str(folder / "pytorch_model.bin") in said
    assert QUERY[family] in said and "expects" in said


@old_and_new
def test_embedding_of_another_width_is_named(family, folder, settings):
    change_weights(folder, lambda weights: weights.update({EMBEDDING[family]: torch.ones(626, 40)}))
    said = sentence_for(folder, settings)
    assert (
        "pytorch_model.bin: the weights" in said and "have the shape [626, 40], config.json expects [" in said
    )


@old_and_new
@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.complex64], ids=str)
def test_weights_that_are_no_floats_are_named(family, folder, settings, dtype):
    name = QUERY[family]
    change_weights(folder, lambda weights: weights.update({name: weights[name].to(dtype)}))
    said = sentence_for(folder, settings)
    assert "pytorch_model.bin" in said and name in said and str(dtype).removeprefix("torch.") in said


@old_and_new
@pytest.mark.parametrize("name", ["transformer.extra.weight", "layer"])
def test_tensor_that_the_model_does_not_have_is_named(family, folder, settings, name):
    name = QUERY[family].replace(".1.", ".2.") if name == "layer" else name
    change_weights(folder, lambda weights: weights.update({name: weights[QUERY[family]]}))
    said = sentence_for(folder, settings)
    assert f"pytorch_model.bin holds the weights {name} [" in said
    assert "which the model of config.json does not have" in said


@old_and_new
def test_missing_tensor_is_named(family, folder, settings):
    change_weights(folder, lambda weights: without(weights, QUERY[family]))
    said = sentence_for(folder, settings)
    assert str(folder) in said and "are not in the files, first" in said and "layers.1." in said


# Files of weights that are something else.


class Trap:
    def __reduce__(self):
        return (print, ("code of the pickle was run",))


@old_and_new
@pytest.mark.parametrize("form", ["zip", "old torch", "plain pickle"])
def test_pickle_with_code_is_refused_and_not_run(family, folder, settings, capsys, form):
    change_weights(folder, lambda weights: None)
    path = folder / "pytorch_model.bin"
    if form == "plain pickle":
        path.write_bytes(pickle.dumps(Trap()))
    else:
        torch.save({"weight": Trap()}, path, _use_new_zipfile_serialization=form == "zip")
    said = sentence_for(folder, settings)
    assert f"{path} holds a pickle with more in it than weights, which could run code" in said
    assert "was run" not in capsys.readouterr().out


@pytest.mark.parametrize("family", [V1])
@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([torch.ones(2)], "found a list"),
        ({"state_dict": {"weight": torch.ones(2)}}, "found a dict"),
        ({3: torch.ones(2)}, "found a dict"),
    ],
    ids=["list", "nested", "numbered"],
)
def test_pickle_of_something_else_is_refused(family, folder, settings, content, found):
    change_weights(folder, lambda weights: content)
    assert f"pytorch_model.bin: {found}, expected weights by name" in sentence_for(folder, settings)


@pytest.mark.parametrize("family", [V1])
@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "old torch"])
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.9])
def test_truncated_weight_file_is_named(family, folder, settings, is_zip, kept):
    change_weights(folder, lambda weights: None)
    path = folder / "pytorch_model.bin"
    torch.save(torch.load(path), path, _use_new_zipfile_serialization=is_zip)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    assert str(path) in sentence_for(folder, settings)


# Ids, for ChatGLM-6B.


@pytest.mark.parametrize("use", ["forward", "generate"])
@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[20, 21, 5]], r"Row 0 of the token ids has no <sop> \(8\)"),
        ([prompts_of(V1)[0], [20, 21, 22, 23, 5]], r"Row 1 of the token ids has no <sop> \(8\)"),
        ([[20, 21, 8]], r"Row 0 of the token ids has no \[gMASK\] or \[MASK\] \(5 / 4\)"),
        ([[]], r"Row 0 of the token ids has no <sop>"),
    ],
    ids=["no sop", "no sop in row 1", "no mask token", "empty"],
)
def test_ids_without_control_tokens_are_refused(use, rows, said):
    model = loaded_model(V1).model
    call = model if use == "forward" else model.generate
    with pytest.raises(DataError, match=said):
        call(input_ids=torch.tensor(rows, dtype=torch.long))


# Numbers of bits.


@old_and_new
@pytest.mark.parametrize("form", ["int8", "int4"])
@pytest.mark.parametrize("bits", [8, 4])
def test_quantized_folder_is_not_quantized_again(family, form, bits, settings):
    said = sentence_for(folder_of(family, form), settings, ConfigError, quantization_bits=bits)
    assert f"{folder_of(family, form)} holds weights of {form[3:]} bits already" in said


@pytest.mark.parametrize("bits", [5, "4", 0, 4.0, True, -8, [4]], ids=repr)
def test_number_of_bits_is_checked(bits, settings):
    said = sentence_for(folder_of(V1), settings, ConfigError, quantization_bits=bits)
    assert said == f"quantization_bits is {bits!r}; expected 4 or 8, or nothing."
