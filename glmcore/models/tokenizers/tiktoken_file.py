"""The tokenizer of GLM-4-9B's first published folder: `tokenizer.model` in tiktoken's text form.

Every line is a token in base64 and its rank. The merges of a fast tokenizer are rebuilt from the ranks, which
gives the ids that tiktoken gives; tiktoken itself is not needed.
"""

import base64
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

from glmcore.core.errors import ModelLoadError
from glmcore.models.files.checkpoint import read_json
from glmcore.models.tokenizers.fast import (
    END,
    MARKS,
    PROMPT_START,
    ROLES,
    merges_by_rank,
    wrap_prompt_tokenizer,
)
from glmcore.models.traits import LONGEST_WINDOW

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# In the order of their ids, right after the ranks; 151329 to 151342 in the published vocabulary.
CONTROLS = (
    END,
    *MARKS,
    *ROLES,
    *("<|begin_of_image|>", "<|end_of_image|>", "<|begin_of_video|>", "<|end_of_video|>"),
)
CHAT_TEMPLATE = (
    "[gMASK]<sop>{% for message in messages %}{{ '<|' ~ message.role ~ '|>\\n' ~ message.content }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def build_tiktoken_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """Build the fast tokenizer of a folder whose `tokenizer.model` is a tiktoken vocabulary.

    Raises:
        ModelLoadError: the vocabulary or `tokenizer_config.json` is missing or damaged.
    """
    config_path = folder / "tokenizer_config.json"
    config = read_json(config_path) if config_path.exists() else {}
    tokens = _read_tokens(folder / "tokenizer.model")
    controls = _control_names(config_path, config, len(tokens))
    to_text = bytes_to_unicode()
    ranked = [token.decode("latin-1").translate(to_text) for token in tokens]
    vocabulary = {token: rank for rank, token in enumerate(ranked)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges_by_rank(ranked), ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    wrapped = wrap_prompt_tokenizer(tokenizer, controls, END, END, CHAT_TEMPLATE)
    length = config.get("model_max_length")
    if isinstance(length, int) and 0 < length < LONGEST_WINDOW:
        wrapped.model_max_length = length
    return wrapped


def _read_tokens(path: Path) -> list[bytes]:
    """The tokens in the order of their ranks."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError as fault:
        raise ModelLoadError("{path} cannot be read: {fault}.", path=path, fault=fault.strerror) from fault
    by_rank: dict[int, bytes] = {}
    seen: set[bytes] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        rank, token = _parse_line(path, number, line)
        if rank in by_rank or token in seen:
            raise ModelLoadError(
                "{path}, line {line}: the rank or the token of {found} was in an earlier line, expected each "
                "once; copy the file again from where the model came from.",
                path=path,
                line=number,
                found=_quote(line),
            )
        by_rank[rank] = token
        seen.add(token)
    _check_complete(path, by_rank, seen)
    return [by_rank[rank] for rank in range(len(by_rank))]


def _parse_line(path: Path, number: int, line: bytes) -> tuple[int, bytes]:
    try:
        word, rank = line.split()
        return int(rank), base64.b64decode(word, validate=True)
    except ValueError as fault:
        raise ModelLoadError(
            "{path}, line {line}: found {found}, expected a token in base64 and its rank, such as 'IQ== 0'; "
            "copy the file again from where the model came from.",
            path=path,
            line=number,
            found=_quote(line),
        ) from fault


def _quote(line: bytes) -> str:
    return repr(line[:40])[1:]


def _check_complete(path: Path, by_rank: dict[int, bytes], tokens: set[bytes]) -> None:
    """Every rank from 0 on and every single byte must be there, or some text would have no ids."""
    ranks = [rank for rank in range(len(by_rank)) if rank not in by_rank]
    lone_bytes = [byte for byte in range(256) if bytes([byte]) not in tokens]
    if ranks or lone_bytes:
        raise ModelLoadError(
            "{path} has {count} tokens, and none {missing}; copy the file again from where the model came "
            "from.",
            path=path,
            count=len(by_rank),
            missing=f"of rank {ranks[0]}" if ranks else f"for the byte 0x{lone_bytes[0]:02X}",
        )


def _control_names(path: Path, config: dict[str, Any], num_ranks: int) -> list[str]:
    """The names of the ids after the ranks; the folder's own list of them comes before ours."""
    listed = config.get("added_tokens_decoder")
    if not listed:
        return list(CONTROLS)
    try:
        names = {int(token_id): str(token["content"]) for token_id, token in listed.items()}
    except (AttributeError, TypeError, KeyError, ValueError) as fault:
        raise ModelLoadError(
            "{path}: added_tokens_decoder is not readable; expected ids with the content of each token.",
            path=path,
        ) from fault
    missing = [name for name in (END, *PROMPT_START, *ROLES) if name not in names.values()]
    taken = [token_id for token_id in names if token_id < num_ranks]
    if missing or taken:
        raise ModelLoadError(
            "{path}: added_tokens_decoder {found}; expected the control tokens of GLM-4 with ids from "
            "{first} on, after those of tokenizer.model.",
            path=path,
            found=f"lacks {missing[0]}" if missing else f"has the id {taken[0]}",
            first=num_ranks,
        )
    return [names.get(token_id, f"<|unused_{token_id}|>") for token_id in range(num_ranks, max(names) + 1)]
