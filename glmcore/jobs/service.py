"""What people do with jobs: submit, stop, resume, restart, delete. Pages, terminal and API call the same.

Nothing here starts a process: a job becomes a row of the queue and a folder, and a runner does the rest.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from glmcore.core.errors import GlmcoreError, JobError, NotFoundError
from glmcore.core.settings import Settings
from glmcore.jobs.commands import queued_config
from glmcore.jobs.folder import JobFolder, check_removable, job_folder, remove_folder
from glmcore.jobs.job import Job, JobKind, JobState, StopWish
from glmcore.jobs.names import job_id_for
from glmcore.jobs.progress import JobProgress, ProgressReader
from glmcore.jobs.queue import JobQueue, open_queue
from glmcore.jobs.submission import JobRequest, add_job, resolved, unwritable
from glmcore.tuning.checkpoints import Checkpoint, last_checkpoint, list_checkpoints
from glmcore.tuning.job_config import JobConfig, job_text
from glmcore.tuning.planning.launch import launch_command, shown

BASE, BEST, LAST = "base", "best", "last"  # in place of a checkpoint's name; base: the model as it was


def open_jobs(settings: Settings) -> "JobService":
    """The jobs of a home folder and its database. Raises as `queue.open_queue`."""
    return JobService(settings, open_queue(settings.resolved_database_url))


class JobService:
    """May be used from any thread."""

    def __init__(self, settings: Settings, queue: JobQueue) -> None:
        self.settings, self.queue = settings, queue
        self._progress = ProgressReader()

    def close(self) -> None:
        self.queue.close()

    def folder(self, job_id: str) -> JobFolder:
        return job_folder(self.settings.jobs_dir.absolute(), job_id)

    def progress(self, job: Job) -> JobProgress:
        """How far a job is: of an ended one as it was kept, of others from their files."""
        if job.state.has_ended and job.summary is not None:
            with suppress(TypeError, ValueError):  # of a version with other values
                return JobProgress.from_dict(dict(job.summary))
        attempt_at = job.claimed_at if job.state.is_live else None
        return self._progress.read(self.folder(job.id), attempt_at=attempt_at)

    # New jobs.

    def submit(
        self,
        config: JobConfig,
        *,
        name: str,
        owner: str,
        request_id: str | None = None,
        batch: str = "",
        note: str = "",
        parent_id: str | None = None,
    ) -> Job:
        """Queue a training.

        Raises:
            JobConfigError: all that is wrong with it.
            StorageError: its folder cannot be made.
        """
        return self._add(
            JobRequest(
                config=config,
                name=name,
                owner=owner,
                request_id=request_id,
                batch=batch,
                note=note,
                parent_id=parent_id,
            )
        )

    def calibrate(self, config: JobConfig, *, name: str, owner: str, request_id: str | None = None) -> Job:
        """Queue a few steps of a training, as `calibration.calibration_config` made them."""
        return self._add(
            JobRequest(config=config, name=name, owner=owner, request_id=request_id, kind=JobKind.CALIBRATE)
        )

    def predict(
        self,
        *,
        name: str,
        owner: str,
        data_file: Path,
        checkpoint: str,
        source: Job | None,
        config: JobConfig | None = None,
        compare_base: bool = False,
        owns_data: bool = False,
        request_id: str | None = None,
    ) -> Job:
        """Queue the answers of a checkpoint to the rows of a file.

        Args:
            checkpoint: "base", "best", "last" or a name such as "checkpoint-100" of the source.
            source: the training job whose checkpoint and settings are used.
            config: model and settings; those of the source where it is None.
            owns_data: the file was made for this job: a copy of it is kept in its folder and goes with it.

        Raises:
            NotFoundError: there is no such checkpoint.
            JobConfigError: all that is wrong with the settings.
        """
        config = config or self.config_of(_given(source))
        data = replace(config.data, test_file=data_file)
        options: dict[str, Any] = {"checkpoint": BASE, "compare_base": compare_base and checkpoint != BASE}
        options |= {"owns_data": True} if owns_data else {}
        if checkpoint != BASE:
            options["checkpoint"] = str(self._checkpoint(_given(source), checkpoint).path)
        return self._add(
            JobRequest(
                config=replace(config, data=data),
                name=name,
                owner=owner,
                request_id=request_id,
                kind=JobKind.PREDICT,
                options=options,
                parent_id=source.id if source else None,
                owns_data=owns_data,
            )
        )

    def restart(self, job_id: str, step: int, *, name: str, owner: str, request_id: str | None = None) -> Job:
        """Queue a new job that goes on from a checkpoint of another one, as that one would have.

        Raises:
            NotFoundError: there is no such checkpoint.
        """
        source = self.queue.get(job_id)
        checkpoint = self._checkpoint(source, f"checkpoint-{step}")
        return self._add(
            JobRequest(
                config=self.config_of(source),
                name=name,
                owner=owner,
                request_id=request_id,
                parent_id=source.id,
                start=(self.folder(source.id), checkpoint),
            )
        )

    def config_of(self, job: Job) -> JobConfig:
        """The settings of a job, as they were queued; where it writes is left out."""
        config = queued_config(job)
        return replace(config, saving=replace(config.saving, output_dir=None))

    def config_text(self, config: JobConfig, name: str, request_id: str | None = None) -> str:
        """The job file that would be queued."""
        return self.config_text_of(config, job_id_for(name, request_id))

    def command_of(self, config: JobConfig, name: str, request_id: str | None = None) -> str:
        """The command that would be run, as one would type it."""
        return shown(*launch_command(config, self.folder(job_id_for(name, request_id)).job_file))

    # Jobs that are there.

    def stop(self, job_id: str, wish: StopWish) -> Job:
        """Ask a job to stop; a queued one is cancelled. Raises JobError where it has ended."""
        return self.queue.ask_stop(job_id, wish)

    def resume_problem(self, job: Job) -> GlmcoreError | None:
        """Why a job cannot go on; None where it can. A finished training goes on with more steps only."""
        if not job.state.has_ended:
            return JobError("{name} has not ended: it is {state}.", name=job.name, state=job.state)
        folder = self.folder(job.id)
        if not folder.path.is_dir():
            return JobError("The folder of {name} is gone; duplicate the job instead.", name=job.name)
        checkpoint = job.options.get("checkpoint", BASE)
        if checkpoint != BASE and not Path(checkpoint).is_dir():
            return JobError(
                "{name} answers with a checkpoint that is gone: {path}.", name=job.name, path=checkpoint
            )
        if job.state is JobState.FINISHED and job.kind is not JobKind.TRAIN:
            return JobError("{name} has finished; there is nothing to go on with.", name=job.name)
        if job.state is JobState.FINISHED and last_checkpoint(folder) is None:
            return JobError("{name} has no checkpoint to go on from; duplicate the job.", name=job.name)
        return None

    def resume(
        self, job_id: str, *, max_steps: int | None = None, num_train_epochs: float | None = None
    ) -> Job:
        """Queue a job again; it goes on from its last whole checkpoint, to a later end where one is given.

        Raises:
            JobError: it cannot go on, or would be at its end already.
        """
        job = self.queue.get(job_id)
        if problem := self.resume_problem(job):
            raise problem
        text = None
        if max_steps is not None or num_train_epochs is not None:
            text = self._longer(job, max_steps, num_train_epochs)
        elif job.state is JobState.FINISHED:
            raise JobError(
                "{name} has finished; name a later end (more steps or passes) to go on.", name=job.name
            )
        if text is not None:  # the run would refuse a folder that says it is done
            folder = self.folder(job_id)
            try:
                folder.status.unlink(missing_ok=True)
            except OSError as fault:
                raise unwritable(folder.path, fault) from fault
        return self.queue.requeue(job_id, text)

    def rename(self, job_id: str, name: str) -> None:
        self.queue.rename(job_id, name)

    def annotate(self, job_id: str, note: str) -> None:
        self.queue.annotate(job_id, note)

    def archive(self, job_id: str, is_archived: bool) -> None:
        self.queue.archive(job_id, is_archived)

    def move(self, job_id: str, before: str | None) -> None:
        """Let a queued job come before another; `before` None: last. Raises JobError where it has begun."""
        self.queue.move(job_id, before)

    def delete(self, job_id: str, *, with_files: bool) -> None:
        """Remove a job from the list, and its folder where that is asked for.

        Raises:
            JobError: it is live, or a live one needs its files.
            StorageError: the folder is not one of the jobs folder, or cannot be removed.
        """
        job = self.queue.get(job_id)
        users = [child.name for child in self.queue.children(job_id) if not child.state.has_ended]
        if not with_files:
            self.queue.forget(job_id)
            return
        if users:
            raise JobError("{name} is needed by {users}; wait for its end.", name=job.name, users=users[0])
        folder = self.folder(job_id)
        check_removable(folder)
        self.queue.forget(job_id)
        remove_folder(folder, job.name)

    def _longer(self, job: Job, max_steps: int | None, num_train_epochs: float | None) -> str:
        """The job file with a later end."""
        config = self.config_of(job)
        point = last_checkpoint(self.folder(job.id))
        if max_steps is not None and point is not None and max_steps <= point.step:
            raise JobError(
                "{name} is at step {step} already; name more steps than {steps}.",
                name=job.name,
                step=point.step,
                steps=max_steps,
            )
        before = config.training
        if max_steps is None and num_train_epochs is not None and num_train_epochs <= before.num_train_epochs:
            raise JobError(
                "{name} is set to {epochs:g} passes; name more.",
                name=job.name,
                epochs=before.num_train_epochs,
            )
        training = replace(
            before, max_steps=max_steps, num_train_epochs=num_train_epochs or before.num_train_epochs
        )
        return self.config_text_of(replace(config, training=training), job.id)

    def config_text_of(self, config: JobConfig, job_id: str) -> str:
        """The job file of a job that has its id."""
        folder = self.folder(job_id)
        config = resolved(config, folder)
        return job_text(config, shown(*launch_command(config, folder.job_file)))

    def _checkpoint(self, source: Job, name: str) -> Checkpoint:
        whole = list_checkpoints(self.folder(source.id))
        if whole and name in (BEST, LAST):
            return next((one for one in whole if one.is_best), whole[-1]) if name == BEST else whole[-1]
        found = next((one for one in whole if one.path.name == name), None)
        if found is None:
            raise NotFoundError(
                "{job} has no checkpoint {name!r} (any more); choose one of: {known}.",
                job=source.name,
                name=name,
                known=", ".join(one.path.name for one in whole) or "–",
            )
        return found

    def _add(self, request: JobRequest) -> Job:
        return add_job(request, self.settings, self.queue)


def _given(source: Job | None) -> Job:
    if source is None:
        raise JobError("No job is named whose settings and checkpoint are to be used.")
    return source
