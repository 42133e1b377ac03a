"""Weights in 8 or 4 bits as ChatGLM's published checkpoints store them, computed with plain torch.

Per output row: scale = max|w| / (2**(bits - 1) - 1), q = round(w / scale). Two 4-bit values share a byte, the
even column in the high half, both two's complement. Activations keep the model's number format.
"""

from typing import Any

import torch
from torch import Tensor, nn


class QuantizedLinear(nn.Linear):
    """A linear layer whose weight is unpacked at every use, forward and backward.

    `weight` is int8 of (rows, columns), or (rows, columns / 2) for 4 bits; `weight_scale` is (rows,).
    A subclass of nn.Linear, so that PEFT finds it where it looks for layers to adapt.
    """

    def __init__(self, in_features: int, out_features: int, bits: int, bias: bool) -> None:
        nn.Module.__init__(self)  # not Linear's, which would make a full weight
        self.in_features, self.out_features, self.bits = in_features, out_features, bits
        packed = torch.empty(out_features, in_features * bits // 8, dtype=torch.int8)
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.weight_scale = nn.Parameter(torch.empty(out_features), requires_grad=False)
        self.bias = nn.Parameter(torch.empty(out_features)) if bias else None

    def forward(self, inputs: Tensor) -> Tensor:
        output = _UnpackedProduct.apply(inputs, self.weight, self.weight_scale, self.bits)
        return output if self.bias is None else output + self.bias

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, bits={self.bits}"


class _UnpackedProduct(torch.autograd.Function):
    """inputs @ weight.T, keeping for the backward pass only what is in memory anyway."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, packed: Tensor, scale: Tensor, bits: int) -> Tensor:
        ctx.save_for_backward(packed, scale)
        ctx.bits = bits
        return nn.functional.linear(inputs, dequantize(packed, scale, bits, inputs.dtype))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        packed, scale = ctx.saved_tensors
        return gradient @ dequantize(packed, scale, ctx.bits, gradient.dtype), None, None, None


def dequantize(packed: Tensor, scale: Tensor, bits: int, dtype: torch.dtype) -> Tensor:
    """(rows, columns) in the given number format."""
    values = packed if bits == 8 else _unpack(packed)
    return values.to(dtype) * scale.to(dtype)[:, None]


def quantize(weight: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """The packed weight and its scale, which is float16 as published."""
    largest = 2 ** (bits - 1) - 1
    scale = (weight.abs().amax(dim=-1) / largest).to(torch.float16)
    divisor = torch.where(scale == 0, 1, scale.float())  # a row of zeros stays one
    values = torch.round(weight.float() / divisor[:, None]).clamp(-largest - 1, largest).to(torch.int8)
    return (values if bits == 8 else _pack(values)), scale


def _pack(values: Tensor) -> Tensor:
    return (values[:, 0::2] << 4) | (values[:, 1::2] & 15)


def _unpack(packed: Tensor) -> Tensor:
    high, low = packed >> 4, (packed << 4) >> 4  # both shifts keep the sign
    return torch.stack((high, low), dim=-1).flatten(-2)
