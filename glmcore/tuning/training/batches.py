"""Prepared rows as a trainer takes them: one by one, then padded into batches.

Shapes: B rows of a batch, T tokens of its longest row, P tokens of its longest prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

IGNORED = -100  # the label of what is not learnt
PROMPT_KEYS = ("prompt_ids", "prompt_mask", "row")


class Rows(torch.utils.data.Dataset):
    """Examples of a prepared data set; for evaluation with the prompts that ask for their last answers."""

    def __init__(self, examples: Any, *, with_prompts: bool = False) -> None:
        self.examples, self.with_prompts = examples, with_prompts

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> dict[str, Any]:
        example = self.examples[index]
        ids, spans = example["ids"], example["learnt"]
        labels = [IGNORED] * len(ids)
        for start, stop in zip(spans[::2], spans[1::2], strict=True):
            labels[start:stop] = ids[start:stop]
        row = {"input_ids": ids, "labels": labels}
        if self.with_prompts:
            row |= {"prompt_ids": ids[: spans[-2]], "row": index}
        return row


@dataclass(frozen=True, slots=True)
class Padding:
    """Makes batches. What is read is padded on the right, prompts on the left."""

    pad_id: int
    multiple: int = 1  # of which the padded length is; GPUs like 8

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """input_ids, attention_mask and labels (B, T); for evaluation prompt_ids and prompt_mask (B, P)."""
        lengths = [len(row["input_ids"]) for row in rows]
        width = -(-max(lengths) // self.multiple) * self.multiple
        batch = {
            "input_ids": _right_padded([row["input_ids"] for row in rows], width, self.pad_id),
            "attention_mask": _right_padded([[1] * length for length in lengths], width, 0),
            "labels": _right_padded([row["labels"] for row in rows], width, IGNORED),
        }
        if "prompt_ids" in rows[0]:
            prompts = pad_prompts([row["prompt_ids"] for row in rows], self.pad_id)
            batch |= {"prompt_ids": prompts[0], "prompt_mask": prompts[1]}
            batch["row"] = torch.tensor([[row["row"]] for row in rows])
        return batch


def pad_prompts(prompts: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Ids and mask, each (B, P), padded on the left: an answer goes on where its prompt ends."""
    width = max(len(ids) for ids in prompts)
    ids = torch.tensor([[pad_id] * (width - len(ids)) + list(ids) for ids in prompts])
    mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts])
    return ids, mask


def _right_padded(rows: Sequence[Sequence[int]], width: int, filler: int) -> Tensor:
    return torch.tensor([[*row, *[filler] * (width - len(row))] for row in rows])
