"""From tensor names to the parts of a model."""

import pytest

from glmcore.models.places.layout import layout_of

BLOCK = ("input_layernorm.weight", "attention.dense.weight", "mlp.down.weight")
FAMILIES = {
    "chatglm": (
        "transformer.layers",
        ["transformer.word_embeddings"],
        ["transformer.final_layernorm", "lm_head"],
    ),
    "chatglm2": (
        "transformer.encoder.layers",
        ["transformer.embedding"],
        ["transformer.rotary_pos_emb", "transformer.encoder.final_layernorm", "transformer.output_layer"],
    ),
    "glm": ("model.layers", ["model.embed_tokens"], ["model.norm", "lm_head"]),
    "gpt2": ("transformer.h", ["transformer.wte", "transformer.wpe"], ["transformer.ln_f"]),
    "opt": (
        "model.decoder.layers",
        ["model.decoder.embed_tokens", "model.decoder.embed_positions"],
        ["model.decoder.final_layer_norm", "lm_head"],
    ),
}


def tensors_of(stem, others, num_layers=12):
    sizes = {f"{name}.weight": 100 for name in others}
    return sizes | {f"{stem}.{number}.{name}": 10 for number in range(num_layers) for name in BLOCK}


def names(parts):
    return [part.name for part in parts]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_has_its_layers_in_order_between_embedding_and_tail(family):
    stem, embedding, tail = FAMILIES[family]
    layout = layout_of(tensors_of(stem, [*tail, *embedding]))
    assert names(layout.layers) == [f"{stem}.{number}" for number in range(12)]
    assert names(layout.embedding) == embedding
    assert names(layout.tail) == tail
    assert {part.bytes for part in layout.layers} == {30}


def test_layers_are_ordered_by_number_whatever_the_order_of_the_files():
    sizes = tensors_of("model.layers", ["model.embed_tokens"])
    layout = layout_of(dict(sorted(sizes.items(), reverse=True)))
    assert names(layout.layers) == [f"model.layers.{number}" for number in range(12)]


def test_nothing_is_lost_or_counted_twice():
    sizes = tensors_of("model.layers", ["model.embed_tokens", "model.norm", "lm_head"])
    layout = layout_of(sizes)
    assert sum(part.bytes for part in layout.parts) == sum(sizes.values())
    assert layout.pinned_bytes == 300


def test_experts_belong_to_their_layer():
    sizes = {f"model.layers.3.mlp.experts.{number}.up_proj.weight": 5 for number in range(64)}
    layout = layout_of(sizes | tensors_of("model.layers", ["model.embed_tokens"], num_layers=4))
    assert [part.bytes for part in layout.layers] == [30, 30, 30, 350]


def test_prefix_encoder_is_one_part_even_where_it_is_larger_than_the_layers():
    prefix = {"embedding.weight": 1, "trans.0.weight": 900, "trans.2.weight": 900, "trans.2.bias": 1}
    sizes = {f"transformer.prefix_encoder.{name}": size for name, size in prefix.items()}
    layout = layout_of(sizes | tensors_of("transformer.layers", ["lm_head"], num_layers=2))
    assert len(layout.layers) == 2
    assert {part.name: part.bytes for part in layout.tail} == {
        "transformer.prefix_encoder": 1802,
        "lm_head": 100,
    }


def test_smaller_repeated_block_beside_the_layers_stays_in_one_piece():
    vision = {f"model.visual.blocks.{number}.attn.qkv.weight": 1 for number in range(24)}
    layout = layout_of(vision | tensors_of("model.language_model.layers", ["lm_head"], num_layers=3))
    assert names(layout.layers) == [f"model.language_model.layers.{number}" for number in range(3)]
    assert names(layout.tail) == ["model.visual", "lm_head"]


def test_weight_beside_the_layers_is_a_part_that_does_not_contain_them():
    layout = layout_of(tensors_of("model.layers", [], num_layers=2) | {"model.scale": 4})
    assert names(layout.tail) == ["model.scale"]


def test_model_without_layers_has_none():
    layout = layout_of({"embed.weight": 1, "head.weight": 2})
    assert (names(layout.embedding), names(layout.layers), names(layout.tail)) == (["embed"], [], ["head"])
