"""Prefixes on both architectures, compared with keys and values that are put in front by hand."""

import pytest
import torch
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache, GlmConfig, GlmForCausalLM
from transformers.masking_utils import sdpa_mask

from glmcore.models.native.chatglm import ChatGLMForConditionalGeneration
from glmcore.models.native.chatglm_config import ChatGLMConfig
from glmcore.models.native.prefix import PrefixEncoder, attach_prefix
from glmcore.models.native.sharing import on_same_weights

LENGTH, PAD, GMASK, SOP = 4, 3, 91, 94
FAMILIES = ["chatglm", "glm"]


def base_model(family):
    torch.manual_seed(0)
    if family == "chatglm":
        config = ChatGLMConfig(
            vocab_size=100,
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            bos_token_id=SOP,
            eos_token_id=95,
            pad_token_id=PAD,
            mask_token_id=90,
            gmask_token_id=GMASK,
            initializer_range=0.4,
        )
        return ChatGLMForConditionalGeneration(config).eval()
    config = GlmConfig(
        vocab_size=100,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=4,
        intermediate_size=32,
        eos_token_id=95,
        pad_token_id=PAD,
        initializer_range=0.4,
        attn_implementation="sdpa",
    )
    return GlmForCausalLM(config).eval()


def new_encoder(model, projection=None, seed=1):
    torch.manual_seed(seed)
    config = model.config
    encoder = PrefixEncoder(
        pre_seq_len=LENGTH,
        num_layers=config.num_hidden_layers,
        num_heads=getattr(config, "num_key_value_heads", None) or config.num_attention_heads,
        head_size=getattr(config, "head_dim", None) or config.head_size,
        projection=projection,
    )
    return encoder.eval()


def with_prefix(family, projection=None, seed=1):
    model = base_model(family)
    attach_prefix(model.base_model, new_encoder(model, projection, seed))
    return model.eval()


def rows(*lengths):
    """Prompts of random tokens, as ChatGLM-6B expects them; padded on the left to one length."""
    chosen = torch.Generator().manual_seed(5)
    made = [[*torch.randint(10, 80, (n,), generator=chosen).tolist(), GMASK, SOP] for n in lengths]
    longest = max(map(len, made))
    ids = torch.tensor([[PAD] * (longest - len(row)) + row for row in made])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in made])
    return ids, mask


@torch.no_grad()
def logits(model, ids, **inputs):
    return model(input_ids=ids, **inputs).logits


def prefix_of(encoder):
    """(layers, keys and values, heads, tokens, head size), cut out of the embedding one number at a time."""
    table = encoder.embedding.weight
    if hasattr(encoder, "trans"):
        first, _, second = encoder.trans
        table = torch.tanh(table @ first.weight.T + first.bias) @ second.weight.T + second.bias
    shape = (LENGTH, encoder.num_layers, 2, encoder.num_heads, encoder.head_size)
    return table.detach().reshape(shape).permute(1, 2, 3, 0, 4)


BY_HAND = {}


def attention_by_hand(module, query, key, value, attention_mask, scaling=None, **_):
    """Every score written out, over the prefix of `BY_HAND` and what the layer has."""
    keys, values = (part[None].expand(len(query), -1, -1, -1) for part in BY_HAND["prefix"][module.layer_idx])
    keys, values = torch.cat([keys, key], 2), torch.cat([values, value], 2)
    repeats = query.shape[1] // key.shape[1]
    keys, values = keys.repeat_interleave(repeats, 1), values.repeat_interleave(repeats, 1)
    scores = query @ keys.transpose(2, 3) * scaling
    if attention_mask is None:
        seen = torch.ones(query.shape[2], key.shape[2], dtype=torch.bool).tril(key.shape[2] - query.shape[2])
    else:
        seen = attention_mask
    seen = torch.cat([torch.ones(*seen.shape[:-1], LENGTH, dtype=torch.bool), seen], -1)
    weights = scores.masked_fill(~seen, -1e9).softmax(-1)
    return (weights @ values).transpose(1, 2), None


AttentionInterface.register("by_hand", attention_by_hand)
AttentionMaskInterface.register("by_hand", sdpa_mask)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("projection", [None, (6, 10)])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_prefix_is_keys_and_values_in_front_of_every_layers_own(family, projection, padded):
    model = with_prefix(family, projection)
    ids, mask = rows(5, 2) if padded else rows(5, 5)
    found = logits(model, ids, attention_mask=mask)
    BY_HAND["prefix"] = prefix_of(model.base_model.prefix_encoder)
    plain = base_model(family)
    before = logits(plain, ids, attention_mask=mask)
    plain.config._attn_implementation = "by_hand"
    expected = logits(plain, ids, attention_mask=mask)
    seen = mask.bool()
    torch.testing.assert_close(found[seen], expected[seen], rtol=1e-5, atol=1e-5)
    assert (found - before)[seen].abs().max() > 0.01, "the prefix matters"


def test_a_prefix_is_what_a_filled_cache_gives_without_moving_positions():
    model = with_prefix("glm")
    ids, _ = rows(5, 5)
    cache = DynamicCache()
    for layer, (keys, values) in enumerate(prefix_of(model.base_model.prefix_encoder)):
        cache.update(keys[None].repeat(2, 1, 1, 1), values[None].repeat(2, 1, 1, 1), layer)
    mask = torch.ones(2, LENGTH + ids.shape[1], dtype=torch.long)
    places = torch.arange(ids.shape[1])[None].expand(2, -1)
    plain = base_model("glm")
    expected = logits(plain, ids, attention_mask=mask, position_ids=places, past_key_values=cache)
    torch.testing.assert_close(logits(model, ids), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_left_padded_batch_answers_as_its_rows_do_alone(family):
    model = with_prefix(family)
    ids, mask = rows(6, 1, 3)
    options = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": None, "pad_token_id": PAD}
    for beams in (1, 3):
        together = model.generate(ids, attention_mask=mask, num_beams=beams, **options)[:, ids.shape[1] :]
        for row, row_mask, answer in zip(ids, mask, together, strict=True):
            alone = row[row_mask.bool()][None]
            found = model.generate(alone, attention_mask=torch.ones_like(alone), num_beams=beams, **options)
            assert found[0, alone.shape[1] :].tolist() == answer.tolist()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_cache_gives_the_tokens_that_no_cache_gives(family):
    model = with_prefix(family)
    ids, mask = rows(4, 2)
    options = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": None, "pad_token_id": PAD}
    cached, computed = (
        model.generate(ids, attention_mask=mask, use_cache=cache, **options) for cache in (True, False)
    )
    assert torch.equal(cached, computed)


CHANGES = {
    "in place": lambda encoder: torch.nn.init.normal_(encoder.embedding.weight),
    "by an optimizer": lambda encoder: training_step(encoder),
    "by load_state_dict": lambda encoder: encoder.load_state_dict(tripled(encoder)),
    "by assigning": lambda encoder: encoder.load_state_dict(tripled(encoder), assign=True),
    "by .to": lambda encoder: encoder.to(torch.float64),
}


def tripled(encoder):
    return {name: tensor * 3 for name, tensor in encoder.state_dict().items()}


def training_step(encoder):
    """As optimizers do that write past autograd, so that no version is counted."""
    encoder.train()
    keys, _ = encoder(torch.float32)[0]
    keys.square().sum().backward()
    for weight in encoder.parameters():
        if weight.grad is not None:
            weight.data.sub_(weight.grad, alpha=0.5)
    encoder.eval()


@pytest.mark.parametrize("projection", [None, (6, 10)])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_computed_prefix_follows_the_weights(change, projection):
    model = with_prefix("glm", projection)
    encoder = model.base_model.prefix_encoder
    ids, _ = rows(3)
    before = logits(model, ids)
    assert torch.equal(logits(model, ids), before)
    change(encoder)
    fresh = with_prefix("glm", projection)
    fresh.base_model.prefix_encoder.load_state_dict(encoder.state_dict())
    torch.testing.assert_close(logits(model, ids), logits(fresh, ids), rtol=1e-5, atol=1e-5)


def test_the_prefix_is_computed_once_for_an_answer():
    model = with_prefix("glm", (6, 10))
    encoder = model.base_model.prefix_encoder
    runs = []
    encoder.trans.register_forward_hook(lambda *_: runs.append(1))
    model.generate(rows(3)[0], max_new_tokens=6, do_sample=False, eos_token_id=None)
    assert len(runs) == 1


@pytest.mark.parametrize("projection", [None, (6, 10)])
@pytest.mark.parametrize("family", FAMILIES)
def test_gradient_checkpointing_gives_the_same_gradients(family, projection):
    ids, _ = rows(5, 5)
    gradients = []
    for checkpointing in (False, True):
        model = with_prefix(family, projection)
        model.requires_grad_(False)
        encoder = model.base_model.prefix_encoder.requires_grad_(True)
        if checkpointing:
            model.activation_checkpointing_enable({"use_reentrant": False})
        model.train()
        torch.manual_seed(7)
        model(input_ids=ids, labels=ids).loss.backward()
        gradients.append([weight.grad for weight in encoder.parameters()])
        assert all(weight.grad.abs().max() > 0 for weight in encoder.parameters())
        assert all(weight.grad is None for name, weight in model.named_parameters() if "prefix" not in name)
    for plain, checkpointed in zip(*gradients, strict=True):
        torch.testing.assert_close(checkpointed, plain, rtol=1e-5, atol=1e-7)


def test_dropout_is_of_training_alone():
    model = with_prefix("glm")
    ids, _ = rows(4)
    assert torch.equal(logits(model, ids), logits(model, ids))
    model.train()
    drawn = {logits(model, ids).sum().item() for _ in range(4)}
    assert len(drawn) > 1
    encoder = model.base_model.prefix_encoder
    kept = torch.stack([torch.stack(pair) for pair in encoder(torch.float32)])
    whole = torch.stack([torch.stack(pair) for pair in encoder.eval()(torch.float32)])
    is_kept = kept != 0
    torch.testing.assert_close(kept[is_kept], whole[is_kept] / 0.9)


@pytest.mark.parametrize("family", FAMILIES)
def test_two_prefixes_on_one_base_do_not_mix(family):
    base = base_model(family)
    ids, _ = rows(5)
    plain = logits(base, ids)
    models = []
    for seed in (1, 2):
        model = on_same_weights(base)
        attach_prefix(model.base_model, new_encoder(model, seed=seed))
        models.append(model)
    expected = [logits(with_prefix(family, seed=seed), ids) for seed in (1, 2)]
    for _ in range(2):
        for model, wanted in zip(models, expected, strict=True):
            assert torch.equal(logits(model, ids), wanted)
            assert torch.equal(logits(base, ids), plain)
    assert base.config._attn_implementation == "sdpa"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_half_format_base_keeps_a_prefix_in_full(family):
    model = base_model(family).to(torch.bfloat16)
    attach_prefix(model.base_model, new_encoder(model))
    ids, _ = rows(5)
    assert logits(model, ids).dtype == torch.bfloat16
    assert model.base_model.prefix_encoder.embedding.weight.dtype == torch.float32
    torch.testing.assert_close(
        logits(model, ids).float(), logits(with_prefix(family), ids), rtol=0.2, atol=0.6
    )


@pytest.mark.parametrize("projection", [None, (6, 10)])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_with_a_prefix_can_share_its_weights_after_it_has_computed(family, projection):
    model = with_prefix(family, projection)
    ids, _ = rows(5)
    expected = model(input_ids=ids).logits  # with gradients, to which what the layers were handed belongs
    torch.testing.assert_close(logits(on_same_weights(model), ids), expected)
    logits(model, ids)
    torch.testing.assert_close(logits(on_same_weights(model), ids), expected)
