"""Runs as text: a table, a small chart for each group of metrics, findings, and what could not be read."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from functools import partial

import numpy as np

from glmcore.cli.table import NOTHING, format_table
from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark, translate
from glmcore.core.notes import Note
from glmcore.curves.findings.finding import Finding, Severity
from glmcore.curves.findings.rules import read_run
from glmcore.curves.metric_names import Direction, Part, direction_of, split_part
from glmcore.curves.plot_text import Line, draw, sparkline
from glmcore.curves.run import Run, RunState
from glmcore.curves.series import Series
from glmcore.curves.text_names import shown_name
from glmcore.curves.text_ticks import plain_number
from glmcore.curves.views.axes import Axis, axis_title, run_start, x_values
from glmcore.curves.views.best import best_point, last_finite
from glmcore.curves.views.metric_choice import curves_by_base, default_metrics
from glmcore.curves.views.smoothing import Smoothing, smooth

MAX_LINES = 24  # in a chart; more cannot be told apart
MAX_READ = 5  # runs whose good news is told too
MAX_SENTENCE = 1000  # places
SPARKLINE_WIDTH = 16
STATES: Mapping[RunState, str] = {
    RunState.PREPARING: mark("preparing"),
    RunState.RUNNING: mark("running"),
    RunState.STOPPED: mark("stopped"),
    RunState.FAILED: mark("failed"),
    RunState.FINISHED: mark("finished"),
    RunState.LOST: mark("lost"),
    RunState.UNKNOWN: NOTHING,
}
# In the order in which they are told; in a terminal that knows them, and in one that does not.
SIGNS: Mapping[Severity, tuple[str, str]] = {
    Severity.PROBLEM: ("✗", "x"),
    Severity.WARNING: ("!", "!"),
    Severity.INFO: ("·", "-"),
    Severity.GOOD: ("✓", "+"),
}
ALWAYS_TOLD = (Severity.PROBLEM, Severity.WARNING)

Reader = Callable[[Run], Sequence[Finding]]


def say(note: Note, language: str) -> str:
    """A note on one line; it may quote a log."""
    return shown_name(translate(note.template, language).format(**note.values), MAX_SENTENCE)


def check_metrics(runs: Sequence[Run], names: Sequence[str]) -> None:
    """Say which metrics no run has.

    Raises:
        ConfigError: names one that is near.
    """
    known = dict.fromkeys(name for run in runs for name in run.curves)
    for name in names:
        if name not in known:
            near = get_close_matches(name, list(known)[:1000], n=1) or list(known)[:1] or [NOTHING]
            raise ConfigError(
                "No run has a metric {name}; did you mean {near}?",
                name=shown_name(repr(name), 80),
                near=shown_name(near[0], 80),
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How runs are shown.

    Attributes:
        metrics: what was asked for; empty for the loss, or what there is instead.
    """

    metrics: tuple[str, ...] = ()
    axis: str = Axis.STEP
    smoothing: float = 0.0
    is_log: bool = False
    has_charts: bool = True
    has_findings: bool = True
    width: int = 80
    height: int = 10
    ascii_only: bool = False
    has_colors: bool = False
    language: str = "en"

    def text(self, runs: Sequence[Run], notes: Sequence[Note] = (), read: Reader | None = None) -> str:
        """All of it; `notes` are about the search."""
        read = read or partial(read_run, now=time.time())
        findings = {run.id: read(run) for run in runs} if self.has_findings else {}
        metrics = self.metrics or _default_metrics(runs)
        parts = [self._table(runs, metrics, findings)]
        if self.has_charts:
            parts += self._charts(runs, metrics)
        parts += self._sentences(runs, findings)
        problems = [say(note, self.language) for note in notes]
        problems += [
            f"{shown_name(run.name)}: {say(note, self.language)}" for run in runs for note in run.problems
        ]
        parts.append("\n".join(problems))
        return "\n\n".join(part for part in parts if part)

    def _table(
        self, runs: Sequence[Run], metrics: Sequence[str], findings: Mapping[str, Sequence[Finding]]
    ) -> str:
        _ = partial(translate, language=self.language)
        header = [_("run"), _("state"), _("step")]
        for name in metrics:
            has_best = direction_of(name) is not Direction.NEITHER
            header += [_("{metric}, best").format(metric=shown_name(name))] if has_best else []
            header.append(_("{metric}, last").format(metric=shown_name(name)))
        header += [_("findings")] if self.has_findings else []
        has_lines = bool(self.has_charts and not self.ascii_only and len(runs) > 1 and metrics)
        header += [shown_name(metrics[0])] if has_lines else []
        rows = [header]
        for run in runs:
            row = [shown_name(run.name), _(STATES[run.status.state]), _progress(run, metrics)]
            for name in metrics:
                row += _values(run.curves.get(name), direction_of(name))
            row += [self._counts(findings[run.id])] if self.has_findings else []
            if has_lines:
                series = run.curves.get(metrics[0])
                row.append("" if series is None else sparkline(series.values, SPARKLINE_WIDTH))
            rows.append(row)
        right = range(2, len(header) - self.has_findings - has_lines)
        return format_table([[self._plain(cell) for cell in row] for row in rows], right=right)

    def _charts(self, runs: Sequence[Run], metrics: Sequence[str]) -> list[str]:
        """A chart for all metrics that measure the same on different rows."""
        groups: dict[str, list[str]] = {}
        for name in metrics:
            groups.setdefault(split_part(name)[0], []).append(name)
        return [chart for base, names in groups.items() if (chart := self._chart(runs, base, names))]

    def _chart(self, runs: Sequence[Run], base: str, names: Sequence[str]) -> str:
        lines: list[Line] = []
        num_unknown = 0
        for run in runs:
            start = run_start(run)
            for name in names:
                series = run.curves.get(name)
                if series is None or not len(series):
                    continue
                x = x_values(series, Axis(self.axis), start)
                if x is None:
                    num_unknown += 1
                    continue
                y = smooth(x, series.values, Smoothing(weight=self.smoothing))
                lines.append(Line(_label(run, name, len(runs), len(names)), x, y, len(lines)))
        title = f"{shown_name(base)} · {translate(axis_title(Axis(self.axis)), self.language)}"
        parts = [self._plain(title)] if lines else []
        if lines:
            shown = lines[:MAX_LINES]
            parts.append(
                draw(
                    shown,
                    self.width,
                    self.height,
                    self.is_log,
                    self.ascii_only,
                    self.has_colors,
                    _format_x(Axis(self.axis)),
                )
            )
        if len(lines) > MAX_LINES:
            text = translate("Curves that are not drawn, as there are too many: {count}.", self.language)
            parts.append(text.format(count=len(lines) - MAX_LINES))
        if num_unknown:
            text = translate("{metric}: curves without a place on this axis: {count}.", self.language)
            parts.append(text.format(metric=shown_name(base), count=num_unknown))
        return "\n".join(parts)

    def _sentences(self, runs: Sequence[Run], findings: Mapping[str, Sequence[Finding]]) -> list[str]:
        """A paragraph for each run; of many runs only what should worry somebody."""
        parts, num_left = [], 0
        order = list(SIGNS)
        for run in runs:
            found = sorted(findings.get(run.id, ()), key=lambda one: order.index(one.severity))
            told = [one for one in found if len(runs) <= MAX_READ or one.severity in ALWAYS_TOLD]
            num_left += len(found) - len(told)
            lines = [f"{self._sign(one.severity)} {say(one.note, self.language)}" for one in told]
            if lines:
                title = [shown_name(run.name)] if len(runs) > 1 else []
                parts.append("\n".join([*title, *lines]))
        if num_left:
            text = translate(
                "Findings that are no worry: {count}; name fewer runs to read them.", self.language
            )
            parts.append(text.format(count=num_left))
        return parts

    def _counts(self, findings: Sequence[Finding]) -> str:
        counts = Counter(finding.severity for finding in findings)
        cells = [f"{self._sign(severity)}{counts[severity]}" for severity in SIGNS if counts[severity]]
        return " ".join(cells) or NOTHING

    def _sign(self, severity: Severity) -> str:
        return SIGNS[severity][1 if self.ascii_only else 0]

    def _plain(self, text: str) -> str:
        return text.replace(NOTHING, "-").replace(" · ", " - ") if self.ascii_only else text


def _default_metrics(runs: Sequence[Run]) -> tuple[str, ...]:
    """The loss on both kinds of rows; where there is none, what the page would show first."""
    curves = curves_by_base(runs)
    names: dict[str, Part] = {}
    longest: Counter[str] = Counter()
    for base in default_metrics(runs)[:1]:
        for run, name, part in curves[base]:
            names[name] = part
            longest[name] = max(longest[name], len(run.curves[name]))
    # A single value beside a curve is what a trainer tells at its end, such as the mean of the whole.
    with_curve = {part for name, part in names.items() if longest[name] > 1}
    return tuple(name for name, part in names.items() if longest[name] > 1 or part not in with_curve)


def _progress(run: Run, metrics: Sequence[str]) -> str:
    """The last step of the metrics shown, and of the first that the log has."""
    names = dict.fromkeys([*metrics, *(name for _, name in zip(range(3), run.curves, strict=False))])
    curves = [series for name in names if (series := run.curves.get(name)) is not None and len(series)]
    if not curves:
        return NOTHING
    last = plain_number(max(float(series.steps[-1]) for series in curves))
    return last if run.status.total_steps is None else f"{last}/{plain_number(run.status.total_steps)}"


def _values(series: Series | None, direction: Direction) -> list[str]:
    last = last_finite(series) if series is not None else None
    cells = [NOTHING if last is None else f"{last:.4g}"]
    if direction is Direction.NEITHER:
        return cells
    best = best_point(series, direction) if series is not None else None
    return [NOTHING if best is None else f"{best.value:.4g} @ {plain_number(best.step)}", *cells]


def _label(run: Run, metric: str, num_runs: int, num_metrics: int) -> str:
    if num_runs == 1:
        return metric
    return run.name if num_metrics == 1 else f"{shown_name(run.name, 24)} {metric}"


def _format_x(axis: Axis) -> Callable[[float], str]:
    return {Axis.WALL: _clock_time, Axis.RELATIVE: _duration}.get(axis, plain_number)


def _clock_time(milliseconds: float) -> str:
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000).astimezone()
    except (ValueError, OverflowError, OSError):  # the last hours of the year 9999
        return plain_number(milliseconds)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _duration(seconds: float) -> str:
    """`1:02:03`; what is no usual duration as a number."""
    if not np.isfinite(seconds) or not 0 <= seconds < 1e9:
        return plain_number(seconds)
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
