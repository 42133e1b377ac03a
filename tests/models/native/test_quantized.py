"""Weights in 8 and 4 bits: the published byte layout, and layers that compute and learn as if unpacked."""

import pytest
import torch
from torch import nn

from glmcore.models.native.quantized import QuantizedLinear, dequantize, quantize


def quantized_layer(rows=6, columns=8, bits=4, bias=True, dtype=torch.float32, seed=0):
    torch.manual_seed(seed)
    layer = QuantizedLinear(columns, rows, bits, bias)
    layer.weight.data, scale = quantize(torch.randn(rows, columns), bits)
    layer.weight_scale.data = scale.to(dtype)
    if bias:
        layer.bias.data = torch.randn(rows).to(dtype)
    return layer


def full_layer(layer, dtype=torch.float32):
    full = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None, dtype=dtype)
    full.weight.data = dequantize(layer.weight, layer.weight_scale, layer.bits, dtype)
    if layer.bias is not None:
        full.bias.data = layer.bias.detach().clone()
    return full


def test_a_byte_holds_the_even_column_in_its_high_half():
    packed = torch.arange(-128, 128, dtype=torch.int8).reshape(256, 1)
    for byte, (even, odd) in zip(
        range(-128, 128), dequantize(packed, torch.ones(256), 4, torch.float32), strict=True
    ):
        high, low = (byte & 255) >> 4, byte & 15
        assert even == (high - 16 if high > 7 else high)
        assert odd == (low - 16 if low > 7 else low)


def test_every_pair_of_values_comes_back():
    values = torch.arange(-7, 8).float()
    pairs = torch.cartesian_prod(values, values)
    pairs = torch.cat([pairs, torch.full((len(pairs), 2), 7.0)], dim=1)  # the scale of every row becomes 1
    packed, scale = quantize(pairs, 4)
    assert packed.dtype == torch.int8
    assert packed.shape == (225, 2)
    assert torch.equal(scale, torch.ones(225, dtype=torch.float16))
    assert torch.equal(dequantize(packed, scale, 4, torch.float32), pairs)


def test_every_whole_number_of_eight_bits_comes_back():
    values = torch.arange(-127, 128).float()[None]
    packed, scale = quantize(values, 8)
    assert torch.equal(packed, values.to(torch.int8))
    assert torch.equal(dequantize(packed, scale, 8, torch.float32), values)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("bits", [8, 4])
def test_no_number_is_further_off_than_half_a_step(bits, dtype):
    torch.manual_seed(1)
    weight = (torch.randn(33, 30) * torch.logspace(-3, 2, 33)[:, None]).to(dtype)
    packed, scale = quantize(weight, bits)
    assert scale.dtype == torch.float16
    found = dequantize(packed, scale, bits, torch.float32)
    step = weight.float().abs().amax(-1, keepdim=True) / (2 ** (bits - 1) - 1)
    assert ((found - weight.float()).abs() <= step * 0.51 + step * 2**-9 * 2 ** (bits - 1)).all()


@pytest.mark.parametrize("bits", [8, 4])
def test_rows_of_zeros_and_of_tiny_numbers_stay_what_they_are(bits):
    weight = torch.zeros(3, 4)
    weight[1] = 1e-9  # below what a scale in float16 can say
    weight[2, 0] = -1.0
    packed, scale = quantize(weight, bits)
    found = dequantize(packed, scale, bits, torch.float32)
    assert torch.isfinite(found).all()
    assert torch.equal(found[:2], torch.zeros(2, 4))
    assert found[2].tolist() == pytest.approx([-1.0, 0, 0, 0], rel=1e-3)


@pytest.mark.parametrize("rows, columns", [(1, 2), (5, 6), (3, 14), (7, 1), (1, 3)])
def test_odd_shapes_work_where_the_layout_allows_them(rows, columns):
    for bits in (8, 4) if columns % 2 == 0 else (8,):
        layer = quantized_layer(rows, columns, bits)
        inputs = torch.randn(2, 3, columns)
        torch.testing.assert_close(layer(inputs), full_layer(layer)(inputs))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("bits", [8, 4])
def test_output_and_gradients_are_those_of_the_unpacked_weight(bits, bias):
    layer = quantized_layer(bits=bits, bias=bias)
    full = full_layer(layer)
    ours = torch.randn(2, 5, 8).requires_grad_()
    theirs = ours.detach().clone().requires_grad_()
    upstream = torch.randn(2, 5, 6)
    layer(ours).backward(upstream)
    full(theirs).backward(upstream)
    torch.testing.assert_close(layer(ours), full(theirs), rtol=0, atol=1e-6)
    torch.testing.assert_close(ours.grad, theirs.grad)
    assert layer.weight.grad is None
    assert layer.weight_scale.grad is None
    if bias:
        torch.testing.assert_close(layer.bias.grad, full.bias.grad)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("bits", [8, 4])
def test_half_formats_compute_and_pass_gradients_in_their_own_format(bits, dtype):
    layer = quantized_layer(bits=bits, dtype=dtype)
    inputs = torch.randn(3, 8, dtype=dtype, requires_grad=True)
    output = layer(inputs)
    output.sum().backward()
    assert output.dtype == inputs.grad.dtype == dtype
    expected = full_layer(layer, dtype)(inputs)
    torch.testing.assert_close(output, expected, rtol=0.01, atol=0.01)  # the bias is rounded on its own


def test_autocast_computes_in_its_format_and_returns_gradients_in_the_inputs():
    layer = quantized_layer(bits=8)
    inputs = torch.randn(3, 8, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        layer(inputs).float().sum().backward()
    assert inputs.grad.dtype == torch.float32
    expected = full_layer(layer).weight.sum(0).expand(3, -1)
    torch.testing.assert_close(inputs.grad, expected, rtol=0.02, atol=0.05)


@pytest.mark.parametrize("bits", [8, 4])
def test_the_backward_pass_keeps_the_packed_weight_and_nothing_larger(bits):
    layer = quantized_layer(64, 128, bits)
    kept = []
    inputs = torch.randn(2, 128, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor) or tensor, lambda kept: kept
    ):
        layer(inputs)
    assert {tensor.data_ptr() for tensor in kept} <= {layer.weight.data_ptr(), layer.weight_scale.data_ptr()}
    assert sum(tensor.nbytes for tensor in kept) <= 64 * 128 * bits // 8 + 64 * 4


def test_a_change_of_format_leaves_the_packed_numbers_alone():
    layer = quantized_layer(bits=4)
    before = layer.weight.clone()
    layer.to(torch.bfloat16)
    assert torch.equal(layer.weight, before)
    assert layer.weight_scale.dtype == layer.bias.dtype == torch.bfloat16
    assert isinstance(layer, nn.Linear)
    assert "bits=4" in repr(layer)
    assert {name for name, weight in layer.named_parameters() if weight.requires_grad} == {"bias"}
