import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.curves.views.axes import Axis
from glmcore.curves.views.grouping import Band
from glmcore.curves.views.smoothing import SmoothingMethod
from glmcore.ui.curves.address import DEFAULT, MAX_LISTED, PageState, from_query, to_query

names = st.lists(st.text(min_size=1), unique=True, max_size=5).map(tuple)
states = st.builds(
    PageState,
    folder=st.integers(0, 9),
    find=st.text(),
    run=names,
    metric=names,
    axis=st.sampled_from(Axis),
    method=st.sampled_from(SmoothingMethod),
    smooth=st.floats(0, 0.99),
    log=st.booleans(),
    clip=st.booleans(),
    raw=st.booleans(),
    old=st.booleans(),
    best=st.booleans(),
    group=st.text(),
    band=st.sampled_from(Band),
    higher=names,
    lower=names,
    zoom=st.none() | st.tuples(st.floats(-1e9, 0), st.floats(1, 2e12)),
)


def as_read(query):
    """As an address gives it: a list of texts for each name."""
    return {name: [value] if isinstance(value, str) else value for name, value in query.items()}


def test_the_address_of_the_first_view_is_empty():
    assert to_query(DEFAULT) == {} and from_query({}) == DEFAULT


@given(states)
@settings(deadline=None)
def test_a_view_comes_back_from_its_address(state):
    assert from_query(as_read(to_query(state))) == state


def test_an_address_is_short_and_readable():
    state = PageState(run=("a1", "b2"), axis=Axis.EPOCH, log=True, raw=False, zoom=(10.0, 200.5))
    assert to_query(state) == {
        "run": ["a1", "b2"],
        "axis": "epoch",
        "log": "1",
        "raw": "0",
        "zoom": "10~200.5",
    }


@pytest.mark.parametrize(
    "query",
    [
        {"axis": ["sideways"]},
        {"smooth": ["1.0"]},
        {"smooth": ["nan"]},
        {"smooth": ["-0.1"]},
        {"log": ["maybe"]},
        {"zoom": ["5~1"]},
        {"zoom": ["nan~1"]},
        {"zoom": ["1"]},
        {"zoom": ["1~2~3"]},
        {"folder": ["first"]},
        {"unknown": ["1"]},
        {"band": [""]},
    ],
)
def test_what_cannot_be_read_is_left_at_its_default(query):
    assert from_query(query) == DEFAULT


def test_an_endless_address_is_cut():
    assert len(from_query({"run": [str(number) for number in range(10_000)]}).run) == MAX_LISTED


def test_a_folder_below_zero_is_the_first():
    assert from_query({"folder": ["-3"]}).folder == 0
