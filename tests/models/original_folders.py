"""Small ChatGLM folders in the form of 2023: random weights, vocabularies that are trained on the spot."""

import io
import json
from functools import cache
from pathlib import Path

SENTENCES = [
    "你好，我是一个语言模型。很高兴认识你。",
    "今天天气很好，我们去公园吧！问：答：",
    "The philosophy of people who write sophisticated programs.",
    "What is the capital of France? The capital of France is Paris.",
    "def main(): print('hello world')  # greeting",
    "类型#上衣*版型#宽松*颜色#黑色*风格#简约",
    "[Round 1] 问：你好 答：你好！ [Round 2]",
] * 4
V1_CONTROLS = ("[MASK]", "[gMASK]", "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>", "<dBLOCK>")
V1_BLANKS = ("<n>", "<|tab|>", *(f"<|blank_{length}|>" for length in range(80, 1, -1)))
NUM_CONTROLS = {"chatglm2": 5, "chatglm3": 9}  # numbered after the pieces
SPARE_ROWS = 7  # published embeddings are longer than their vocabularies
VOCABULARY_FILES = {"chatglm": "ice_text.model", "chatglm2": "tokenizer.model", "chatglm3": "tokenizer.model"}
SIZES = {"num_layers": 2, "hidden_size": 32, "num_attention_heads": 4, "layernorm_epsilon": 1e-5}


@cache
def vocabulary(family="chatglm"):
    """The bytes of a SentencePiece model with the pieces that a family's has beside those of its text."""
    from sentencepiece import SentencePieceTrainer

    options = {"pad_id": -1}
    if family == "chatglm":
        options = {"pad_id": 3, "control_symbols": list(V1_CONTROLS), "user_defined_symbols": list(V1_BLANKS)}
    file = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=file,
        vocab_size=620,
        hard_vocab_limit=False,
        byte_fallback=True,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        minloglevel=2,
        **options,
    )
    return file.getvalue()


@cache
def pieces(family="chatglm"):
    from sentencepiece import SentencePieceProcessor

    processor = SentencePieceProcessor()
    processor.LoadFromSerializedProto(vocabulary(family))
    return tuple(processor.id_to_piece(index) for index in range(processor.vocab_size()))


def make_original(folder: Path, family="chatglm", *, bits=None, shards=2, seed=0, **changes) -> Path:
    """Write a folder as it was published; `changes` are of its config.json."""
    config = published_config(family) | ({"quantization_bit": bits} if bits else {}) | changes
    tensors = random_tensors(config, seed)
    if bits:
        tensors = dict(_quantized(tensors, bits))
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config)
    name = config["_name_or_path"]
    write_json(
        folder / "tokenizer_config.json", {"name_or_path": name, "tokenizer_class": "ChatGLMTokenizer"}
    )
    (folder / VOCABULARY_FILES[family]).write_bytes(vocabulary(family))
    write_shards(folder, tensors, shards)
    return folder


def published_config(family):
    common = {
        "_name_or_path": f"THUDM/{family}-6b",
        "architectures": ["ChatGLMModel"],
        "auto_map": {"AutoModel": "modeling_chatglm.ChatGLMForConditionalGeneration"},
        "model_type": "chatglm",
        "torch_dtype": "float16",
        "use_cache": True,
        **SIZES,
    }
    number_of = {piece: index for index, piece in enumerate(pieces(family))}
    if family == "chatglm":
        return common | {
            "vocab_size": len(number_of) + SPARE_ROWS,
            "inner_hidden_size": 64,
            "bos_token_id": number_of["<sop>"],
            "eos_token_id": number_of["<eop>"],
            "mask_token_id": number_of["[MASK]"],
            "gmask_token_id": number_of["[gMASK]"],
            "pad_token_id": number_of["<pad>"],
            "position_encoding_2d": True,
            "max_sequence_length": 256,
        }
    return common | {
        "padded_vocab_size": len(number_of) + NUM_CONTROLS[family] + SPARE_ROWS,
        "ffn_hidden_size": 48,
        "kv_channels": 8,
        "multi_query_attention": True,
        "multi_query_group_num": 2,
        "seq_length": 256,
        "rmsnorm": True,
        "post_layer_norm": True,
        "add_bias_linear": False,
        "add_qkv_bias": True,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "tie_word_embeddings": False,
    }


def random_tensors(config, seed=0):
    """Name -> tensor, in float16, under the published names."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    is_norm = lambda name: "layernorm" in name and name.endswith("weight")  # noqa: E731
    tensors = {}
    for name, shape in tensor_shapes(config).items():
        # Large enough for a layer to outweigh the skip path around it, which ChatGLM-6B scales up.
        strength = 0.5 if ".layers." in name and len(shape) == 2 else 0.1
        numbers = torch.randn(shape, generator=generator) * strength
        tensors[name] = (numbers + is_norm(name)).half()
    if "lm_head.weight" in tensors:  # stored twice, and tied
        tensors["lm_head.weight"] = tensors["transformer.word_embeddings.weight"].clone()
    return tensors


def tensor_shapes(config):
    return _v1_shapes(config) if "inner_hidden_size" in config else _v2_shapes(config)


def _v1_shapes(config):
    hidden, inner, rows = config["hidden_size"], config["inner_hidden_size"], config["vocab_size"]
    shapes = {"transformer.word_embeddings.weight": (rows, hidden)}
    for layer in range(config["num_layers"]):
        for name, shape in {
            "input_layernorm": (hidden,),
            "attention.query_key_value": (3 * hidden, hidden),
            "attention.dense": (hidden, hidden),
            "post_attention_layernorm": (hidden,),
            "mlp.dense_h_to_4h": (inner, hidden),
            "mlp.dense_4h_to_h": (hidden, inner),
        }.items():
            shapes[f"transformer.layers.{layer}.{name}.weight"] = shape
            shapes[f"transformer.layers.{layer}.{name}.bias"] = shape[:1]
        shapes[f"transformer.layers.{layer}.attention.rotary_emb.inv_freq"] = (hidden // 16,)
    shapes |= {f"transformer.final_layernorm.{kind}": (hidden,) for kind in ("weight", "bias")}
    return shapes | {"lm_head.weight": (rows, hidden)}


def _v2_shapes(config):
    hidden, rows, size = config["hidden_size"], config["padded_vocab_size"], config["kv_channels"]
    heads, groups = config["num_attention_heads"], config["multi_query_group_num"]
    fused = (heads + 2 * groups) * size
    shapes = {
        "transformer.embedding.word_embeddings.weight": (rows, hidden),
        "transformer.rotary_pos_emb.inv_freq": (size // 4,),
    }
    for layer in range(config["num_layers"]):
        for name, shape in {
            "input_layernorm.weight": (hidden,),
            "self_attention.query_key_value.weight": (fused, hidden),
            "self_attention.query_key_value.bias": (fused,),
            "self_attention.dense.weight": (hidden, heads * size),
            "post_attention_layernorm.weight": (hidden,),
            "mlp.dense_h_to_4h.weight": (2 * config["ffn_hidden_size"], hidden),
            "mlp.dense_4h_to_h.weight": (hidden, config["ffn_hidden_size"]),
        }.items():
            shapes[f"transformer.encoder.layers.{layer}.{name}"] = shape
    shapes["transformer.encoder.final_layernorm.weight"] = (hidden,)
    return shapes | {"transformer.output_layer.weight": (rows, hidden)}


def _quantized(tensors, bits):
    """The layers' matrices as published: integers and their scale, two in a byte for 4 bits."""
    import torch

    largest = 2 ** (bits - 1) - 1
    for name, tensor in tensors.items():
        if ".layers." not in name or tensor.ndim != 2:
            yield name, tensor
            continue
        scale = (tensor.float().abs().amax(-1) / largest).half()
        whole = torch.round(tensor.float() / scale.float()[:, None]).clamp(-largest, largest).to(torch.int8)
        if bits == 4:
            whole = (whole[:, 0::2] << 4) | (whole[:, 1::2] & 15)
        yield name, whole
        yield f"{name}_scale", scale


def prefix_tensors(config, length=5, projection=False, seed=1):
    """What the original P-tuning trainer saves."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    hidden = config["hidden_size"]
    is_v1 = "inner_hidden_size" in config
    width = hidden if is_v1 else config["multi_query_group_num"] * config["kv_channels"]
    width *= 2 * config["num_layers"]
    narrow = (hidden if is_v1 else width) if projection else width
    shapes = {"embedding.weight": (length, narrow)}
    if projection:
        shapes |= {"trans.0.weight": (hidden, narrow), "trans.0.bias": (hidden,)}
        shapes |= {"trans.2.weight": (width, hidden), "trans.2.bias": (width,)}
    return {
        f"transformer.prefix_encoder.{name}": torch.randn(shape, generator=generator) * 0.5
        for name, shape in shapes.items()
    }


def make_ptuning(folder: Path, config, *, length=5, projection=False, seed=1) -> Path:
    """Write a P-tuning checkpoint on a model of the given config.json."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config | {"pre_seq_len": length, "prefix_projection": projection})
    torch.save(prefix_tensors(config, length, projection, seed), folder / "pytorch_model.bin")
    return folder


def write_shards(folder: Path, tensors, count=2):
    """`pytorch_model-0000x-of-0000y.bin` and their index."""
    import torch

    names = list(tensors)
    size = -(-len(names) // count)
    weight_map = {}
    for number in range(count):
        file = f"pytorch_model-{number + 1:05}-of-{count:05}.bin"
        part = names[number * size : (number + 1) * size]
        torch.save({name: tensors[name] for name in part}, folder / file)
        weight_map |= dict.fromkeys(part, file)
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    write_json(folder / "pytorch_model.bin.index.json", index)


def write_json(path: Path, values):
    path.write_text(json.dumps(values, ensure_ascii=False, indent=2), encoding="utf-8")


def read_json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))
