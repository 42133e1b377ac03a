"""Hugging Face's `trainer_state.json`: one document with the whole history of a run."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from glmcore.core.errors import DataError
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.rows import Rows
from glmcore.curves.numbers import parse_number
from glmcore.curves.table import Block

_CHECKPOINT_STEP = re.compile(r".*checkpoint-(\d{1,12})")


@dataclass(frozen=True, slots=True)
class TrainerStateFacts:
    """What the document says of the run; None where it does not."""

    global_step: float | None = None
    max_steps: float | None = None
    best_metric: float | None = None
    best_step: float | None = None


def parse_trainer_state(data: bytes) -> tuple[Block, TrainerStateFacts]:
    """Read a whole document.

    Raises:
        DataError: it is broken, half-written or something else.
    """
    try:
        state = json.loads(data.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError) as fault:
        raise DataError(
            "This trainer_state.json is no whole JSON document ({reason}); it may be half-written.",
            reason=str(fault)[:200],
        ) from fault
    history = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(history, list):
        raise DataError(
            "This JSON document has no list `log_history`, which a trainer_state.json of Hugging Face has."
        )
    rows = Rows(Problems(), {})
    for row in history:
        if isinstance(row, dict):
            rows.add(row)
    return rows.block(), _facts(state)


def _facts(state: Mapping[str, Any]) -> TrainerStateFacts:
    best_step = parse_number(state.get("best_global_step"))
    if best_step is None:  # older versions name the checkpoint only
        checkpoint = state.get("best_model_checkpoint")
        found = _CHECKPOINT_STEP.fullmatch(checkpoint.rstrip("/")) if isinstance(checkpoint, str) else None
        best_step = float(found[1]) if found else None
    return TrainerStateFacts(
        global_step=parse_number(state.get("global_step")),
        max_steps=parse_number(state.get("max_steps")),
        best_metric=parse_number(state.get("best_metric")),
        best_step=best_step,
    )
