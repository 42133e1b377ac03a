"""The graph that OpenVINO's reader made of a .gguf file: held against the file, mended, and named.

Nothing is believed of the reader: every weight of the file is looked for in the graph, and compared.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from glmcore.core.errors import ModelLoadError
from glmcore.models.openvino.gguf_layout import EMBEDDING, HEAD, head_size, matrix_names, value_of

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFReader

# Relative to the root mean square of a tensor. Rounding to Q8_0 makes 0.006; what the reader spoils is off by
# 0.08.
MOST_ERROR = 0.02
VECTOR_ERROR = 0.001  # the reader writes some vectors in 16 bits
ROPE_BASE = 10000.0  # where the file names none
LINEAR = (
    "__module.{module}/ov_ext::linear/MatMul"  # where OpenVINO looks for the layers that an adapter names
)


def check_and_name(
    model: Any, reader: "GGUFReader", metadata: Mapping[str, Any], progress: Callable[[float], None]
) -> None:
    """Compare all weights, write the positions' frequencies anew, name the layers as transformers does.

    Args:
        model: the reader's, an `openvino.Model`; changed.
        metadata: of the file's header.

    Raises:
        ModelLoadError: the graph is not the file's model.
    """
    tensors = {tensor.name: tensor for tensor in reader.tensors}
    matmuls = _weighted_matmuls(model)
    modules = {**matrix_names(metadata), (HEAD if HEAD in tensors else EMBEDDING): "lm_head"}
    if len(matmuls) != len(modules):
        raise _unlike(f"{len(matmuls)} layers")
    places = dict(zip(modules, (node.input_value(1) for node in matmuls), strict=True))
    places.setdefault(EMBEDDING, _embedding(model))
    for done, (name, output) in enumerate(places.items()):
        progress(done / len(places))
        _compare(name, numbers_of(output.get_node()), _expected(tensors[name], metadata))
    _find_vectors(model, [tensor for name, tensor in tensors.items() if name not in places])
    _mend_rope(model, metadata)
    for node, module in zip(matmuls, modules.values(), strict=True):
        node.set_friendly_name(LINEAR.format(module=module))


def numbers_of(node: Any) -> Any:
    """What a part of the graph without inputs computes: the weights behind their packing."""
    import numpy as np

    kind = node.get_type_name()
    if kind == "Constant":
        data = node.get_data()
        if node.get_output_element_type(0).get_type_name() == "u4":  # two in a byte, the lower bits first
            pairs = np.stack([data & 15, data >> 4], axis=-1)
            data = pairs.reshape(node.get_output_shape(0))
        return data if data.dtype == np.int64 else data.astype(np.float32)
    inputs = [numbers_of(output.get_node()) for output in node.input_values()]
    if kind == "Convert":
        return inputs[0]
    if kind == "Subtract":
        return inputs[0] - inputs[1]
    if kind == "Multiply":
        return inputs[0] * inputs[1]
    if kind == "Reshape":
        return inputs[0].reshape(inputs[1])
    raise _unlike(kind)


def _weighted_matmuls(model: Any) -> list[Any]:
    """The layers' multiplications in the order in which they were made, which their names count."""
    found = []
    for node in model.get_ordered_ops():
        if node.get_type_name() == "MatMul" and _is_matrix(node.input_value(1)):
            number = re.search(r"\d+$", node.get_friendly_name())
            if number is None:
                raise _unlike(node.get_friendly_name())
            found.append((int(number[0]), node))
    return [node for _, node in sorted(found, key=lambda pair: pair[0])]


def _embedding(model: Any) -> Any:
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Gather" and _is_matrix(node.input_value(0)):
            return node.input_value(0)
    raise _unlike("Gather")


def _is_matrix(output: Any) -> bool:
    shape = output.get_partial_shape()
    return shape.is_static and len(shape) == 2


def _expected(tensor: Any, metadata: Mapping[str, Any]) -> "np.ndarray":
    """The weights as transformers has them: llama's files keep the halves of each rotation side by side."""
    from gguf.quants import dequantize

    weights: np.ndarray = dequantize(tensor.data, tensor.tensor_type)
    if metadata["general.architecture"] == "llama" and re.search(r"attn_[qk]\.", tensor.name):
        half = head_size(metadata) // 2
        return weights.reshape(-1, half, 2, weights.shape[1]).swapaxes(1, 2).reshape(weights.shape)
    return weights


def _compare(name: str, found: "np.ndarray", expected: "np.ndarray") -> None:
    import numpy as np

    if found.shape != expected.shape:
        raise _unlike(f"{name} {list(found.shape)}")
    error = np.linalg.norm(found - expected) / max(float(np.linalg.norm(expected)), 1e-30)
    if not error <= MOST_ERROR:  # also where it is no number
        raise ModelLoadError(
            "The weights {tensor} came out wrong by {error:.1%}.", tensor=name, error=float(error)
        )


def _find_vectors(model: Any, vectors: list[Any]) -> None:
    """Norms and biases stand anywhere in the graph, each in a form of its own."""
    import numpy as np

    constants = defaultdict(list)
    sizes = {tensor.n_elements for tensor in vectors}
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Constant" and (data := node.get_data()).size in sizes:
            constants[data.size].append(data.astype(np.float32).ravel())
    for tensor in vectors:
        expected = tensor.data.astype(np.float32)
        most = VECTOR_ERROR * max(float(np.abs(expected).max()), 1e-30)
        if not any(np.abs(found - expected).max() <= most for found in constants[expected.size]):
            raise _unlike(f"{tensor.name}")


def _mend_rope(model: Any, metadata: Mapping[str, Any]) -> None:
    """Put in the frequencies of the positions in 32 bits; the reader may have rounded them to 16.

    Then the token at 1000 would be turned by up to 0.4 radians too much.
    """
    import numpy as np
    from openvino import opset13

    size = head_size(metadata)
    base = value_of(metadata, "rope.freq_base") or ROPE_BASE
    expected = (base ** (-np.arange(0, size, 2) / size)).astype(np.float32).reshape(1, -1, 1)
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Broadcast":
            continue
        shape = node.input_value(0).get_partial_shape()
        if shape.is_static and list(shape.to_shape()) == list(expected.shape):
            found = numbers_of(node.input_value(0).get_node())
            if not np.allclose(found, expected, rtol=0.001, atol=1e-7):
                raise _unlike("rope")
            node.input(0).replace_source_output(opset13.constant(expected).output(0))
            return
    raise _unlike("rope")


def _unlike(what: str) -> ModelLoadError:
    return ModelLoadError("OpenVINO's reader made another model of it than expected ({what}).", what=what)
