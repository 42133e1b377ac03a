"""What the names of metrics mean: which belong in one chart, which way is better, one spelling for each.

Names are kept as the log has them but for a few that other programs spell differently for the same thing.
"""

import re
from enum import StrEnum
from functools import lru_cache

_asked_often = lru_cache(maxsize=1 << 16)  # of every metric of every run, whenever a page is drawn

STEP_KEYS = ("step", "global_step", "current_steps", "steps", "_step", "iteration", "iter", "Step")
TIME_KEYS = ("time", "wall_time", "timestamp", "_timestamp", "Wall time", "elapsed_time")
EPOCH, TOKENS_SEEN = "epoch", "tokens_seen"
# Facts about how far a run is, which are no curves.
PROGRESS_KEYS = ("total_steps", "percentage", "remaining_time", "_runtime")

_SPELLINGS = {
    "lr": "learning_rate",
    "num_input_tokens_seen": TOKENS_SEEN,
    "total_tokens": TOKENS_SEEN,
    "train/global_step": "step",
    "train/epoch": EPOCH,
    "current_epoch": EPOCH,
}
_EVALUATION = re.compile(r"(?:eval|evaluation|val|valid|validation|test)[_/](.+)")
_TRAINING = re.compile(r"(?:train|training)[_/](.+)")
_NEITHER = re.compile(r"(^|_|/)(loss_(scale|weight)\w*|rejected)($|_|/)", re.IGNORECASE)
_LOWER = re.compile(
    r"(^|_|/)(loss|perplexity|ppl|nll|cross_entropy|error|err|wer|cer|mae|mse|rmse|bits_per_\w+)($|_|/|\d)",
    re.IGNORECASE,
)
_HIGHER = re.compile(
    r"(^|_|/)(acc|accuracy\w*|bleu\w*|rouge\w*|chrf\w*|f1|precision|recall|rewards?|score|exact_match|em|auc|"
    r"meteor|\w*per_second|win_rate)($|_|/|-)",
    re.IGNORECASE,
)


class Part(StrEnum):
    """Which rows a metric was computed on."""

    TRAIN = "train"
    EVAL = "eval"


class Direction(StrEnum):
    """Which way a metric gets better."""

    LOWER = "lower"
    HIGHER = "higher"
    NEITHER = "neither"


def canonical(name: str) -> str:
    """One spelling: `lr` is `learning_rate`, TensorBoard's `eval/loss` `eval_loss`, `train/loss` `loss`."""
    if name in _SPELLINGS:
        return _SPELLINGS[name]
    head, slash, rest = name.partition("/")
    if slash and rest and "/" not in rest:
        if head in ("train", "training"):
            return _SPELLINGS.get(rest, rest)
        if head in ("eval", "val", "valid", "validation"):
            return f"eval_{rest}"
    return name


@_asked_often
def split_part(name: str) -> tuple[str, Part]:
    """What a metric measures and on which rows: `eval_loss` -> (`loss`, EVAL), `loss` -> (`loss`, TRAIN)."""
    if found := _EVALUATION.fullmatch(name):
        return found[1], Part.EVAL
    if found := _TRAINING.fullmatch(name):
        return found[1], Part.TRAIN
    return name, Part.TRAIN


@_asked_often
def direction_of(name: str) -> Direction:
    """Which way is better, told by the name; NEITHER for what only describes (learning rate, memory)."""
    base, _ = split_part(name)
    if _NEITHER.search(base):
        return Direction.NEITHER
    if _LOWER.search(base):
        return Direction.LOWER
    return Direction.HIGHER if _HIGHER.search(base) else Direction.NEITHER
