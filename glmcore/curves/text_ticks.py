"""Round numbers for the axes of a chart in characters."""

import math
import sys

_DIGITS = 6  # of a number that is no round one


def plain_number(value: float) -> str:
    """A number as short as it can be said: steps whole, others in six digits."""
    if value == 0:
        return "0"
    if abs(value) < 1e15 and value == int(value):
        return str(int(value))
    return f"{value:.{_DIGITS}g}"


def choose_ticks(low: float, high: float, count: int, is_log: bool) -> list[tuple[float, str]]:
    """About `count` round values from `low` to `high`, with their labels.

    Args:
        is_log: `low` and `high` are powers of ten, and so are the values given back.
    """
    if is_log:
        return _log_ticks(low, high, count)
    step = _round_step(low, high, count)
    if step is None:
        return [(low, plain_number(low))]
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    values = [number * step for number in range(first, last + 1)]
    return list(zip(values, _labels(values, step), strict=True)) or [(low, plain_number(low))]


def _power_of_ten(exponent: float) -> float:
    """Where the logarithm of the greatest number was rounded up, its power is the greatest number."""
    return min(
        sys.float_info.max, math.pow(10.0, min(exponent, 308.0)) * math.pow(10.0, max(exponent - 308, 0.0))
    )


def _log_ticks(low: float, high: float, count: int) -> list[tuple[float, str]]:
    """Powers of ten; 1, 2 and 5 times them in a narrow range, and any round value in a very narrow one."""
    first, last = math.ceil(low), math.floor(high)
    if high - low >= 2:
        powers = range(first, last + 1, max(1, round((high - low) / count)))
        return [(float(power), f"1e{power}" if abs(power) > 3 else f"{10.0**power:g}") for power in powers]
    inside = [
        (power + math.log10(times), f"{_power_of_ten(power) * times:g}")
        for power in range(first - 1, last + 1)
        for times in (1, 2, 5)
    ]
    inside = [(value, label) for value, label in inside if low <= value <= high]
    if len(inside) > 1:
        return inside
    linear = choose_ticks(_power_of_ten(low), _power_of_ten(high), count, is_log=False)
    return [(math.log10(value), label) for value, label in linear if value > 0]


def _round_step(low: float, high: float, count: int) -> float | None:
    """1, 2 or 5 times a power of ten; None where the numbers are too near or too far apart to count in it."""
    span = high - low
    if not math.isfinite(span) or span <= 1e-12 * max(abs(low), abs(high)) or span < 1e-300:
        return None
    power = 10.0 ** math.floor(math.log10(span / count))
    return next(power * times for times in (1, 2, 5, 10, 20) if span / (power * times) <= count)


def _labels(values: list[float], step: float) -> list[str]:
    """All with the same number of digits, as many as tell them apart."""
    greatest = max(map(abs, values), default=0.0)
    smallest_digit = math.floor(math.log10(step) + 1e-9)
    if greatest and not 1e-3 <= greatest < 1e6:
        digits = max(0, math.floor(math.log10(greatest)) - smallest_digit)
        return [f"{value:.{digits}e}" if value else "0" for value in values]
    return [f"{value + 0.0:.{max(0, -smallest_digit)}f}" for value in values]
