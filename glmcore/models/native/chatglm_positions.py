"""Where ChatGLM-6B's tokens stand and what they see, read off the token ids.

Of each row: the context is everything before the first `<sop>`; the mask token is the first `[gMASK]`, or the
first `[MASK]` where there is none. The answer stands at the mask's place, counted by the second position.

Shapes: B rows of a batch, S tokens of a pass.
"""

import torch
from torch import Tensor

from glmcore.core.errors import DataError
from glmcore.models.native.chatglm_config import ChatGLMConfig


def positions_of(
    input_ids: Tensor,
    config: ChatGLMConfig,
    attention_mask: Tensor | None = None,
    *,
    past_tokens: int = 0,
) -> Tensor:
    """(B, S) -> (B, 2, S): the place in the prompt and in the answer, 0 where padded on the left.

    Raises:
        DataError: a row lacks `<sop>` or a mask token.
    """
    if past_tokens:
        raise DataError(
            "{count} tokens are in the cache already, so the places of new ones cannot be told from their "
            "ids; give position_ids.",
            count=past_tokens,
        )
    num_left: Tensor | int = 0
    if attention_mask is not None:
        num_left = _leading(attention_mask == 0).sum(-1, keepdim=True)
    context = _first(input_ids, [config.bos_token_id], "<sop>")
    mask = _first(input_ids, [config.gmask_token_id, config.mask_token_id], "[gMASK] or [MASK]")
    index = torch.arange(input_ids.shape[-1], device=input_ids.device)
    in_context = index < context
    place = torch.where(in_context, index - num_left, mask - num_left).clamp(min=0)
    place_in_answer = torch.where(in_context, 0, index - context + 1)
    return torch.stack((place, place_in_answer), dim=1)


def without_left_padding(input_ids: Tensor, config: ChatGLMConfig) -> Tensor | None:
    """The attention mask (B, S) of rows that begin with pad tokens; None where no row does."""
    padding = _leading(input_ids == config.pad_token_id)
    return (1 - padding) if bool(padding.any()) else None


def next_positions(position_ids: Tensor, num_new_tokens: int) -> Tensor:
    """Append the positions of generated tokens: the place stays, the place in the answer counts on."""
    steps = torch.arange(1, num_new_tokens + 1, device=position_ids.device)
    new = position_ids[..., -1:] + torch.stack((torch.zeros_like(steps), steps))
    return torch.cat((position_ids, new), dim=-1)


def attention_mask_of(position_ids: Tensor, attention_mask: Tensor | None, past_tokens: int) -> Tensor | None:
    """(B, 1, S, past + S), True where a token is seen; None where everything is.

    position_ids (B, 2, S); attention_mask (B, past + S), 0 where padded.
    """
    length = position_ids.shape[-1]
    if length == 1:
        return None if attention_mask is None else attention_mask.bool()[:, None, None]
    columns = torch.arange(past_tokens + length, device=position_ids.device)
    rows = columns[past_tokens:, None]
    seen = (columns <= rows)[None]
    in_context = torch.nn.functional.pad(position_ids[:, 1] == 0, (past_tokens, 0))
    seen = seen | in_context[:, None]
    if attention_mask is not None:
        # A padded token sees itself: a row that sees nothing would be divided by zero.
        seen = (seen & attention_mask.bool()[:, None]) | (columns == rows)
    return seen[:, None]


def added_to_scores(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """The mask in the form of eager attention: 0 where a token is seen, the lowest number elsewhere."""
    return torch.zeros_like(mask, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)


def _leading(flags: Tensor) -> Tensor:
    """(B, S): 1 as long as every flag of the row so far is set."""
    return flags.long().cumprod(dim=-1)


def _first(input_ids: Tensor, wanted: list[int | None], names: str) -> Tensor:
    """(B, 1): where the first of the wanted tokens stands; an earlier one in the list is preferred."""
    place = input_ids.new_full((len(input_ids), 1), -1)
    for token in reversed(wanted):
        hits = torch.nn.functional.pad(input_ids == token, (0, 1))  # an empty row has no largest place
        place = torch.where(hits.any(-1, keepdim=True), hits.int().argmax(-1, keepdim=True), place)
    missing = (place < 0).flatten().nonzero().flatten().tolist()
    if missing:
        raise DataError(
            "Row {row} of the token ids has no {names} ({wanted}); ChatGLM-6B expects every prompt to end in "
            "[gMASK] <sop>, as its tokenizer puts it.",
            row=missing[0],
            names=names,
            wanted=" / ".join(map(str, wanted)),
        )
    return place
