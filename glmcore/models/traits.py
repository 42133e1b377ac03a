"""What a loaded model's config, generation config and tokenizer say about how to use it."""

from collections.abc import Sequence
from typing import Any

from glmcore.core.i18n import mark
from glmcore.core.messages import PARAM_RANGES, GenerationParams
from glmcore.core.notes import Note

DEFAULT_WINDOW = 2048  # where neither config nor tokenizer names one
# For base models, which bring no template of their own: one paragraph per message, the role before its text.
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)
LONGEST_WINDOW = 10**8  # tokenizers say 10**30 for "no limit"
LAYER_TYPES = {"full_attention", "sliding_attention"}  # those that transformers' paged cache knows
BASE_MODEL_NOTE = mark(
    "This is a base model without a chat template: it was not trained to answer, and may go on and on."
)


def window_of(config: Any, tokenizer: Any) -> int:
    """Tokens of prompt and answer together."""
    limits = [getattr(config.get_text_config(), "max_position_embeddings", None), tokenizer.model_max_length]
    sane = [int(limit) for limit in limits if isinstance(limit, (int, float)) and 0 < limit < LONGEST_WINDOW]
    return min(sane, default=DEFAULT_WINDOW)


def eos_token_ids(generation_config: Any, tokenizer: Any, stop_tokens: Sequence[str] = ()) -> tuple[int, ...]:
    """The tokens that end an answer, in a stable order; `stop_tokens` are the family's."""
    named = generation_config.eos_token_id
    ids = [*(named if isinstance(named, (list, tuple)) else [named]), tokenizer.eos_token_id]
    ids += [tokenizer.convert_tokens_to_ids(token) for token in stop_tokens]
    return tuple(dict.fromkeys(int(token) for token in ids if token is not None))


def default_params(
    generation_config: Any, window: int, sampling: GenerationParams | None = None
) -> GenerationParams:
    """The model's own sampling where it names any, with transformers' values for the rest; else ours.

    `sampling` is the family's, taken for ours where there is one.
    """
    ours = sampling or GenerationParams()
    config = {name: getattr(generation_config, name, None) for name in PARAM_RANGES}
    said = {name: value for name, value in config.items() if isinstance(value, (int, float))}
    named: dict[str, Any] = {name: said[name] for name in ("temperature", "top_p", "top_k") if name in said}
    neutral = {"temperature": 1.0, "top_p": 1.0, "top_k": 50}
    family = {name: getattr(ours, name) for name in neutral} if sampling else {}
    values: dict[str, Any] = {**neutral, **family, **named} if named else dict(family)
    if generation_config.do_sample is False and not named and not sampling:
        values["temperature"] = 0.0
    values["repetition_penalty"] = said.get("repetition_penalty", ours.repetition_penalty)
    values["max_new_tokens"] = min(said.get("max_new_tokens", ours.max_new_tokens), window // 2)
    return GenerationParams(**{name: _clip(name, value) for name, value in values.items()})


def can_batch(model: Any) -> bool:
    """Whether transformers' continuous batching can run it: one device, and attention that can be paged."""
    config = model.config.get_text_config()
    places = set(getattr(model, "hf_device_map", {}).values())
    layer_types = set(getattr(config, "layer_types", None) or ["full_attention"])
    return (
        len(places) <= 1
        and model.device.type in ("cpu", "cuda")
        and model._supports_attention_backend
        and not model._is_stateful
        and not config.is_encoder_decoder
        and layer_types <= LAYER_TYPES
        and getattr(config, "num_attention_heads", None) is not None
    )


def with_template(tokenizer: Any) -> tuple[Any, tuple[Note, ...]]:
    """The tokenizer with a chat template: its own, or the plain one and a note."""
    if tokenizer.chat_template:
        return tokenizer, ()
    tokenizer.chat_template = PLAIN_TEMPLATE
    return tokenizer, (Note(BASE_MODEL_NOTE),)


def _clip(name: str, value: float) -> Any:
    low, high = PARAM_RANGES[name]
    return type(low)(min(max(value, low), high))
