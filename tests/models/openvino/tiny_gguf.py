"""Tiny models of random weights as .gguf files, in every architecture and number format that matters."""

from pathlib import Path

from tests.models.tiny_model import CHAT_TEMPLATE, build_tokenizer

LAYERS, HEADS, KV_HEADS, WIDTH, INNER, VOCABULARY, WINDOW = 2, 4, 2, 256, 256, 264, 512
EOS = 257
QWEN3_HEAD = 128  # of every Qwen3, whatever its width; transformers takes it for granted


def write_tiny_gguf(
    path: Path,
    architecture="llama",
    quantization="F16",
    *,
    extra_keys=(),
    leave_out="",
    spoilt="",
    rope_base=10000.0,
) -> Path:
    """Write a model of two layers; `architecture` is llama, qwen2 (with biases) or qwen3 (with q/k norms).

    `quantization` is one that gguf can write: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1; norms and biases
    stay in 32 bits. `extra_keys` are more (key, value) of the header, each key after the architecture;
    `leave_out` is a tensor, `spoilt` one that is a tenth larger.
    """
    import gguf

    writer = gguf.GGUFWriter(path, architecture)
    _describe(writer, architecture, quantization)
    writer.add_rope_freq_base(rope_base)
    for key, value in extra_keys:
        kind = gguf.GGUFValueType.get_type(value)
        writer.add_key_value(f"{architecture}.{key}", value, kind)
    kind = gguf.GGMLQuantizationType[quantization]
    for name, tensor in _tensors(architecture).items():
        if name == leave_out:
            continue
        if name == spoilt:
            tensor = tensor * 1.1
        if tensor.ndim == 1:
            writer.add_tensor(name, tensor)
        else:
            writer.add_tensor(name, gguf.quants.quantize(tensor, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _describe(writer, architecture, quantization) -> None:
    import gguf

    writer.add_name("tiny")
    writer.add_file_type(gguf.LlamaFileType[_file_type(quantization)])
    writer.add_context_length(WINDOW)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_block_count(LAYERS)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    if architecture == "qwen3":
        writer.add_key_length(QWEN3_HEAD)
        writer.add_value_length(QWEN3_HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(VOCABULARY)
    tokenizer = build_tokenizer()
    tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2" if architecture.startswith("qwen") else "smollm")
    writer.add_token_list([*tokens, *(f"<|unused{i}|>" for i in range(VOCABULARY - len(tokens)))])
    writer.add_token_types([1] * EOS + [3] * (VOCABULARY - EOS))
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(EOS)
    writer.add_chat_template(CHAT_TEMPLATE)


def _file_type(quantization: str) -> str:
    return "ALL_F32" if quantization == "F32" else f"MOSTLY_{quantization}"


def _tensors(architecture):
    """Weights by their names in the file; a qwen's head is its embedding, as in the small real ones."""
    import numpy as np

    draw = np.random.default_rng(7)

    def matrix(rows, columns):
        return (draw.standard_normal((rows, columns)) / columns**0.5).astype(np.float32)

    def vector(size, around):
        return (around + 0.2 * draw.standard_normal(size)).astype(np.float32)

    head = QWEN3_HEAD if architecture == "qwen3" else WIDTH // HEADS
    tensors = {"token_embd.weight": matrix(VOCABULARY, WIDTH), "output_norm.weight": vector(WIDTH, 1)}
    if architecture == "llama":
        tensors["output.weight"] = matrix(VOCABULARY, WIDTH)
    for layer in range(LAYERS):
        shapes = {
            "attn_q": (HEADS * head, WIDTH),
            "attn_k": (KV_HEADS * head, WIDTH),
            "attn_v": (KV_HEADS * head, WIDTH),
            "attn_output": (WIDTH, HEADS * head),
            "ffn_gate": (INNER, WIDTH),
            "ffn_up": (INNER, WIDTH),
            "ffn_down": (WIDTH, INNER),
        }
        here = {f"{name}.weight": matrix(*shape) for name, shape in shapes.items()}
        here |= {f"{name}.weight": vector(WIDTH, 1) for name in ("attn_norm", "ffn_norm")}
        if architecture == "qwen2":
            here |= {f"attn_{part}.bias": vector(shapes[f"attn_{part}"][0], 0) for part in "qkv"}
        if architecture == "qwen3":
            here |= {f"attn_{part}_norm.weight": vector(head, 1) for part in "qk"}
        tensors |= {f"blk.{layer}.{name}": tensor for name, tensor in here.items()}
    return tensors
