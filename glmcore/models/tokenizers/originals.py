"""The tokenizer of a folder in the form of 2023, checked against the model it came with."""

from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

from glmcore.core.errors import ModelLoadError
from glmcore.models.catalog import Family
from glmcore.models.files.checkpoint import glance_at_json
from glmcore.models.tokenizers.chatglm import ChatGLM2Tokenizer, ChatGLM3Tokenizer, ChatGLMTokenizer
from glmcore.models.tokenizers.tiktoken_file import build_tiktoken_tokenizer

FILES = {"chatglm": "ice_text.model", "chatglm2": "tokenizer.model", "chatglm3": "tokenizer.model"}
CHATGLM_TOKENS = {
    "bos_token_id": "<sop>",
    "eos_token_id": "<eop>",
    "gmask_token_id": "[gMASK]",
    "mask_token_id": "[MASK]",
    "pad_token_id": "<pad>",
}
UNCHECKED = ("mask_token_id", "pad_token_id")  # nothing depends on them being the vocabulary's
NUM_IMAGE_TOKENS = 20000  # before April 2023


def original_tokenizer(folder: Path, family: Family, config: PreTrainedConfig) -> Any:
    """Build the tokenizer of an original folder.

    Raises:
        ModelLoadError: the vocabulary file is missing, damaged, or of another model.
    """
    if family.vocabulary == "tiktoken":
        return build_tiktoken_tokenizer(folder)
    path = folder / FILES[family.vocabulary or ""]
    if not path.is_file():
        raise ModelLoadError(
            "{path} is missing, the vocabulary of {family}; copy it from where the model came from.",
            path=path,
            family=family.title,
        )
    if family.vocabulary == "chatglm":
        return _chatglm_tokenizer(path, config)
    tokenizer = (ChatGLM3Tokenizer if family.vocabulary == "chatglm3" else ChatGLM2Tokenizer)(path)
    if tokenizer.eos_token_id != config.eos_token_id and isinstance(config.eos_token_id, int):
        raise _wrong_vocabulary(path, "</s>", tokenizer.eos_token_id, config.eos_token_id)
    if tokenizer.vocab_size > config.vocab_size:
        raise ModelLoadError(
            "{path}: the tokenizer has {found} tokens, the model {expected}; they are of different models.",
            path=path,
            found=tokenizer.vocab_size,
            expected=config.vocab_size,
        )
    return tokenizer


def _chatglm_tokenizer(path: Path, config: PreTrainedConfig) -> ChatGLMTokenizer:
    """Fills in the ids that config.json does not name, and checks those that the model reads."""
    said = _number_of_image_tokens(path.parent)
    tokenizer = ChatGLMTokenizer(path, num_image_tokens=said or 0)
    if said is None and (shift := _shift(tokenizer, config)) > 0:  # an early folder, which does not say
        tokenizer = ChatGLMTokenizer(path, num_image_tokens=shift)
    for name, token in CHATGLM_TOKENS.items():
        found, expected = tokenizer.convert_tokens_to_ids(token), getattr(config, name)
        if expected is None:
            setattr(config, name, found)
        elif found != expected and name not in UNCHECKED and not isinstance(expected, list):
            raise _wrong_vocabulary(path, token, found, expected)
    return tokenizer


def _shift(tokenizer: ChatGLMTokenizer, config: PreTrainedConfig) -> int:
    """By how much the ids of early folders are greater than the vocabulary's."""
    if config.bos_token_id is not None:
        return int(config.bos_token_id) - int(tokenizer.bos_token_id)
    return NUM_IMAGE_TOKENS if config.vocab_size >= NUM_IMAGE_TOKENS + tokenizer.vocab_size else 0


def _number_of_image_tokens(folder: Path) -> int | None:
    said = glance_at_json(folder / "tokenizer_config.json").get("num_image_tokens")
    return said if isinstance(said, int) else None


def _wrong_vocabulary(path: Path, name: str, found: Any, expected: Any) -> ModelLoadError:
    return ModelLoadError(
        "{path}: {name} has the id {found}, but config.json expects {expected}; vocabulary and model are of "
        "different releases. Copy both from the same place.",
        path=path,
        name=name,
        found=found,
        expected=expected,
    )
