"""The loss of answers, row by row."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from glmcore.tuning.training.batches import IGNORED


def answer_losses(model: Any, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Sum of the losses of each row's learnt tokens, and how many these are; each (B,), on the CPU.

    Args:
        batch: input_ids, attention_mask and labels, each (B, T).
    """
    device = next(model.parameters()).device
    labels_BT = batch["labels"].to(device)
    with torch.no_grad():
        logits_BTV = model(
            input_ids=batch["input_ids"].to(device), attention_mask=batch["attention_mask"].to(device)
        ).logits
        losses_BT = torch.nn.functional.cross_entropy(
            logits_BTV[:, :-1].float().flatten(0, 1),
            labels_BT[:, 1:].flatten(),
            ignore_index=IGNORED,
            reduction="none",
        ).view(len(labels_BT), -1)
    counts_B = (labels_BT[:, 1:] != IGNORED).sum(1)
    return losses_BT.sum(1).cpu(), counts_B.cpu()
