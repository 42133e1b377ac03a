"""The library of runs: opening again, refreshing live runs, memory, and a run of five million points."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.curves import NUM_RUNS, NUM_STEPS, write_logs
from benchmarks.report import Measurement
from glmcore.curves.library import CurveLibrary

LONG_STEPS = 2_500_000  # of two scalars: five million points
SECOND_OPENING_SECONDS, REFRESH_SECONDS, BYTES_A_SCALAR = 0.050, 0.010, 40
FIGURE_BYTES = 1 << 20
# Peak memory of reading a folder, beside a process that has imported the same and read one line.
PEAK = """
import sys
from pathlib import Path
from glmcore.curves.library import CurveLibrary
def peak(folder):
    library = CurveLibrary(None)
    library.find([Path(folder)])
    runs = library.refresh()
    count = sum(log.table.num_values for run in library._open.values() for log in run.logs)
    # Not getrusage's: that one is inherited from the process that started this one.
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return count, int(status["VmHWM"].split()[0]) * 1024
_, before = peak(sys.argv[1])
count, after = peak(sys.argv[2])
print(count, after - before)
"""


def measure() -> Iterator[Measurement]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        written = write_logs(folder)
        logs = written.trainer_logs
        small = folder / "small" / "trainer_log.jsonl"
        small.parent.mkdir()
        small.write_text("".join(json.dumps({"current_steps": n, "loss": 1.0}) + "\n" for n in range(2000)))
        yield _second_opening(logs, folder / "cache")
        yield _refresh(logs)
        for kind in (written.metrics, logs, written.events):
            yield _memory(small.parent, kind, f"{NUM_RUNS} runs of {NUM_STEPS:,} steps, {kind.name}")
        long = folder / "long" / "metrics.jsonl"
        long.parent.mkdir()
        _write_long(long)
        yield _memory(small.parent, long.parent, "five million points")
        yield from _long_run(long.parent)


def _second_opening(logs: Path, cache: Path) -> Measurement:
    def open_all() -> float:
        began = time.perf_counter()
        library = CurveLibrary(cache)
        library.find([logs])
        runs = library.refresh()
        assert len(runs) == NUM_RUNS and all(len(run.curves["loss"]) == NUM_STEPS for run in runs)
        return time.perf_counter() - began

    first, second = open_all(), median(open_all() for _ in range(7))
    detail = f"{second * 1000:.0f} ms after {first * 1000:.0f} ms"
    return Measurement("second opening / 50 ms", second / SECOND_OPENING_SECONDS, detail, at_most=1.0)


def _refresh(logs: Path) -> Measurement:
    library = CurveLibrary(None)
    library.find([logs])
    library.refresh()
    seconds = []
    for step in range(1, 21):
        for path in logs.rglob("*.jsonl"):
            with path.open("a") as file:
                file.write(json.dumps({"current_steps": NUM_STEPS + step, "loss": 0.5, "lr": 1e-5}) + "\n")
        began = time.perf_counter()
        runs = library.refresh()
        seconds.append(time.perf_counter() - began)
        assert all(len(run.curves["loss"]) == NUM_STEPS + step for run in runs)
    middle = median(seconds)
    detail = f"{middle * 1000:.1f} ms for {NUM_RUNS} runs with a line each (worst {max(seconds) * 1000:.1f})"
    return Measurement("refresh / 10 ms", middle / REFRESH_SECONDS, detail, at_most=1.0)


def _memory(small: Path, logs: Path, what: str) -> Measurement:
    command = [sys.executable, "-c", PEAK, str(small), str(logs)]
    count, peak = map(int, subprocess.check_output(command, text=True).split())
    return Measurement(
        "peak bytes a scalar / 40",
        peak / count / BYTES_A_SCALAR,
        f"{peak / count:.1f} of {what}",
        at_most=1.0,
    )


def _write_long(path: Path) -> None:
    with path.open("w") as file:
        for step in range(1, LONG_STEPS + 1):
            file.write(
                f'{{"loss": {1 + 1000 / (500 + step) + step % 7 / 100:.5f}, "grad_norm": 0.5, '
                f'"step": {step}}}\n'
            )


def _long_run(folder: Path) -> Iterator[Measurement]:
    from glmcore.curves.views.charts import build_charts
    from glmcore.curves.views.smoothing import Smoothing
    from glmcore.curves.views.view import View

    library = CurveLibrary(None)
    library.find([folder])
    began = time.perf_counter()
    runs = library.refresh()
    read = time.perf_counter() - began
    began = time.perf_counter()
    charts = build_charts(runs, View(smoothing=Smoothing(weight=0.6)), {})
    drawn = time.perf_counter() - began
    size = len(json.dumps([[chart.traces, chart.layout] for chart in charts]))
    detail = f"{size / 1024:.0f} KiB; read in {read:.1f} s, drawn in {drawn:.2f} s"
    yield Measurement("figure of 5 million points / 1 MiB", size / FIGURE_BYTES, detail, at_most=1.0)
