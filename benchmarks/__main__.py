"""`python -m benchmarks [NAME…]`: measure all or the named, and exit with 1 when a target is missed."""

import sys
from collections.abc import Callable, Iterator

from benchmarks import (
    conversion,
    cpu_engine,
    cpu_engine_pages,
    curve_library,
    curves,
    engine,
    families,
    history,
    history_carry,
    history_search,
    http,
    http_costs,
    jobs,
    page,
    scoring,
    tuning,
)
from benchmarks.report import Measurement

BENCHMARKS: dict[str, Callable[[], Iterator[Measurement]]] = {
    "engine": engine.measure,
    "memory": engine.measure_memory,
    "cpu_engine": cpu_engine.measure,
    "cpu_engine_settings": cpu_engine.measure_settings,
    "cpu_engine_pages": cpu_engine_pages.measure,
    "families": families.measure,
    "quantized": families.measure_quantized,
    "conversion": conversion.measure,
    "page": page.measure,
    "scoring": scoring.measure,
    "tuning": tuning.measure,
    "preparing": tuning.measure_preparing,
    "curves": curves.measure,
    "curve_library": curve_library.measure,
    "jobs": jobs.measure,
    "history": history.measure,
    "history_search": history_search.measure,
    "history_carry": history_carry.measure,
    "http": http.measure,
    "http_costs": http_costs.measure,
    "http_soak": http_costs.measure_soak,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"unknown benchmark {unknown[0]!r}; choose from {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 2
    missed = 0
    for name in names or BENCHMARKS:
        for measurement in BENCHMARKS[name]():
            print(measurement.line(), flush=True)
            missed += not measurement.is_met
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
