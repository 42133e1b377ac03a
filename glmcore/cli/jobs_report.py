"""Jobs as text: the table of all, and everything that is known of one."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from glmcore.cli.table import NOTHING, format_table
from glmcore.core.errors import GlmcoreError
from glmcore.core.i18n import mark, translate, translate_error
from glmcore.core.notes import Note
from glmcore.curves.metric_names import Direction, direction_of
from glmcore.curves.text_names import shown_name
from glmcore.jobs.failures import Failure, explain_failure, read_reason
from glmcore.jobs.job import Job, JobKind, JobState
from glmcore.jobs.log_tail import LINES, last_lines
from glmcore.jobs.progress import JobProgress
from glmcore.jobs.service import JobService
from glmcore.tuning.checkpoints import Checkpoint, list_checkpoints

LONGEST_CELL, LONGEST_TEXT = 28, 2000  # places
MIB = 1 << 20
STATES: Mapping[JobState, str] = {
    JobState.QUEUED: mark("queued"),
    JobState.RUNNING: mark("running"),
    JobState.STOPPING: mark("stopping"),
    JobState.STOPPED: mark("stopped"),
    JobState.FAILED: mark("failed"),
    JobState.FINISHED: mark("finished"),
    JobState.LOST: mark("lost"),
}
KINDS: Mapping[JobKind, str] = {
    JobKind.TRAIN: mark("training"),
    JobKind.PREDICT: mark("evaluation"),
    JobKind.CALIBRATE: mark("time estimate"),
}


def jobs_table(service: JobService, jobs: Sequence[Job], language: str) -> str:
    """A line per job."""
    _ = partial(translate, language=language)
    places = {job.id: place for place, job in enumerate(service.queue.queued(), start=1)}
    rows = [
        (
            _("id"),
            _("state"),
            _("progress"),
            _("time left"),
            _("method"),
            _("base model"),
            _("data"),
            _("best loss"),
            _("last loss"),
            _("duration"),
        )
    ]
    for job in jobs:
        progress = service.progress(job)
        place = f" {places[job.id]}" if job.id in places else ""
        rows.append(
            (
                job.id,
                _(STATES[job.state]) + place,
                _steps(progress),
                clock(progress.eta_seconds) if job.state.is_live else NOTHING,
                job.method,
                shown_name(job.base_model, LONGEST_CELL),
                shown_name(job.data, LONGEST_CELL),
                _number(best_loss(progress)),
                _number(progress.last_loss),
                clock(progress.seconds),
            )
        )
    return format_table(rows, right=(2, 3, 7, 8, 9))


def job_values(service: JobService, job: Job) -> dict[str, Any]:
    """One job as JSON values, for programs."""
    values = asdict(job) | {"needs": str(job.needs), "stop": job.stop and str(job.stop)}
    del values["config"], values["process"]
    return values | {"summary": None, "progress": service.progress(job).to_dict()}


def job_report(service: JobService, job: Job, language: str) -> str:
    """Everything that is known of one job."""
    _ = partial(translate, language=language)
    progress, folder = service.progress(job), service.folder(job.id)
    rows = [(_(label), shown_name(value, LONGEST_TEXT)) for label, value in _facts(job, progress, language)]
    rows.append((_("folder"), shown_name(str(folder.path), LONGEST_TEXT)))
    parts = [format_table(rows)]
    if checkpoints := list_checkpoints(folder):
        parts.append(_checkpoint_table(checkpoints, language))
    if job.state in (JobState.FAILED, JobState.LOST):
        reason = read_reason(job.reason)
        failure = explain_failure(job.exit_code, reason, last_lines(folder.log, LINES), job.state)
        parts.append(failure_text(failure, language))
    if job.state.has_ended:
        problem = service.resume_problem(job)
        more = " --max-steps N" if job.state is JobState.FINISHED else ""
        command = f"python -m glmcore jobs resume {job.id}{more}"
        go_on = _("Go on with it: {command}").format(command=command)
        parts.append(_said(problem, language) if problem else go_on)
    return "\n\n".join(parts)


def failure_text(failure: Failure, language: str) -> str:
    """What happened, what that means, and the end of the log."""
    lines = [_said(failure.sentence, language)]
    if failure.meaning is not None:
        lines.append(_said(failure.meaning, language))
    if failure.lines:
        lines += ["", translate("The log ends with:", language)]
        lines += [f"  {shown_name(line, LONGEST_TEXT)}" for line in failure.lines]
    return "\n".join(lines)


def best_loss(progress: JobProgress) -> float | None:
    """Of an evaluation where there was one."""
    return progress.best_loss if progress.best_eval_loss is None else progress.best_eval_loss


def clock(seconds: float | None) -> str:
    """`1:02:03`."""
    if seconds is None or not 0 <= seconds < 1e9:
        return NOTHING
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def _facts(job: Job, progress: JobProgress, language: str) -> Iterator[tuple[str, str]]:
    """Labels to be translated, and values; what is not known is left out."""
    _ = partial(translate, language=language)
    devices = ", ".join(job.devices) or str(job.needs)
    speed, memory = progress.tokens_per_second, progress.memory_bytes
    facts = (
        (mark("id"), job.id),
        (mark("name"), job.name),
        (mark("note"), job.note),
        (mark("kind"), _(KINDS[job.kind])),
        (mark("state"), _(STATES[job.state])),
        (mark("batch"), job.batch),
        (mark("made from"), job.parent_id),
        (mark("method"), job.method),
        (mark("base model"), job.base_model),
        (mark("data"), job.data),
        (mark("devices"), f"{devices} ({job.host})" if job.host else devices),
        (mark("submitted"), _date(job.created_at)),
        (mark("started"), _date(job.claimed_at)),
        (mark("ended"), _date(job.ended_at)),
        (mark("attempts"), str(job.attempt or "")),
        (mark("progress"), _steps(progress)),
        (mark("time left"), clock(progress.eta_seconds) if job.state.is_live else NOTHING),
        (mark("duration"), clock(progress.seconds)),
        (mark("last loss"), _number(progress.last_loss)),
        (mark("best loss"), _number(progress.best_loss)),
        (mark("best loss of an evaluation"), _number(progress.best_eval_loss)),
        (mark("tokens per second"), NOTHING if speed is None else f"{speed:.0f}"),
        (mark("memory"), NOTHING if memory is None else f"{memory / MIB:.0f} MiB"),
        (mark("exit code"), NOTHING if job.exit_code is None else str(job.exit_code)),
    )
    yield from ((label, value) for label, value in facts if value and value != NOTHING)


def _checkpoint_table(checkpoints: Sequence[Checkpoint], language: str) -> str:
    _ = partial(translate, language=language)
    names = sorted({name for one in checkpoints for name in one.metrics if _is_score(name)})
    rows = [(_("checkpoint"), _("size"), *(shown_name(name) for name in names), "")]
    for one in checkpoints:
        cells = [_number(one.metrics.get(name)) for name in names]
        size = f"{_size(one.path) / MIB:.1f} MiB"
        rows.append((one.path.name, size, *cells, _("best") if one.is_best else ""))
    return format_table(rows, right=range(1, len(names) + 2))


def _is_score(metric: str) -> bool:
    return direction_of(metric) is not Direction.NEITHER and not metric.endswith("per_second")


def _size(folder: Path) -> int:
    """Bytes of a checkpoint; one that is removed meanwhile has none."""
    try:
        return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    except OSError:
        return 0


def _said(text: Note | GlmcoreError, language: str) -> str:
    if isinstance(text, GlmcoreError):
        return "\n".join(
            shown_name(line, LONGEST_TEXT) for line in translate_error(text, language).split("\n")
        )
    return shown_name(translate(text.template, language).format(**text.values), LONGEST_TEXT)


def _steps(progress: JobProgress) -> str:
    if not progress.total:
        return str(progress.step) if progress.step else NOTHING
    return f"{progress.step}/{progress.total} {min(1.0, progress.step / progress.total):4.0%}"


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) else NOTHING


def _date(seconds: float | None) -> str:
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
