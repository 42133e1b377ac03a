"""Curves with a known story, and runs made of them."""

from pathlib import Path

import numpy as np

from glmcore.curves.findings.finding import Finding
from glmcore.curves.findings.rules import read_run
from glmcore.curves.run import Run, RunState, RunStatus
from glmcore.curves.series import Series, make_series

START = 1.7e9


def series(values, every=10, times=None):
    """Points at steps 10, 20, …, a second apart."""
    values = np.asarray(values, dtype=float)
    times = START + np.arange(len(values)) if times is None else times
    return make_series(np.arange(1, len(values) + 1.0) * every, values, times)


def noisy(mean, share=0.02, seed=0):
    mean = np.asarray(mean, dtype=float)
    return mean * (1 + share * np.random.default_rng(seed).normal(size=len(mean)))


def decay(count=400, floor=0.8, height=2.2, tau=0.08, share=0.02, seed=0):
    """A loss that falls exponentially, `tau` of the run long, with noise of a share of its level."""
    return noisy(floor + height * np.exp(-np.linspace(0, 1, count) / tau), share, seed)


def make_run(state=RunState.FINISHED, config=None, changed_at=START, **curves):
    curves = {name: c if isinstance(c, Series) else series(c) for name, c in curves.items()}
    return Run("id", "run", Path("run"), "test", curves, config or {}, RunStatus(state, changed_at))


def read(run, now=START) -> dict[str, Finding]:
    """Findings by rule; the last where a rule has several."""
    return {finding.rule: finding for finding in read_run(run, now)}
