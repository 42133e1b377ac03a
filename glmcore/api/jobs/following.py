"""A job as server-sent events: its state, the points of its curves, the lines of its log.

The id of each event says what was told before it, so who comes back with it misses nothing and gets nothing
twice. Files are read in short calls, never more than is being sent, by few threads for all followers; in
between a follower costs nothing but a sleep.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field

from anyio import CapacityLimiter, to_thread
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from glmcore.api.errors import body_of
from glmcore.api.events import PLACE, Piece, Place, near_end, read_on
from glmcore.api.jobs.models import job_info
from glmcore.core.errors import ConfigError, GlmcoreError
from glmcore.jobs.job import Job
from glmcore.jobs.log_tail import shown_line
from glmcore.jobs.service import JobService

LOOK_SECONDS = 0.5
SIGN_OF_LIFE_SECONDS = 10.0  # without news; so a connection that is gone is noticed too
ENDED = ".ended"  # behind the state that was told, once the end was
TOLD = re.compile(r"[0-9]{1,9}(-[a-z]{1,20}){1,2}-[a-z]{0,20}(\.ended)?")  # see `Follower._state`
EVENT_ID = rf"^({TOLD.pattern}(_{PLACE.pattern}){{2}})?$"  # or nothing, to begin anew
LONGEST_SHOWN = 60  # characters of what is none of our ids

_looking = CapacityLimiter(4)  # threads of their own: thousands of followers slow down nobody else


@dataclass(frozen=True, slots=True)
class Seen:
    """What a follower has seen, as the id of the last event says it.

    Attributes:
        told: the state that was told last.
        log: None where it is still to be chosen: near the end of what there is.
    """

    told: str = ""
    metrics: Place = field(default_factory=Place)
    log: Place | None = None

    @classmethod
    def parse(cls, text: str) -> "Seen":
        """Read the id of an event. Raises ConfigError."""
        told, *places = text.split("_")
        if TOLD.fullmatch(told) and len(places) == 2:
            metrics, log = (Place.parse(place) for place in places)
            if metrics is not None and log is not None:
                return cls(told, metrics, log)
        raise ConfigError(
            "Last-Event-ID is {text!r}; expected the id of an event of this job, or none to begin anew.",
            text=text[:LONGEST_SHOWN],
        )


@dataclass(frozen=True, slots=True)
class Look:
    """The events of one look, as bytes to be sent."""

    events: bytes
    is_behind: bool
    is_done: bool


class Follower:
    """One who follows a job. Used by one thread at a time.

    Args:
        check: raises GlmcoreError where he may not follow any longer.
    """

    def __init__(
        self, jobs: JobService, job_id: str, seen: Seen, check: Callable[[], None] = lambda: None
    ) -> None:
        self._jobs, self._job_id, self._check = jobs, job_id, check
        self._told, self._metrics, self._log = seen.told, seen.metrics, seen.log

    def is_done(self) -> bool:
        """Whether all was told already. Raises NotFoundError."""
        job = self._jobs.queue.get(self._job_id)
        return job.state.has_ended and self._told == self._state(job) + ENDED

    def look(self) -> Look:
        """What is new. Raises what the check does, NotFoundError where the job was deleted, StorageError."""
        self._check()
        job = self._jobs.queue.get(self._job_id)  # first: what is written until its end is read below
        folder, state, is_ended = self._jobs.folder(job.id), self._state(job), job.state.has_ended
        if self._log is None:
            self._log = near_end(folder.log)
        events = []
        if state != self._told.removesuffix(ENDED):
            self._told = state
            events.append(self._event("state", job_info(self._jobs, job).model_dump_json()))
        # Half a line is no point, and a run that goes on cuts it off.
        metrics = read_on(folder.metrics, self._metrics, is_complete=False)
        events += self._tell_metrics(metrics)
        log = read_on(folder.log, self._log, is_complete=is_ended)
        events += self._tell_log(log)
        is_behind = metrics.is_behind or log.is_behind
        is_done = is_ended and not is_behind
        if is_done:
            self._told = state + ENDED
            events.append(self._event("end", json.dumps({"state": job.state})))
        return Look(b"".join(events), is_behind, is_done)

    def _state(self, job: Job) -> str:
        stop = f"-{job.stop}" if job.stop else ""
        return f"{job.attempt}-{job.state}{stop}-{self._jobs.progress(job).stage}"

    def _tell_metrics(self, piece: Piece) -> Iterator[bytes]:
        if piece.is_anew:
            self._metrics = Place()
            yield self._event("rewritten", json.dumps({"file": "metrics"}))
        for line, self._metrics in piece.lines:
            if (point := point_of(line)) is not None:
                yield self._event("metrics", point)

    def _tell_log(self, piece: Piece) -> Iterator[bytes]:
        if piece.is_anew:
            self._log = Place()
            yield self._event("rewritten", json.dumps({"file": "log"}))
        for line, self._log in piece.lines:
            yield self._event("log", json.dumps({"line": shown_line(line)}))

    def _event(self, name: str, data: str) -> bytes:
        event_id = f"{self._told}_{self._metrics}_{self._log}"
        return format_sse_event(data_str=data, event=name, id=event_id)


def point_of(line: bytes) -> str | None:
    """A line of the metrics, with null for what is no number; None for one that is no point."""
    try:
        point = json.loads(line, parse_constant=lambda _name: None)
        return json.dumps(point, allow_nan=False) if isinstance(point, dict) else None
    except (ValueError, RecursionError):
        return None


async def events_of(follower: Follower, is_ending: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Events until the job has ended, or the server ends; then who follows comes back with the last id."""
    sent_at = time.monotonic()
    while not is_ending():
        try:
            look = await to_thread.run_sync(follower.look, limiter=_looking)
        except GlmcoreError as error:  # the answer has begun, so it can only be said inside
            yield format_sse_event(data_str=json.dumps(body_of(error)), event="fault")
            return
        if look.events:
            yield look.events
            sent_at = time.monotonic()
        elif time.monotonic() - sent_at > SIGN_OF_LIFE_SECONDS:
            yield KEEPALIVE_COMMENT
            sent_at = time.monotonic()
        if look.is_done:
            return
        if not look.is_behind:
            await asyncio.sleep(LOOK_SECONDS)
