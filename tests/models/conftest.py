"""The tiny model as a folder and as a GGUF file, made once per session."""

import shutil
from pathlib import Path

import pytest

from glmcore.core.settings import Settings
from tests.models.tiny_model import CHAT_TEMPLATE, build_model, build_tokenizer


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory) -> Path:
    """Do not write here; `broken` gives a copy."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    build_model().save_pretrained(folder)
    build_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def broken(tiny_model_dir, tmp_path) -> Path:
    """A copy of the tiny model to damage."""
    return Path(shutil.copytree(tiny_model_dir, tmp_path / "broken"))


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path / "home", allow_hub=False)


@pytest.fixture(scope="session")
def tiny_gguf(tiny_model_dir, tmp_path_factory) -> Path:
    """The tiny model as one GGUF file, its weights in 32 bits."""
    import gguf
    from safetensors.numpy import load_file

    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    tokenizer = build_tokenizer()
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(512)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_block_count(2)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(264)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([*tokens, *(f"<|unused{i}|>" for i in range(264 - len(tokens)))])
    writer.add_token_types([1] * 257 + [3] * 7)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(257)
    writer.add_chat_template(CHAT_TEMPLATE)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
    for name, tensor in load_file(tiny_model_dir / "model.safetensors").items():
        if name.endswith(("q_proj.weight", "k_proj.weight")):  # llama.cpp's order of rotary pairs
            heads = 4 if "q_proj" in name else 2
            tensor = tensor.reshape(heads, 2, -1, 32).swapaxes(1, 2).reshape(tensor.shape)
        writer.add_tensor(names.get_name(name, try_suffixes=(".weight",)), tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
