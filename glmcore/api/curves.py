"""`/api/runs`: the runs below the server's folders, their curves and what can be said of them in words.

Those of jobs, and of any program whose logs lie in `log_roots`; they are for everybody who may use jobs.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Query
from pydantic import BaseModel

from glmcore.api.bounds import ERRORS, Id, Limit, Offset, ToldText
from glmcore.api.callers import JobsCaller
from glmcore.api.shared import Shared
from glmcore.core.errors import NotFoundError
from glmcore.curves.findings.finding import Severity
from glmcore.curves.metric_names import split_part
from glmcore.curves.run import Run, RunState
from glmcore.curves.views.axes import Axis, run_start
from glmcore.curves.views.decimation import LEAST_POINTS
from glmcore.curves.views.drawing import MOST_OF_A_CURVE
from glmcore.curves.views.lines import draw_line
from glmcore.curves.views.metric_choice import curves_by_base, default_metrics
from glmcore.curves.views.view import View
from glmcore.server.curves import CurveServices

READ_SECONDS = 1.5  # of one folder; of logs of gigabytes the next request reads on
LISTED_METRICS = 100  # of one run in the list; all that it has are told with the run
MOST_NAMES, LONGEST_NAME = 50, 200
LOOKED_AT = 3  # curves that tell the last step; all are in its rows

router = APIRouter(prefix="/api/runs", tags=["curves"], responses=ERRORS)
_reading = CapacityLimiter(2)  # threads of their own: logs that are read for seconds hold up nobody else


class RunInfo(BaseModel):
    """A run. `job_id` is set where it is a job's; `changed_at` is when its log last grew, since 1970."""

    id: str
    job_id: ToldText | None
    name: ToldText
    form: str
    state: RunState
    reason: ToldText | None
    last_step: float | None
    total_steps: float | None
    eta_seconds: float | None
    changed_at: float
    num_metrics: int
    metrics: list[ToldText]


class RunPage(BaseModel):
    """Some of the runs, the newest first of each folder, and how many there are."""

    runs: list[RunInfo]
    total: int


class FindingInfo(BaseModel):
    """A sentence about a curve, and the steps on which it rests."""

    rule: str
    severity: Severity
    text: ToldText
    metric: ToldText
    first_step: float
    last_step: float


class RunDetail(RunInfo):
    """All that is known of a run but its points."""

    config: dict[ToldText, ToldText | int | float | bool | None]
    findings: list[FindingInfo]
    problems: list[ToldText]


class Curve(BaseModel):
    """A metric: at most so many points as were asked for, the least and the greatest of each part among them.

    `x` is on the axis that was asked for. Of all `num_points` those in `num_lost` were no numbers.
    """

    name: ToldText
    num_points: int
    num_lost: int
    steps: list[float]
    x: list[float]
    values: list[float]


class RunCurves(BaseModel):
    """The curves that were asked for, without those that do not know the axis."""

    id: str
    axis: Axis
    curves: list[Curve]


@router.get("")
async def list_runs(shared: Shared, _caller: JobsCaller, limit: Limit = 50, offset: Offset = 0) -> RunPage:
    """The runs in the server's folders."""

    def read() -> RunPage:
        runs = list(_runs(shared.curves))
        shown = [RunInfo(**_values(shared.curves, run)) for run in runs[offset : offset + limit]]
        return RunPage(runs=shown, total=len(runs))

    return await to_thread.run_sync(read, limiter=_reading)


@router.get("/{run_id}")
async def get_run(shared: Shared, _caller: JobsCaller, run_id: Id) -> RunDetail:
    """One run: its settings, all its metrics, and findings in words."""

    def read() -> RunDetail:
        run = _find(shared.curves, run_id)
        values = _values(shared.curves, run) | {"metrics": list(run.curves)}
        problems = [note.text for note in run.problems]
        return RunDetail(
            **values, config=dict(run.config), findings=_findings(shared.curves, run), problems=problems
        )

    return await to_thread.run_sync(read, limiter=_reading)


@router.get("/{run_id}/metrics")
async def get_curves(
    shared: Shared,
    _caller: JobsCaller,
    run_id: Id,
    names: Annotated[
        list[Annotated[str, Query(max_length=LONGEST_NAME)]] | None, Query(max_length=MOST_NAMES)
    ] = None,
    axis: Axis = Axis.STEP,
    max_points: Annotated[int, Query(ge=LEAST_POINTS, le=MOST_OF_A_CURVE)] = 500,
) -> RunCurves:
    """The points of metrics; without names, of those that the page shows first.

    The axis `wall` counts milliseconds since 1970, `relative` seconds since the run's first point.
    """

    def read() -> RunCurves:
        run = _find(shared.curves, run_id)
        chosen = list(dict.fromkeys(names)) if names else _default_names(run)
        return RunCurves(id=run.id, axis=axis, curves=list(_curves(run, chosen, axis, max_points)))

    return await to_thread.run_sync(read, limiter=_reading)


def _runs(curves: CurveServices) -> Iterator[Run]:
    for number in range(len(curves.folders)):
        library, folder = curves.library(number)
        if folder.is_dir():  # that of the jobs comes with the first one
            runs, _notes = library.look([folder], READ_SECONDS)
            yield from curves.newest_first(number, runs)


def _find(curves: CurveServices, run_id: str) -> Run:
    for run in _runs(curves):
        if run.id == run_id:
            return run
    raise NotFoundError("There is no run {id!r} (any more); GET /api/runs lists those there are.", id=run_id)


def _values(curves: CurveServices, run: Run) -> dict[str, Any]:
    series = (run.curves[name] for name in islice(run.curves, LOOKED_AT))
    return {
        "id": run.id,
        "job_id": run.path.name if run.path.parent == curves.folders[0] else None,
        "name": run.name,
        "form": run.form,
        "state": run.status.state,
        "reason": run.status.reason,
        "last_step": max((float(one.steps[-1]) for one in series if len(one)), default=None),
        "total_steps": run.status.total_steps,
        "eta_seconds": run.status.eta_seconds,
        "changed_at": run.status.changed_at,
        "num_metrics": len(run.curves),
        "metrics": list(islice(run.curves, LISTED_METRICS)),
    }


def _findings(curves: CurveServices, run: Run) -> list[FindingInfo]:
    return [
        FindingInfo(
            rule=found.rule,
            severity=found.severity,
            text=found.note.text,
            metric=found.metric,
            first_step=found.first_step,
            last_step=found.last_step,
        )
        for found in curves.findings(run)
    ]


def _default_names(run: Run) -> list[str]:
    named = curves_by_base([run])
    return [name for base in default_metrics([run]) for _run, name, _part in named.get(base, ())][:MOST_NAMES]


def _curves(run: Run, names: list[str], axis: Axis, max_points: int) -> Iterator[Curve]:
    for name in names:
        if name not in run.curves:
            raise NotFoundError(
                "The run {run!r} has no metric {name!r}; GET /api/runs/{id} lists those it has.",
                run=run.name,
                name=name,
                id=run.id,
            )
        _base, part = split_part(name)
        line = draw_line(run, name, part, run_start(run), View(axis=axis), max_points)
        if line is not None:
            yield Curve(
                name=name,
                num_points=len(line.all_values),
                num_lost=len(line.lost_values),
                steps=line.points.steps.tolist(),
                x=line.points.x.tolist(),
                values=line.points.values.tolist(),
            )
