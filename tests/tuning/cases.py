"""Which cases of a matrix run by default."""

import pytest


def slow_but(quick, cases):
    """The cases of a test, all but the quick ones marked slow; one of several arguments is a tuple."""
    quick, cases = list(quick), list(cases)
    assert all(case in cases for case in quick)
    return [case if case in quick else slow(*case if isinstance(case, tuple) else (case,)) for case in cases]


def slow(*arguments):
    return pytest.param(*arguments, marks=pytest.mark.slow)
