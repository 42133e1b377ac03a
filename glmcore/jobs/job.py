"""What a job is: one line of the queue, frozen, as it was when it was read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from glmcore.jobs.processes import ProcessId


class JobKind(StrEnum):
    """What its process does."""

    TRAIN = "train"
    PREDICT = "predict"  # answers a data file with a checkpoint or the base, and scores the answers
    CALIBRATE = "calibrate"  # a few steps of a training, to tell how long all of it will take


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"  # from the moment it is claimed; its own status file says more
    STOPPING = "stopping"  # asked to stop, still there
    STOPPED = "stopped"
    FAILED = "failed"
    FINISHED = "finished"
    LOST = "lost"  # its process is gone without a word: killed, or the machine restarted

    @property
    def is_live(self) -> bool:
        """Whether it has a process, or is about to."""
        return self in (JobState.RUNNING, JobState.STOPPING)

    @property
    def has_ended(self) -> bool:
        return self in ENDED


ENDED = (JobState.STOPPED, JobState.FAILED, JobState.FINISHED, JobState.LOST)
LIVE = (JobState.RUNNING, JobState.STOPPING)


class StopWish(StrEnum):
    """How somebody wants a job to end; a later, stronger wish replaces a weaker one."""

    SAVE = "save"  # at the end of this step, with a checkpoint
    DISCARD = "discard"  # at the end of this step, without one
    KILL = "kill"  # at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The device slots that a job takes while it runs."""

    kind: str = "cpu"  # or "cuda"
    count: int = 1
    index: int | None = None  # one GPU by its number

    def __str__(self) -> str:
        return f"{self.kind}:{self.index}" if self.index is not None else f"{self.count} × {self.kind}"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """What is put into the queue.

    Attributes:
        config: the whole job file as text. It is the truth: what later happens to files changes nothing.
        request_id: the same request sent again gives the job that the first one made.
        options: of a prediction `checkpoint` (a folder, or "base"), `compare_base` and `owns_data`.
        data: the data file, for people.
        parent_id: the job that it was made from.
        batch: a name that jobs submitted together share.
    """

    name: str
    owner: str
    config: str
    method: str
    base_model: str
    data: str
    needs: Needs
    kind: JobKind = JobKind.TRAIN
    request_id: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    parent_id: str | None = None
    batch: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(NewJob):
    """A job of the queue. Times are seconds since 1970.

    Attributes:
        id: also the name of its folder below the jobs folder.
        position: place in the queue, lower is earlier.
        attempt: how often it was claimed; a process of an earlier attempt has no say any more.
        host: the machine that runs it or ran it last.
        runner: who claimed it.
        devices: the slots it holds while it is live: "cpu", "cuda:0".
        process: the leader of its process group; None until it was started.
        exit_code: of its process, negative for a signal; None where nobody saw it end.
        reason: why it ended so, as `GlmcoreError.to_dict()`.
        summary: how far it came, as `JobProgress.to_dict()`, kept when it ended.
    """

    id: str
    state: JobState
    position: float
    attempt: int = 0
    host: str = ""
    runner: str = ""
    devices: tuple[str, ...] = ()
    process: ProcessId | None = None
    stop: StopWish | None = None
    stop_asked_at: float | None = None
    exit_code: int | None = None
    reason: Mapping[str, Any] | None = None
    summary: Mapping[str, Any] | None = None
    is_archived: bool = False
    created_at: float
    queued_at: float
    claimed_at: float | None = None
    ended_at: float | None = None

    @property
    def owns_data(self) -> bool:
        """Whether it is a prediction on a file of its own, which lies in its folder."""
        return bool(self.options.get("owns_data"))

    @property
    def token(self) -> str:
        """Names this attempt in the environment of its processes: it survives what a pid does not."""
        # With the runner: in a copy of the home folder another one makes the same attempt of the same job.
        return f"{self.id}:{self.runner}:{self.attempt}"
