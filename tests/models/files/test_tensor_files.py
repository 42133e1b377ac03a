"""The tensors of a folder: listed without reading them, and read one file at a time."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file

from glmcore.core.errors import ModelLoadError
from glmcore.models.files.tensor_files import iter_tensors, list_tensors

WEIGHTS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "b": torch.ones(4, dtype=torch.bfloat16),
    "c": torch.tensor([[1, -2]], dtype=torch.int8),
    "d": torch.tensor(3.0, dtype=torch.float16),
}
SHAPES = {
    "a": ((2, 3), "float32", 24),
    "b": ((4,), "bfloat16", 8),
    "c": ((1, 2), "int8", 2),
    "d": ((), "float16", 2),
}


def write(folder, form, shards=1):
    """All weights, in one file or dealt out to several."""
    if shards == 1:
        _save(WEIGHTS, folder / ("model.safetensors" if form == "safetensors" else "pytorch_model.bin"), form)
        return
    stem, ending = ("model", "safetensors") if form == "safetensors" else ("pytorch_model", "bin")
    weight_map = {}
    for number in range(shards):
        names = list(WEIGHTS)[number::shards]
        file = f"{stem}-{number + 1:05}-of-{shards:05}.{ending}"
        _save({name: WEIGHTS[name] for name in names}, folder / file, form)
        weight_map |= dict.fromkeys(names, file)
    (folder / f"{stem}.{ending}.index.json").write_text(json.dumps({"weight_map": weight_map}))


def _save(weights, path, form):
    if form == "safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path, _use_new_zipfile_serialization=form == "zip")


@pytest.mark.parametrize("form", ["safetensors", "zip", "old"])
@pytest.mark.parametrize("shards", [1, 3])
def test_listing_and_reading_agree(tmp_path, form, shards):
    write(tmp_path, form, shards)
    listed, read = list_tensors(tmp_path), dict(iter_tensors(tmp_path))
    assert {name: (info.shape, info.dtype, info.bytes) for name, info in listed.items()} == SHAPES
    assert read.keys() == WEIGHTS.keys()
    for name, tensor in read.items():
        assert tensor.dtype == WEIGHTS[name].dtype and torch.equal(tensor, WEIGHTS[name])
        assert listed[name].file.is_file()


@pytest.mark.parametrize("form", ["zip", "old"])
def test_shared_tensors_of_a_pickle_are_read_whole(tmp_path, form):
    torch.save(
        {"a": WEIGHTS["a"], "b": WEIGHTS["a"], "c": WEIGHTS["a"][:1]},
        tmp_path / "pytorch_model.bin",
        _use_new_zipfile_serialization=form == "zip",
    )
    read = dict(iter_tensors(tmp_path))
    assert torch.equal(read["b"], WEIGHTS["a"]) and torch.equal(read["c"], WEIGHTS["a"][:1])


def test_safetensors_are_preferred_to_pickles(tmp_path):
    write(tmp_path, "safetensors")
    (tmp_path / "pytorch_model.bin").write_bytes(b"not read")
    assert {info.file.name for info in list_tensors(tmp_path).values()} == {"model.safetensors"}


def test_index_beside_a_single_file_is_not_asked(tmp_path):
    write(tmp_path, "zip")
    (tmp_path / "pytorch_model.bin.index.json").write_text("{")
    assert list_tensors(tmp_path).keys() == WEIGHTS.keys()


def damaged_index(folder, change):
    write(folder, "safetensors", 3)
    path = folder / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    change(index["weight_map"])
    path.write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda files: files.update(a=files["b"]), "holds the weights a, but it does not"),
        (lambda files: files.update(ghost=files["b"]), "holds the weights ghost, but it does not"),
        (lambda files: files.update(a="other.safetensors"), "are missing, first other.safetensors"),
        (lambda files: files.pop("d"), "does not name the weights d"),
    ],
    ids=["swapped", "ghost", "absent file", "unnamed"],
)
def test_wrong_index_is_refused(tmp_path, change, said):
    damaged_index(tmp_path, change)
    with pytest.raises(ModelLoadError, match=said):
        list_tensors(tmp_path)


def test_same_tensor_in_two_files_is_refused(tmp_path):
    write(tmp_path, "safetensors", 3)
    save_file({"b": WEIGHTS["b"], "a": WEIGHTS["a"]}, tmp_path / "model-00002-of-00003.safetensors")
    with pytest.raises(ModelLoadError, match="both hold the weights a"):
        list_tensors(tmp_path)


class Trap:
    def __reduce__(self):
        return (print, ("code of the pickle was run",))


@pytest.mark.parametrize("read", [list_tensors, lambda folder: list(iter_tensors(folder))])
@pytest.mark.parametrize("form", ["zip", "old", "plain"])
def test_code_in_a_pickle_is_not_run(tmp_path, capsys, read, form):
    path = tmp_path / "pytorch_model.bin"
    if form == "plain":
        path.write_bytes(pickle.dumps({"a": Trap()}, protocol=2))
    else:
        torch.save({"a": Trap()}, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(ModelLoadError, match="which could run code, so it was not loaded"):
        read(tmp_path)
    assert "was run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "content", [b"", b"\x80", b"PK\x03\x04", b"version https://git-lfs.github.com/spec/v1\n"]
)
def test_file_of_something_else_is_named(tmp_path, content):
    for name in ("pytorch_model.bin", "model.safetensors"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ModelLoadError, match=name):
            list_tensors(tmp_path)
