"""Numbers as logs write them: `NaN` in all spellings, numbers inside quotes, clock times and durations."""

import math
import re
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
AnyArray = NDArray[Any]

LONGEST_NUMBER = 40  # letters; longer texts are no numbers, and `float` of a long text is slow
_OF_WINDOWS = re.compile(r"[+-]?(?:1\.#(inf|ind|qnan|snan)0*|(nan)\((?:ind|snan)\))")
_DURATION = re.compile(r"(?:(\d{1,6}) days?, )?(\d{1,6}):([0-5]?\d):([0-5]?\d(?:\.\d{1,9})?)")


def parse_number(value: Any) -> float | None:
    """The number that a value of a log means; None where it is none (a truth, a text, a list)."""
    if isinstance(value, float):
        return value
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if not isinstance(value, str) or len(value) > LONGEST_NUMBER:
        return None
    text = value.strip().lower()
    try:
        return float(text)  # knows nan, inf and infinity with and without a sign
    except ValueError:
        if not (found := _OF_WINDOWS.fullmatch(text)):
            return None
    if found[1] != "inf":
        return math.nan
    return -math.inf if text.startswith("-") else math.inf


def parse_time(value: Any) -> float | None:
    """Seconds: since 1970 of a clock time (a number, ISO 8601), since the start of a duration `0:12:30`."""
    number = parse_number(value)
    if number is not None or not isinstance(value, str) or len(value) > LONGEST_NUMBER:
        return number
    if found := _DURATION.fullmatch(value.strip()):
        days, hours, minutes, seconds = found.groups()
        return int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def as_floats(values: Any) -> FloatArray:
    return np.asarray(values, dtype=np.float64)
