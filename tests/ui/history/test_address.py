"""Which conversations an address means."""

from zoneinfo import ZoneInfo

import pytest

from glmcore.history import ConversationFilter
from glmcore.ui.history.address import from_query, start_of, to_query

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")


def as_lists(query: dict[str, str | list[str]]) -> dict[str, list[str]]:
    return {name: value if isinstance(value, list) else [value] for name, value in query.items()}


@pytest.mark.parametrize("zone", [SHANGHAI, NEW_YORK])
def test_a_filter_comes_back_from_its_address_in_every_time_zone(zone: ZoneInfo) -> None:
    day = from_query({"from": ["2026-11-01"], "to": ["2026-11-01"]}, zone)  # clocks change in New York
    chosen = ConversationFilter(
        shelf=None,
        is_pinned=True,
        since=day.since,
        until=day.until,
        models=("a", "b & c"),
        adapters=("", "x"),
        tags=("重要", "<b>"),
        ratings=("up", "unrated"),
        min_stars=3,
        min_turns=2,
        max_turns=9,
        words='微调 "a b" -c',
    )
    assert from_query(as_lists(to_query(chosen, zone)), zone) == chosen
    assert day.until is not None and day.since is not None and 24 <= (day.until - day.since) / 3600 <= 25


def test_an_address_without_conditions_means_all_that_are_open() -> None:
    assert from_query({}, SHANGHAI) == ConversationFilter()
    assert to_query(ConversationFilter(), SHANGHAI) == {}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("shelf", "attic"),
        ("pinned", "yes"),
        ("stars", "6"),
        ("stars", "-1"),
        ("turns", "9" * 5000),
        ("turns", "²"),
        ("most", "0"),
        ("from", "yesterday"),
        ("to", "9999-12-31"),
        ("rating", "excellent"),
    ],
)
def test_what_cannot_be_read_in_an_address_asks_nothing(name: str, text: str) -> None:
    assert from_query({name: [text]}, SHANGHAI) == ConversationFilter()


def test_an_endless_address_is_cut() -> None:
    chosen = from_query({"q": ["x" * 100_000], "tag": [str(number) for number in range(5_000)]}, SHANGHAI)
    assert len(chosen.words) == 500 and len(chosen.tags) == 50


def test_a_day_begins_when_it_does_for_the_reader() -> None:
    chosen = from_query({"from": ["2026-11-22"]}, SHANGHAI)
    assert chosen.since == 1_795_276_800.0
    assert start_of(None, SHANGHAI) is None
