"""Both forward passes written out for one row of ids: sequence first, no cache, nothing shared.

Slow, plain and in 64 bits on purpose: the native models are compared with it, and only their rounding is
seen. S tokens, H hidden, d head size.
"""

import math

import torch
from torch.nn.functional import gelu, layer_norm, silu


def chatglm_logits(weights, config, ids):
    """ChatGLM-6B: (S,) ids -> (S, vocabulary)."""
    weights = {name: tensor.double() for name, tensor in weights.items()}
    start = ids.index(config["bos_token_id"])  # the context is what stands before
    gmask, mask = config["gmask_token_id"], config["mask_token_id"]
    masked = ids.index(gmask if gmask in ids else mask)
    heads, eps = config["num_attention_heads"], config["layernorm_epsilon"]
    size = config["hidden_size"] // heads
    place = [index if index < start else masked for index in range(len(ids))]
    block = [0 if index < start else index - start + 1 for index in range(len(ids))]
    is_seen = torch.tensor([[to <= at or to < start for to in range(len(ids))] for at in range(len(ids))])

    states = weights["transformer.word_embeddings.weight"][ids]
    for layer in range(config["num_layers"]):
        part = _part(weights, f"transformer.layers.{layer}")
        normed = _layer_norm(part, "input_layernorm", states, eps)
        fused = _linear(part, "attention.query_key_value", normed).view(len(ids), heads, 3 * size)
        query, key, value = fused.split(size, dim=-1)
        query, key = (_rotate_twice(part, place, block) for part in (query, key))
        attended = _attend(query, key, value, is_seen)
        states = math.sqrt(56) * normed + _linear(part, "attention.dense", attended)
        normed = _layer_norm(part, "post_attention_layernorm", states, eps)
        inner = gelu(_linear(part, "mlp.dense_h_to_4h", normed), approximate="tanh")
        states = math.sqrt(56) * normed + _linear(part, "mlp.dense_4h_to_h", inner)
    states = _layer_norm(_part(weights, "transformer"), "final_layernorm", states, eps)
    return states @ weights["transformer.word_embeddings.weight"].T


def chatglm2_logits(weights, config, ids, *, base=10000.0, stretch=1.0):
    """ChatGLM2, 3 and GLM-4-9B: `base` of the frequencies, `stretch` by which positions are divided."""
    weights = {name: tensor.double() for name, tensor in weights.items()}
    heads, groups, size = (
        config[name] for name in ("num_attention_heads", "multi_query_group_num", "kv_channels")
    )
    eps = config["layernorm_epsilon"]
    is_seen = torch.ones(len(ids), len(ids)).tril().bool()

    states = weights["transformer.embedding.word_embeddings.weight"][ids]
    for layer in range(config["num_layers"]):
        part = _part(weights, f"transformer.encoder.layers.{layer}")
        normed = _rms_norm(part["input_layernorm.weight"], states, eps)
        fused = _linear(part, "self_attention.query_key_value", normed).view(len(ids), -1, size)
        query, key, value = fused.split([heads, groups, groups], dim=1)
        query, key = (_rotate_half(part, base, stretch) for part in (query, key))
        # Each group of keys and values serves as many queries as there are heads to a group.
        key, value = (part.repeat_interleave(heads // groups, dim=1) for part in (key, value))
        states = states + _linear(part, "self_attention.dense", _attend(query, key, value, is_seen))
        normed = _rms_norm(part["post_attention_layernorm.weight"], states, eps)
        gate, up = _linear(part, "mlp.dense_h_to_4h", normed).chunk(2, dim=-1)
        states = states + _linear(part, "mlp.dense_4h_to_h", silu(gate) * up)
    states = _rms_norm(weights["transformer.encoder.final_layernorm.weight"], states, eps)
    return states @ weights["transformer.output_layer.weight"].T


def _part(weights, module):
    """The weights of a module, by their names inside it."""
    return {
        name.removeprefix(f"{module}."): weight
        for name, weight in weights.items()
        if name.startswith(f"{module}.")
    }


def _linear(part, name, states):
    output = states @ part[f"{name}.weight"].T
    return output + part[f"{name}.bias"] if f"{name}.bias" in part else output


def _layer_norm(part, name, states, eps):
    return layer_norm(states, states.shape[-1:], part[f"{name}.weight"], part[f"{name}.bias"], eps)


def _rms_norm(weight, states, eps):
    return states / (states.pow(2).mean(-1, keepdim=True) + eps).sqrt() * weight


def _attend(query, key, value, is_seen):
    """(S, heads, d) each -> (S, heads * d)."""
    scores = torch.einsum("shd,thd->hst", query, key) / math.sqrt(query.shape[-1])
    shares = scores.masked_fill(~is_seen, float("-inf")).softmax(-1)
    return torch.einsum("hst,thd->shd", shares, value).flatten(1)


def _rotate_twice(states, place, block):
    """(S, heads, d): the first half by one position, the second by the other; pairs are far apart."""
    halves = states.chunk(2, dim=-1)
    width = halves[0].shape[-1]
    frequencies = (1.0 / 10000.0 ** (torch.arange(0, width, 2).float() / width)).half().float()
    rotated = []
    for half, positions in zip(halves, (place, block), strict=True):
        angles = torch.outer(torch.tensor(positions).float(), frequencies)[:, None]
        first, second = half[..., : width // 2], half[..., width // 2 :]
        rotated.append(first * angles.cos() - second * angles.sin())
        rotated.append(second * angles.cos() + first * angles.sin())
    return torch.cat(rotated, dim=-1)


def _rotate_half(states, base, stretch):
    """(S, heads, d): only the first half is rotated; pairs are neighbours."""
    rotary, rest = states.chunk(2, dim=-1)
    width = rotary.shape[-1]
    frequencies = 1.0 / base ** (torch.arange(0, width, 2).float() / width)
    angles = torch.outer(torch.arange(len(states)).float() / stretch, frequencies)[:, None]
    even, odd = rotary[..., 0::2], rotary[..., 1::2]
    pairs = (even * angles.cos() - odd * angles.sin(), odd * angles.cos() + even * angles.sin())
    return torch.cat([torch.stack(pairs, dim=-1).flatten(-2), rest], dim=-1)
