"""All rules in the order in which they are told, and reading a run with them."""

import numpy as np

from glmcore.curves.findings.course import DIVERGENCE, PLATEAU, STILL_FALLING
from glmcore.curves.findings.evaluation import BEST, OVERFITTING_SINCE, UNEVALUATED
from glmcore.curves.findings.evidence import Evidence
from glmcore.curves.findings.finding import Finding
from glmcore.curves.findings.finding import Rule as Rule
from glmcore.curves.findings.known_ranges import RANGE
from glmcore.curves.findings.points import BROKEN, GRADIENT, SPIKE, ZERO
from glmcore.curves.findings.resumed import REPEATED_POINTS
from glmcore.curves.findings.schedule import SCHEDULE
from glmcore.curves.findings.speed import SPEED, STALLED
from glmcore.curves.run import Run

RULES: tuple[Rule, ...] = (
    BROKEN,
    ZERO,
    DIVERGENCE,
    OVERFITTING_SINCE,
    BEST,
    STILL_FALLING,
    PLATEAU,
    SPIKE,
    GRADIENT,
    RANGE,
    SCHEDULE,
    SPEED,
    STALLED,
    UNEVALUATED,
    REPEATED_POINTS,
)


def read_run(run: Run, now: float) -> list[Finding]:
    """What the rules find in a run, in their order; `now` in seconds since 1970."""
    evidence = Evidence(run, now)
    with np.errstate(all="ignore"):  # of logs with values of any size
        return [finding for rule in RULES for finding in rule.find(evidence)]
