"""Hugging Face's `trainer_state.json`: one document with the whole history of a run."""

import json
from dataclasses import dataclass

from glmcore.core.errors import DataError
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.rows import Rows
from glmcore.curves.numbers import parse_number
from glmcore.curves.table import Block


@dataclass(frozen=True, slots=True)
class TrainerStateFacts:
    """What the document says of the run; None where it does not."""

    global_step: float | None = None
    max_steps: float | None = None


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
    facts = TrainerStateFacts(parse_number(state.get("global_step")), parse_number(state.get("max_steps")))
    return rows.block(), facts
