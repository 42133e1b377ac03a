"""Hours become days of the reader's calendar, and weeks or months where the time is long."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from glmcore.history.usage import UsageHour
from glmcore.ui.history.usage_days import Counts, per_day, spans, totals

SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 11, 22)


def hour(at: str, model: str = "glm", adapter: str | None = None, answers: int = 1) -> UsageHour:
    return UsageHour(
        start=datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp(),
        model=model,
        adapter=adapter,
        conversations=1,
        answers=answers,
        prompt_tokens=10 * answers,
        completion_tokens=5 * answers,
        seconds=2.0 * answers,
    )


def test_an_hour_belongs_to_the_day_of_the_reader() -> None:
    hours = [hour("2026-11-21T15:00"), hour("2026-11-21T16:00", answers=3)]
    assert list(per_day(hours, UTC)) == [date(2026, 11, 21)]
    days = per_day(hours, SHANGHAI)
    assert [(day.day, by_who["glm", ""].answers) for day, by_who in days.items()] == [(21, 1), (22, 3)]


def test_a_day_with_a_change_of_clocks_has_25_hours() -> None:
    began = datetime(2026, 10, 24, 22, tzinfo=UTC)
    hours = [hour((began + timedelta(hours=n)).isoformat()[:16]) for n in range(25)]
    days = per_day(hours, ZoneInfo("Europe/Berlin"))
    assert {day: by_who["glm", ""].answers for day, by_who in days.items()} == {date(2026, 10, 25): 25}


def test_models_and_their_adapters_are_told_apart_and_added() -> None:
    hours = [hour("2026-11-21T01:00"), hour("2026-11-21T02:00"), hour("2026-11-21T02:00", adapter="tuned")]
    by_who = per_day(hours, UTC)[date(2026, 11, 21)]
    assert by_who["glm", ""] == Counts(2, 2, 20, 10, 4.0)
    assert by_who["glm", "tuned"].tokens == 15


def test_days_without_answers_are_shown_empty() -> None:
    days = spans(per_day([hour("2026-11-20T01:00")], UTC), TODAY - timedelta(days=6), TODAY)
    assert len(days) == 7 and sum(map(len, days.values())) == 1


def test_what_lies_outside_of_the_time_is_left_out() -> None:
    days = per_day([hour("2026-11-20T01:00"), hour("2027-01-01T01:00")], UTC)
    assert totals(spans(days, TODAY - timedelta(days=6), TODAY))["glm", ""].answers == 1


def test_months_of_days_are_told_by_week_and_years_by_month() -> None:
    days = per_day([hour("2026-11-22T01:00"), hour("2026-11-18T01:00")], UTC)
    weeks = spans(days, TODAY - timedelta(days=200), TODAY)
    assert {day.weekday() for day in weeks} == {0} and weeks[date(2026, 11, 16)]["glm", ""].answers == 2
    months = spans(days, TODAY - timedelta(days=1000), TODAY)
    assert {day.day for day in months} == {1} and months[date(2026, 11, 1)]["glm", ""].answers == 2


def test_the_model_with_the_most_tokens_comes_first() -> None:
    days = per_day([hour("2026-11-20T01:00", "a"), hour("2026-11-21T01:00", "b", answers=2)], UTC)
    assert [model for model, _adapter in totals(days)] == ["b", "a"]


def test_speed_is_unknown_where_no_time_was_measured() -> None:
    assert Counts(completion_tokens=5).tokens_per_second is None
    assert Counts(completion_tokens=5, seconds=2.0).tokens_per_second == 2.5
