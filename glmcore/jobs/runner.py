"""Starts what waits, looks after what runs, and tells what ended. Several runners may share one database.

A runner keeps nothing in memory that it could not lose: what it knows is in the database and in the folders,
so any runner of the same machine goes on where another one was killed. Jobs do not die with it.
"""

import logging
import secrets
import signal
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from glmcore.core.errors import GlmcoreError, JobError, StorageError
from glmcore.jobs.commands import command_of, write_job_file
from glmcore.jobs.devices import list_slots, pick_next
from glmcore.jobs.ending import ending_of, told_by
from glmcore.jobs.folder import JobFolder
from glmcore.jobs.job import Job, JobKind, JobState, StopWish
from glmcore.jobs.launching import launch, read_exit, read_supervisor, reap
from glmcore.jobs.processes import ProcessId, find_by_token, is_alive, kill_all, signal_group
from glmcore.jobs.runner_book import RunnerSeen
from glmcore.jobs.service import JobService
from glmcore.tuning.run_folder import write_whole

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
BEAT_SECONDS = 10.0
START_SECONDS = 20.0  # in which a claimed job has a process, however busy the machine is
STRANDED_SECONDS = 600.0  # without a word of a machine and of its job, a job of another machine is lost


class JobRunner:
    """One of those who look after jobs."""

    def __init__(self, service: JobService, what: str = "dashboard") -> None:
        self._service, self._queue, self._what = service, service.queue, what
        self.host, self.id = socket.gethostname(), f"{socket.gethostname()}-{secrets.token_hex(4)}"
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None
        self._beaten_at = float("-inf")
        self._asked: set[tuple[str, StopWish]] = set()
        self._missed: set[str] = set()  # tokens without a process at the last look
        self._since: dict[tuple[str, str], float] = {}  # by token and what is waited for: the first look

    def start(self) -> None:
        """Work in a thread of its own until `close`."""
        self._thread = threading.Thread(target=self._work, name="jobs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking; the jobs go on."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        try:
            self._queue.book.leave(self.id)
        except StorageError as error:
            log.warning("%s", error)

    def tick(self) -> None:
        """Look at everything once. Raises StorageError where the database refuses."""
        reap()
        slots = list_slots(self._service.settings)
        if time.monotonic() - self._beaten_at >= BEAT_SECONDS:
            self._queue.book.beat(RunnerSeen(self.id, self.host, self._what, slots, time.time()))
            self._beaten_at = time.monotonic()
            self._look_for_stranded()
        for job in self._queue.live(self.host):
            try:
                self._look_after(job)
            except GlmcoreError as error:
                log.error("%s", error)
            except Exception:  # one job must not keep the others from being looked after
                log.exception("looking after job %s failed; it is tried again", job.id)
        while claimed := self._queue.claim(self.host, self.id, partial(pick_next, slots=slots)):
            self._start(claimed)

    def _work(self) -> None:
        while not self._ending.is_set():
            try:
                self.tick()
            except GlmcoreError as error:
                log.error("%s", error)
            except Exception:
                log.exception("looking after jobs failed; it is tried again")
            self._ending.wait(TICK_SECONDS)

    # Starting.

    def _start(self, job: Job) -> None:
        folder = self._service.folder(job.id)
        try:
            write_job_file(job, folder)
            command, environment = command_of(job, folder, self._service.settings.cpu_jobs)
            process = launch(folder, job.token, command, environment, Path.cwd())
        except GlmcoreError as error:
            self._end(job, JobState.FAILED, None, error.to_dict())
        except OSError as fault:
            self._end(job, JobState.FAILED, None, _unwritable(folder, fault).to_dict())
        except Exception as fault:  # it would be tried again and again
            log.exception("job %s cannot be started", job.id)
            self._end(job, JobState.FAILED, None, _unstartable(job, fault).to_dict())
        else:
            if self._queue.started(job, process):
                log.info("started job %s, attempt %d, on %s", job.id, job.attempt, ", ".join(job.devices))
            else:  # it took so long that another runner has put the job back
                kill_all(process, job.token)

    # Looking after.

    def _look_after(self, job: Job) -> None:
        if not job.state.is_live:  # its row is damaged: nothing can be known of it any more
            kill_all(None, job.token)
            self._queue.end(job, JobState.FAILED, None, job.reason, job.summary)
            return
        folder = self._service.folder(job.id)
        process = job.process
        if process is None and (process := read_supervisor(folder, job.token)):
            self._queue.started(job, process)  # whoever started it was killed before saying so
        exit_code = read_exit(folder, job.token)
        if exit_code is not None:
            kill_all(None, job.token)  # what its process left behind would hold the device
            self._finish(job, folder, exit_code)
        elif process is None:
            self._look_for_process(job)
        elif is_alive(process) or find_by_token(job.token):
            self._missed.discard(job.token)
            if job.stop is not None:
                self._stop(job, folder, process)
        elif job.token not in self._missed:
            self._missed.add(job.token)  # a process that just becomes another program cannot be told
        else:
            self._finish(job, folder, read_exit(folder, job.token))

    def _look_for_process(self, job: Job) -> None:
        """A claim without a process: on its way, or of a runner that was killed."""
        if self._waited(job, "start") < START_SECONDS or find_by_token(job.token):
            return
        log.warning("job %s was claimed but never started; it waits again", job.id)
        self._queue.put_back(job)

    def _stop(self, job: Job, folder: JobFolder, process: ProcessId) -> None:
        assert job.stop is not None
        waited = self._waited(job, "stop")
        if job.stop is StopWish.KILL or waited > self._service.settings.stop_grace_seconds:
            kill_all(process, job.token)
            return
        asked = (job.token, job.stop)
        if asked in self._asked:
            return
        is_in_steps = job.kind is not JobKind.PREDICT and told_by(job, folder).get("state") == "running"
        try:
            if is_in_steps:
                write_whole(folder.stop_request, {"save": job.stop is StopWish.SAVE})
                self._asked.add(asked)
                return
        except OSError:  # a full disk: a signal needs none
            pass
        # A run that prepares has nothing to save and ends at once; rows answered are kept.
        if signal_group(process, job.token, signal.SIGTERM):
            self._asked.add(asked)

    def _waited(self, job: Job, what: str) -> float:
        """Seconds since this runner first looked at it; not by the clock, which may be set."""
        now = time.monotonic()
        return now - self._since.setdefault((job.token, what), now)

    def _finish(self, job: Job, folder: JobFolder, exit_code: int | None) -> None:
        ending = ending_of(job, folder, exit_code)
        self._end(job, ending.state, exit_code, ending.reason)

    def _end(
        self, job: Job, state: JobState, exit_code: int | None, reason: Mapping[str, object] | None
    ) -> None:
        # As an ended job: the time that a lost one was not there is none of its own.
        summary = self._service.progress(replace(job, state=state, summary=None)).to_dict()
        if self._queue.end(job, state, exit_code, reason, summary):
            log.info("job %s is %s (exit code %s)", job.id, state, exit_code)
        self._asked = {asked for asked in self._asked if asked[0] != job.token}
        self._since = {key: at for key, at in self._since.items() if key[0] != job.token}
        self._missed.discard(job.token)

    def _look_for_stranded(self) -> None:
        """Jobs of a machine that nobody has heard of for long, as of a container that was made anew."""
        now = time.time()
        heard = {one.host for one in self._queue.runners() if now - one.seen_at < STRANDED_SECONDS}
        for job in self._queue.live():
            if job.host in heard or job.host == self.host:
                continue
            folder = self._service.folder(job.id)
            updated = told_by(job, folder).get("updated") or job.claimed_at
            if isinstance(updated, (int, float)) and now - updated > STRANDED_SECONDS:
                self._finish(job, folder, read_exit(folder, job.token))  # it may have told its end before


def _unstartable(job: Job, fault: Exception) -> JobError:
    return JobError(
        "{name} could not be started, which is a fault of this program: {fault}.",
        name=job.name,
        fault=repr(fault),
    )


def _unwritable(folder: JobFolder, fault: OSError) -> StorageError:
    return StorageError(
        "{path} cannot be written: {fault}; free some space or mend it, then resume the job.",
        path=folder.path,
        fault=fault.strerror or fault,
    )
