"""ChatGLM-6B's native model against GlmForCausalLM, and what quantized weights weigh."""

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from transformers import GlmConfig, GlmForCausalLM

from benchmarks.report import Measurement, alternate
from glmcore.models.catalog import find_family
from glmcore.models.files.checkpoint import Checkpoint, read_json
from glmcore.models.files.offload import OffloadFolder
from glmcore.models.files.tensor_files import list_tensors
from glmcore.models.native.chatglm import ChatGLMForConditionalGeneration
from glmcore.models.native.chatglm_config import ChatGLMConfig
from glmcore.models.native.original import load_original, open_source

_numbers = itertools.count(8)  # of prompts
WIDTH, DEPTH, HEADS, VOCABULARY = 1024, 8, 8, 9300  # ChatGLM-6B's share of embedding and layers
PROMPT_TOKENS, NEW_TOKENS, ROUNDS = 64, 48, 7


def measure() -> Iterator[Measurement]:
    for dtype in (torch.float32, torch.bfloat16):
        native, known = _chatglm().to(dtype), _glm().to(dtype)
        first, second = alternate(ROUNDS, lambda: _speed(native), lambda: _speed(known))  # noqa: B023
        detail = (
            f"{first:.1f} against {second:.1f} tokens/s, "
            f"{native.num_parameters() / 1e6:.0f} against {known.num_parameters() / 1e6:.0f} M weights"
        )
        name = str(dtype).removeprefix("torch.")
        yield Measurement(f"ChatGLM-6B / Glm, decoding in {name}", first / second, detail, at_least=1.0)


def measure_quantized() -> Iterator[Measurement]:
    """Bytes of the weights in memory after loading. Layers and embedding have ChatGLM-6B's proportion."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        _save(_chatglm().half(), folder)
        full = _loaded_bytes(folder, None)
        for bits, most in ((8, 0.6), (4, 0.35)):
            quantized = _loaded_bytes(folder, bits)
            detail = f"{quantized / 2**20:.0f} against {full / 2**20:.0f} MiB"
            yield Measurement(f"int{bits} / float16 weights", quantized / full, detail, at_most=most)


def _save(model: ChatGLMForConditionalGeneration, folder: Path) -> None:
    """In the form of 2023, but for the vocabulary."""
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    config = model.config
    names = {**config.attribute_map, "vocab_size": "vocab_size", "hidden_size": "hidden_size"}
    names |= {"num_attention_heads": "num_attention_heads", "bos_token_id": "bos_token_id"}
    names |= {"gmask_token_id": "gmask_token_id", "mask_token_id": "mask_token_id"}
    values = {published: getattr(config, ours) for published, ours in names.items()}
    (folder / "config.json").write_text(json.dumps({"model_type": "chatglm", **values}))


def _loaded_bytes(folder: Path, bits: int | None) -> int:
    checkpoint = Checkpoint(folder, read_json(folder / "config.json"), is_pickle=True)
    source = open_source(checkpoint, list_tensors(folder), find_family(checkpoint.config), bits)
    model = load_original(source, "float16", {"": "cpu"}, bits, OffloadFolder(folder), lambda fraction: None)
    return sum(tensor.nbytes for tensor in model.parameters())


def _chatglm() -> ChatGLMForConditionalGeneration:
    torch.manual_seed(0)
    config = ChatGLMConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        bos_token_id=4,
        eos_token_id=5,
        gmask_token_id=6,
        mask_token_id=7,
    )
    return ChatGLMForConditionalGeneration(config).eval()


def _glm() -> GlmForCausalLM:
    torch.manual_seed(0)
    config = GlmConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        num_key_value_heads=2,
        head_dim=WIDTH // HEADS,
        intermediate_size=WIDTH * 13696 // 4096,  # the published proportion
        tie_word_embeddings=True,
        pad_token_id=3,
        eos_token_id=5,
    )
    return GlmForCausalLM(config).eval()


def _speed(model: Any) -> float:
    """Tokens per second of a greedy answer to a prompt that differs every time."""
    first = 8 + next(_numbers) * PROMPT_TOKENS % (VOCABULARY - PROMPT_TOKENS - 8)  # after the special ones
    ids = torch.arange(first, first + PROMPT_TOKENS)[None]
    ids[0, -2], ids[0, -1] = 6, 4  # [gMASK] <sop>
    started = time.perf_counter()
    model.generate(ids, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=3)
    return NEW_TOKENS / (time.perf_counter() - started)
