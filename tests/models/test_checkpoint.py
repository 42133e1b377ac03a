"""What a folder tells before it is loaded."""

from collections import Counter

from glmcore.models.checkpoint import Checkpoint, read_checkpoint
from glmcore.models.safetensors_header import count_elements


def test_folder_tells_its_format_and_size(tiny_model_dir):
    checkpoint = read_checkpoint(tiny_model_dir)
    assert checkpoint.config["model_type"] == "llama"
    assert checkpoint.dtype == "float32"
    assert checkpoint.weight_bytes("bfloat16") * 2 == checkpoint.weight_bytes("float32")
    assert not checkpoint.is_pickle


def test_header_counts_every_tensor(tiny_model_dir):
    from safetensors.numpy import load_file

    path = tiny_model_dir / "model.safetensors"
    assert count_elements(path) == Counter(F32=sum(tensor.size for tensor in load_file(path).values()))


def test_weights_that_are_no_floats_keep_their_size(tmp_path):
    checkpoint = Checkpoint(tmp_path, {}, {"F16": 10, "I8": 1000, "I32": 5})
    assert checkpoint.weight_bytes("float32") == 40 + 1000 + 20
    assert checkpoint.dtype == "float16"


def test_pickled_weights_are_sized_by_their_file(tiny_model_dir, tmp_path):
    import shutil

    folder = shutil.copytree(tiny_model_dir, tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(bytes(4000))
    checkpoint = read_checkpoint(folder)
    assert checkpoint.is_pickle
    assert checkpoint.weight_bytes("float32") == 4000
