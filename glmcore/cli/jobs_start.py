"""`jobs submit` and `jobs work`: job files into the queue, and a worker that starts what waits there."""

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from glmcore.cli.arguments import Commands, readable
from glmcore.cli.job_command import add_job_command
from glmcore.cli.opened_jobs import opened_jobs, warn_without_runner
from glmcore.core.errors import ConfigError, GlmcoreError
from glmcore.core.i18n import translate, translate_error, translate_plural
from glmcore.core.messages import LOCAL_USER
from glmcore.core.settings import Settings
from glmcore.tuning.job_config import JobFile, read_job
from glmcore.tuning.run import split_arguments, translate_note

if TYPE_CHECKING:
    from glmcore.jobs.runner import JobRunner
    from glmcore.jobs.service import JobService

EXIT_ERROR = 2
LOOK_SECONDS = 1.0  # between two looks at the queue


def add_submit(actions: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    submit = add_job_command(
        actions, "submit", _("queue job files; several are a batch"), run_submit, language
    )
    submit.usage = "%(prog)s " + _("JOB.yaml [JOB.yaml …] [key=value …] [options]")
    group = submit.add_argument_group(_("Options"))
    group.add_argument("--name", help=_("of the job; by default that of its file"))
    group.add_argument("--batch", metavar="NAME", help=_("what the jobs are called together"))


def run_submit(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    files = _read_files(arguments.rest, language)
    if arguments.name and len(files) > 1:
        raise ConfigError(
            "--name is for one job, and there are {count} job files; name them with --batch.",
            count=len(files),
        )
    batch = arguments.batch or (time.strftime("%Y-%m-%d %H:%M:%S") if len(files) > 1 else "")
    exit_code = 0
    with opened_jobs(settings) as service:
        for job_file in files:
            for note in job_file.notes:
                print(translate_note(note, language), file=sys.stderr)
            name = arguments.name or (readable(job_file.path.stem) if job_file.path else "job")
            try:
                job = service.submit(job_file.config, name=name, owner=LOCAL_USER, batch=batch)
            except GlmcoreError as error:
                print(translate_error(error, language), file=sys.stderr)
                exit_code = EXIT_ERROR
            else:
                print(translate("Queued: {id}", language).format(id=job.id))
        warn_without_runner(service, language)
    return exit_code


def run_work(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    from glmcore.jobs.runner import JobRunner

    logging.basicConfig(format="%(asctime)s %(message)s")
    logging.getLogger("glmcore.jobs").setLevel(logging.INFO)
    with opened_jobs(settings) as service, _asked_to_end() as ending:
        runner = JobRunner(service, what="worker")
        text = translate(
            "Looking after the jobs in {folder}; Ctrl+C ends this worker, not its jobs.", language
        )
        print(text.format(folder=readable(str(settings.jobs_dir))), file=sys.stderr, flush=True)
        try:
            if arguments.once:
                _work_off(service, runner, ending)
            else:
                runner.start()
                ending.wait()
        finally:
            runner.close()
        if count := len(service.queue.live(runner.host)):
            print(_going_on(count, language), file=sys.stderr)
    return 0


def _read_files(arguments: Sequence[str], language: str) -> list[JobFile]:
    """The job files with what changes them all; nothing is queued where one of them is wrong.

    Raises:
        ConfigError: what is wrong with the last that is; the others have been told of.
    """
    paths: list[Path | None] = []
    rest = arguments
    while rest:
        path, after = split_arguments(rest)
        if path is None or (paths and not _is_job_file(rest[0])):
            break
        paths.append(path)
        rest = after
    found, problems = [], []
    for path in paths or [split_arguments(rest)[0]]:
        try:
            found.append(read_job(path, rest))
        except GlmcoreError as error:
            problems.append(error)
    if problems:
        for problem in problems[:-1]:
            print(translate_error(problem, language), file=sys.stderr)
        raise problems[-1]
    return found


def _is_job_file(argument: str) -> bool:
    return os.path.isfile(argument) or argument.endswith((".yaml", ".yml", ".json"))


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """An event that Ctrl+C and SIGTERM set while it lasts."""
    ending = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: ending.set()) for number in numbers}
    try:
        yield ending
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _work_off(service: "JobService", runner: "JobRunner", ending: threading.Event) -> None:
    """Look after jobs until none of this machine runs and none that waits could be started."""
    while not ending.is_set():
        waiting = [job.id for job in service.queue.queued()]
        runner.tick()
        if not service.queue.live(runner.host) and [job.id for job in service.queue.queued()] == waiting:
            return
        ending.wait(LOOK_SECONDS)


def _going_on(count: int, language: str) -> str:
    """What a worker says of the jobs that it leaves behind."""
    text = translate_plural(
        "{count} job goes on without this worker; a worker or the dashboard looks after it later.",
        "{count} jobs go on without this worker; a worker or the dashboard looks after them later.",
        count,
        language,
    )
    return text.format(count=count)
