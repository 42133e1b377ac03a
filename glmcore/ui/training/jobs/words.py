"""Jobs in words: states, methods, sizes, lengths of time, and the pictures of states."""

import math
import time
from collections.abc import Mapping
from functools import cache
from urllib.parse import quote

from glmcore.jobs.job import Job, JobKind, JobState, StopWish
from glmcore.jobs.progress import JobProgress
from glmcore.ui.adapter_picker import METHODS
from glmcore.ui.markdown import plain
from glmcore.ui.text import _

MARKS: Mapping[JobState, str] = {
    JobState.QUEUED: ":gray[:material/hourglass_empty:]",
    JobState.RUNNING: ":blue[:material/play_circle:]",
    JobState.STOPPING: ":orange[:material/stop_circle:]",
    JobState.STOPPED: ":orange[:material/pause_circle:]",
    JobState.FAILED: ":red[:material/error:]",
    JobState.FINISHED: ":green[:material/check_circle:]",
    JobState.LOST: ":red[:material/help:]",
}
# Colour and shape, so that neither alone has to be told apart.
_SHAPES: Mapping[JobState, tuple[str, str]] = {
    JobState.QUEUED: ("#888888", '<circle cx="10" cy="10" r="6" fill="none" stroke="{}" stroke-width="2"/>'),
    JobState.RUNNING: ("#2563eb", '<path d="M5 3l11 7-11 7z" fill="{}"/>'),
    JobState.STOPPING: (
        "#d97706",
        '<rect x="4.5" y="4.5" width="11" height="11" fill="none" stroke="{}" stroke-width="2.5"/>',
    ),
    JobState.STOPPED: ("#d97706", '<rect x="4" y="4" width="12" height="12" fill="{}"/>'),
    JobState.FAILED: ("#dc2626", '<path d="M4 4l12 12M16 4L4 16" stroke="{}" stroke-width="3"/>'),
    JobState.FINISHED: ("#16a34a", '<path d="M3 10l5 5 9-10" fill="none" stroke="{}" stroke-width="3"/>'),
    JobState.LOST: ("#dc2626", '<path d="M10 2l8 15H2z" fill="none" stroke="{}" stroke-width="2.5"/>'),
}


def state_names() -> dict[JobState, str]:
    return {
        JobState.QUEUED: _("queued"),
        JobState.RUNNING: _("running"),
        JobState.STOPPING: _("stopping"),
        JobState.STOPPED: _("stopped"),
        JobState.FAILED: _("failed"),
        JobState.FINISHED: _("finished"),
        JobState.LOST: _("lost"),
    }


def state_text(job: Job, progress: JobProgress) -> str:
    """The state with its sign, as Markdown; a run that loads its model says so."""
    word = state_names()[job.state]
    if job.state is JobState.RUNNING and progress.stage in ("", "preparing"):
        word = _("preparing")
    return f"{MARKS[job.state]} {word}"


@cache
def state_picture(state: JobState) -> str:
    """A small picture for a cell of a table."""
    colour, shape = _SHAPES[state]
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">{shape.format(colour)}</svg>'
    return "data:image/svg+xml," + quote(svg)


def kind_names() -> dict[JobKind, str]:
    return {
        JobKind.TRAIN: _("training"),
        JobKind.PREDICT: _("evaluation"),
        JobKind.CALIBRATE: _("time estimate"),
    }


def method_name(job: Job) -> str:
    """The method of a training; of other jobs what they do."""
    if job.kind is not JobKind.TRAIN:
        return kind_names()[job.kind]
    return _("all weights") if job.method == "full" else METHODS.get(job.method, job.method)


def wish_names() -> dict[StopWish, str]:
    return {
        StopWish.SAVE: _("Save a checkpoint, then stop"),
        StopWish.DISCARD: _("Stop without saving"),
        StopWish.KILL: _("Kill it now"),
    }


def duration_text(seconds: float | None) -> str:
    """`1:02:03`; nothing for what is no length of time."""
    if seconds is None or not math.isfinite(seconds) or not 0 <= seconds < 1e10:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"


def moment_text(seconds: float | None) -> str:
    """Day and minute in the server's time; nothing for a time that is no date."""
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds)) if seconds else ""
    except (ValueError, OverflowError, OSError):
        return ""


def size_text(size: int) -> str:
    if size >= 1 << 30:
        return f"{size / (1 << 30):.2f} GiB"
    if size >= 1 << 20:
        return f"{size / (1 << 20):.1f} MiB"
    return f"{size / (1 << 10):.0f} KiB" if size >= 1 << 10 else f"{size} B"


def number_text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def name_text(job: Job) -> str:
    """The name of a job as Markdown."""
    return plain(job.name) or plain(job.id)


def share_done(progress: JobProgress) -> float | None:
    """How much is done, from 0 to 1; None where nobody knows."""
    if not progress.total or progress.total < 0:
        return None
    return min(1.0, max(0.0, progress.step / progress.total))
