"""A .gguf file written again in the few number formats that OpenVINO's reader gets right.

Tried with openvino_genai 2026.4.1: Q4_1 and Q4_K lose their offsets to rounding and are off by 8 %; F32,
BF16, Q5_0, Q5_1, Q2_K, Q3_K, Q5_K and IQ4 are refused; F16, Q8_0 and Q4_0 come out as they are. What is
rounded to Q8_0 here is off by 0.6 %.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcore.models.files.gguf_file import GgufHeader
from glmcore.models.openvino.gguf_layout import READ_KEYS

if TYPE_CHECKING:
    from gguf import GGMLQuantizationType, GGUFReader, GGUFWriter
    from gguf.gguf_reader import ReaderTensor

EXACT = ("F16", "Q8_0", "Q4_0")
FLOATS = ("F32", "BF16", "F16")
BYTES = {"F32": 4.0, "F16": 2.0, "Q8_0": 34 / 32, "Q4_0": 18 / 32}  # of a number
# The reader insists on a vocabulary. Ours is made elsewhere, so it gets the least that it takes.
WORDS = ("a", "b", "<end>")
WORD_TYPES = (1, 1, 3)  # the last is a control token


def readable_kind(kind: str, dimensions: int) -> str:
    """The number format that a tensor is written in."""
    if dimensions == 1:
        return "F32"
    if kind in EXACT:
        return kind
    return "F16" if kind in FLOATS else "Q8_0"


def readable_bytes(header: GgufHeader) -> int:
    """Bytes that the weights of a file will take."""
    sizes = (tensor.count * BYTES[readable_kind(tensor.kind, 2)] for tensor in header.tensors.values())
    return int(sum(sizes))


def write_readable(reader: "GGUFReader", target: Path, progress: Callable[[float], None]) -> Path:
    """Write a file with the same weights and the least of a header; one tensor at a time is in memory."""
    import numpy as np
    from gguf import GGUFWriter
    from gguf.constants import GGML_QUANT_SIZES

    writer = GGUFWriter(target, reader.fields["general.architecture"].contents())
    _write_header(reader, writer)
    for tensor in reader.tensors:
        kind = _kind_of(tensor)
        block, block_bytes = GGML_QUANT_SIZES[kind]
        num_bytes = tensor.n_elements // block * block_bytes
        shape = tensor.shape.tolist()[::-1]  # the reader gives columns first, the writer takes them last
        writer.add_tensor_info(tensor.name, shape, np.dtype(np.float32), num_bytes, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for index, tensor in enumerate(reader.tensors):
        progress(index / len(reader.tensors))
        writer.write_tensor_data(_numbers(tensor))
    writer.close()
    return target


def _write_header(reader: "GGUFReader", writer: "GGUFWriter") -> None:
    from gguf.constants import LlamaFileType

    for key in (f"{writer.arch}.{key}" for key in READ_KEYS):
        if (field := reader.fields.get(key)) is not None:
            writer.add_key_value(key, field.contents(), field.types[0])
    writer.add_file_type(LlamaFileType.MOSTLY_Q8_0)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(WORDS)
    writer.add_token_types(WORD_TYPES)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(len(WORDS) - 1)


def _kind_of(tensor: "ReaderTensor") -> "GGMLQuantizationType":
    from gguf.constants import GGMLQuantizationType

    return GGMLQuantizationType[readable_kind(tensor.tensor_type.name, len(tensor.shape))]


def _numbers(tensor: "ReaderTensor") -> Any:
    """The weights of a tensor in the format that it is written in."""
    from gguf.quants import dequantize, quantize

    kind = _kind_of(tensor)
    if kind == tensor.tensor_type:
        return tensor.data
    return quantize(dequantize(tensor.data, tensor.tensor_type), kind)
