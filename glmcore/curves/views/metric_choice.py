"""Which metrics the runs have, which of them belong in one chart, and which are shown when nobody chose."""

from collections.abc import Iterable, Sequence

from glmcore.curves.metric_names import (
    EPOCH,
    PROGRESS_KEYS,
    TOKENS_SEEN,
    Direction,
    Part,
    direction_of,
    split_part,
)
from glmcore.curves.run import Run

MAX_DEFAULT_METRICS = 8
_LOOKED_AT = 64  # metrics whose curves are computed to find out which are worth a chart
_FIRST, _LAST = ("loss",), ("learning_rate", "grad_norm")
_NOT_SHOWN = frozenset((EPOCH, TOKENS_SEEN, *PROGRESS_KEYS))

# What transformers' Trainer logs at the end is a mean over the whole run and no point of the curve beside it.
_MEAN_OF_RUN, _MEANT = "train_loss", "loss"
_NOT_BY_DEFAULT = ("samples_per_second", "steps_per_second", "runtime", "total_flos")  # facts of the machine

CurveName = tuple[Run, str, Part]


def curves_by_base(runs: Iterable[Run]) -> dict[str, list[CurveName]]:
    """Base name -> the metrics that share its chart. Computes no curve."""
    curves: dict[str, list[CurveName]] = {}
    for run in runs:
        for name in run.curves:
            if name == _MEAN_OF_RUN and _MEANT in run.curves:
                continue
            base, part = split_part(name)
            curves.setdefault(base, []).append((run, name, part))
    return curves


def base_metrics(runs: Iterable[Run]) -> list[str]:
    """The names to choose from, each once, in the order of their appearance."""
    return [base for base in curves_by_base(runs) if base not in _NOT_SHOWN]


def default_metrics(runs: Sequence[Run]) -> list[str]:
    """The loss, others that can be better or worse, those that only describe; learning rate and gradients.

    Only metrics with more than one point are worth a chart.
    """
    curves = curves_by_base(runs)
    bases = [base for base in curves if base not in _NOT_SHOWN]
    bases.sort(key=lambda base: direction_of(base) is Direction.NEITHER or base.endswith("_per_second"))
    first = [base for base in _FIRST if base in curves]
    last = [base for base in _LAST if base in curves]
    others: list[str] = []
    candidates = [base for base in bases if base not in (*first, *last, *_NOT_BY_DEFAULT)]
    for base in candidates[:_LOOKED_AT]:
        if len(first) + len(others) + len(last) == MAX_DEFAULT_METRICS:
            break
        if any(len(run.curves[name]) > 1 for run, name, _ in curves[base]):
            others.append(base)
    return [*first, *others, *last] or bases[:MAX_DEFAULT_METRICS]
