"""`curves`: what runs wrote, as a table, small charts and findings in words; again and again if asked."""

import argparse
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from glmcore.cli.arguments import Commands, add_command, readable
from glmcore.core.errors import ConfigError, StorageError
from glmcore.core.i18n import translate
from glmcore.core.notes import Note
from glmcore.core.settings import Settings

if TYPE_CHECKING:
    from glmcore.cli.curves_report import Report
    from glmcore.curves.run import Run

EXIT_PROBLEM = 1
AXES = ("step", "epoch", "tokens", "relative", "wall")
WATCH_SECONDS = (0.5, 3600.0)
LOOK_AGAIN_SECONDS = 60.0  # without a new point: only the time has changed, which findings may tell
CHART_HEIGHTS = (10, 7, 4)  # the largest with which a watched report fits on the screen
CLEAR_SCREEN, HOME, CLEAR_LINE, CLEAR_REST = "\x1b[2J", "\x1b[H", "\x1b[K", "\x1b[J"
CUT_LINES, WRAP_LINES = "\x1b[?7l", "\x1b[?7h"

Look = Callable[[], "tuple[list[Run], tuple[Note, ...]]"]


def add_curves(commands: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    curves = add_command(
        commands, "curves", _("show the curves of runs and what they say"), run_curves, language
    )
    group = curves.add_argument_group(_("Options"))
    paths_help = _("folders of runs at any depth, or logs: of this program, the Trainer, TensorBoard, CSV, …")
    group.add_argument("paths", metavar="PATH", type=Path, nargs="+", help=paths_help)
    metric_help = _("metrics to show, as the log names them; the loss by default")
    group.add_argument("--metric", metavar="NAME", nargs="+", action="extend", default=[], help=metric_help)
    group.add_argument("--axis", choices=AXES, default="step", help=_("what the charts are drawn along"))
    smooth_help = _("smooth the charts as TensorBoard does; 0 or more and less than 1")
    group.add_argument("--smooth", metavar="WEIGHT", type=float, default=0.0, help=smooth_help)
    group.add_argument("--log", action="store_true", help=_("logarithmic charts"))
    group.add_argument("--no-chart", action="store_true", help=_("no charts"))
    group.add_argument(
        "--findings", action="store_true", default=True, help=_("findings in words; the default")
    )
    group.add_argument("--no-findings", action="store_false", dest="findings", help=_("no findings"))
    group.add_argument(
        "--width", metavar="PLACES", type=int, help=_("of the charts; the terminal's by default")
    )
    csv_help = _("write every point to a file (- for standard output) instead")
    group.add_argument("--csv", metavar="FILE", help=csv_help)
    watch_help = _("show again what changed, every 2 seconds by default, until no run goes on")
    group.add_argument("--watch", metavar="SECONDS", type=float, nargs="?", const=2.0, help=watch_help)


def run_curves(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    _check(arguments)
    from glmcore.cli.curves_report import Report, check_metrics, say
    from glmcore.curves.library import CurveLibrary

    library = CurveLibrary(settings.home / "curves" / "cache")
    look: Look = partial(library.look, arguments.paths, math.inf)
    runs, notes = look()
    if not runs:
        text = translate("No run was found in {paths}: no log of a known form lies there.", language)
        for note in notes:
            print(say(note, language), file=sys.stderr)
        print(text.format(paths=_listed(arguments.paths)), file=sys.stderr)
        return EXIT_PROBLEM
    if arguments.watch is None:
        check_metrics(runs, arguments.metric)
    if arguments.csv is not None:
        _write_csv(runs, arguments.metric, arguments.csv, language)
        return 0
    report = Report(
        metrics=tuple(arguments.metric),
        axis=arguments.axis,
        smoothing=arguments.smooth,
        is_log=arguments.log,
        has_charts=not arguments.no_chart,
        has_findings=arguments.findings,
        width=arguments.width or get_terminal_size().columns,
        language=language,
        **_abilities(),
    )
    if arguments.watch is None:
        print(report.text(runs, notes))
    else:
        watch(look, report, arguments.watch)
    return 0


def watch(look: Look, report: "Report", seconds: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """Show the report whenever something changed, until no run goes on."""
    shown, shown_at = None, -math.inf
    is_terminal = sys.stdout.isatty()
    while True:
        runs, notes = look()
        state = [(run.id, run.revision, run.status) for run in runs]
        if state != shown or time.monotonic() - shown_at > LOOK_AGAIN_SECONDS:
            if is_terminal:
                _redraw(runs, notes, report, is_first=shown is None)
            else:
                print(report.text(runs, notes), end="\n\n", flush=True)
            shown, shown_at = state, time.monotonic()
        if not any(run.status.is_live for run in runs):
            print(("\n" if is_terminal else "") + translate("No run goes on any more.", report.language))
            return
        sleep(seconds)


def _check(arguments: argparse.Namespace) -> None:
    if arguments.csv is not None and arguments.watch is not None:
        raise ConfigError("--csv and --watch were both given; leave one.")
    least, most = WATCH_SECONDS
    if arguments.watch is not None and not least <= arguments.watch <= most:
        raise ConfigError(
            "--watch is {seconds}; expected seconds from {least} to {most}.",
            seconds=arguments.watch,
            least=least,
            most=most,
        )
    if not 0.0 <= arguments.smooth < 1.0:
        raise ConfigError(
            "The smoothing is {weight}; expected 0 or more and less than 1.", weight=arguments.smooth
        )


def _abilities() -> dict[str, bool]:
    """What standard output can show."""
    from glmcore.curves.plot_text import is_drawable

    knows_orders = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return {
        "ascii_only": not is_drawable(sys.stdout.encoding),
        "has_colors": knows_orders and not os.environ.get("NO_COLOR"),
    }


def _redraw(runs: "Sequence[Run]", notes: Sequence[Note], report: "Report", is_first: bool) -> None:
    """Draw over what was drawn before; what does not fit on the screen is cut off at the bottom."""
    size = get_terminal_size()
    lines: list[str] = []
    for height in CHART_HEIGHTS:
        lines = replace(report, height=height).text(runs, notes).split("\n")
        if len(lines) < size.lines - 1 or not report.has_charts:
            break
    if len(lines) >= size.lines - 1:
        lines = [*lines[: max(1, size.lines - 3)], "…"]
    start = (CLEAR_SCREEN if is_first else "") + HOME + CUT_LINES
    sys.stdout.write(start + "".join(f"{line}{CLEAR_LINE}\n" for line in lines) + WRAP_LINES + CLEAR_REST)
    sys.stdout.flush()


def _write_csv(runs: "Sequence[Run]", metrics: Sequence[str], target: str, language: str) -> None:
    from glmcore.curves.views.export import iter_all_csv

    if metrics:
        runs = [
            replace(run, curves={name: run.curves[name] for name in metrics if name in run.curves})
            for run in runs
        ]
    pieces = iter_all_csv(runs)
    if target == "-":
        for piece in pieces:
            sys.stdout.write(piece)
        return
    path = Path(target)
    if path.exists() and not path.is_file():
        raise ConfigError(
            "--csv is {path}, which is not a file; name a file, or - for the output.", path=path
        )
    _write_whole(path.resolve(), pieces)
    print(translate("Every point is in {path}.", language).format(path=readable(target)))


def _write_whole(path: Path, pieces: Iterable[str]) -> None:
    """Write a file: there is the old one or the new one, never a part."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("w", encoding="utf-8", newline="") as file:
            file.writelines(pieces)
        os.replace(beside, path)
    except OSError as fault:
        raise StorageError(
            "{path} cannot be written: {fault}.", path=path, fault=fault.strerror or fault
        ) from fault
    finally:
        beside.unlink(missing_ok=True)


def _listed(paths: Sequence[Path]) -> str:
    return ", ".join(readable(str(path)) for path in paths[:5]) + (", …" if len(paths) > 5 else "")
