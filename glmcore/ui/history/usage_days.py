"""What was answered per day of the reader's calendar and model, out of the hours that were counted.

An hour belongs to the day in which it begins: where a zone is half an hour off, a few answers around midnight
count for the day before. Long times are told by week or by month.
"""

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import date, datetime, timedelta, tzinfo

from glmcore.history.usage import UsageHour

MOST_DAYS, MOST_WEEKS = 92, 104  # that one chart tells apart

Who = tuple[str, str]  # a model and its adapter; an empty adapter is none


@dataclass(frozen=True, slots=True)
class Counts:
    """`seconds` is how long the answers took."""

    conversations: int = 0
    answers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def tokens_per_second(self) -> float | None:
        return self.completion_tokens / self.seconds if self.seconds > 0 else None


Days = Mapping[date, Mapping[Who, Counts]]


def per_day(hours: Iterable[UsageHour], zone: tzinfo) -> Days:
    """The counts of each day on which something was answered, in order."""
    days: dict[date, dict[Who, Counts]] = {}
    for hour in sorted(hours, key=lambda each: each.start):
        day = datetime.fromtimestamp(hour.start, zone).date()
        _add(days.setdefault(day, {}), (hour.model, hour.adapter or ""), _counts(hour))
    return days


def spans(days: Days, first: date, last: date) -> Days:
    """Every day from the first to the last, or every week or month of a long time, also the empty ones."""
    length = (last - first).days + 1
    begin = _same if length <= MOST_DAYS else _monday if length <= 7 * MOST_WEEKS else _first_of_month
    found: dict[date, dict[Who, Counts]] = {
        begin(first + timedelta(days=number)): {} for number in range(length)
    }
    for day, by_who in days.items():
        if first <= day <= last:
            for who, counts in by_who.items():
                _add(found[begin(day)], who, counts)
    return found


def totals(days: Days) -> dict[Who, Counts]:
    """Of each model over all days, the one with the most tokens first."""
    found: dict[Who, Counts] = {}
    for by_who in days.values():
        for who, counts in by_who.items():
            _add(found, who, counts)
    return dict(sorted(found.items(), key=lambda item: (-item[1].tokens, item[0])))


def _counts(hour: UsageHour) -> Counts:
    return Counts(hour.conversations, hour.answers, hour.prompt_tokens, hour.completion_tokens, hour.seconds)


def _add(found: dict[Who, Counts], who: Who, counts: Counts) -> None:
    found[who] = found.get(who, Counts()) + counts


def _same(day: date) -> date:
    return day


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _first_of_month(day: date) -> date:
    return day.replace(day=1)
