"""`jobs`: the queue in a terminal: submit, list, show, logs, stop, resume, delete, and a worker of its own.

A job is named by its id or by a beginning of it that no other has.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from glmcore.cli.arguments import Commands, Parser, add_command
from glmcore.cli.jobs_start import add_submit, run_work
from glmcore.cli.opened_jobs import find_job, opened_jobs, warn_without_runner
from glmcore.core.errors import ConfigError, NotFoundError
from glmcore.core.i18n import mark, translate
from glmcore.core.settings import Settings
from glmcore.jobs.job import Job, JobState, StopWish

if TYPE_CHECKING:
    from glmcore.jobs.service import JobService

YES = ("y", "yes")
STOPPING = {
    StopWish.SAVE: mark("{name} is asked to save a checkpoint after its step and end."),
    StopWish.DISCARD: mark("{name} is asked to end after its step, without a checkpoint."),
    StopWish.KILL: mark("{name} is ended at once."),
}


def add_jobs(commands: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    jobs = add_command(commands, "jobs", _("the queue: submit jobs and look after them"), run_list, language)
    jobs.set_defaults(state=None, all=False, json=False)
    actions = jobs.add_subparsers(title=_("Commands"), metavar=_("COMMAND"))
    add_submit(actions, language)
    listing = add_command(actions, "list", _("all jobs, the newest first; the default"), run_list, language)
    listing.add_argument(
        "--state", choices=[str(state) for state in JobState], help=_("only those in this state")
    )
    listing.add_argument("--all", action="store_true", help=_("those in the archive too"))
    listing.add_argument("--json", action="store_true", help=_("as JSON, for programs"))
    _add_on_one(actions, "show", _("everything about one job, and why it failed"), run_show, language)
    logs = _add_on_one(actions, "logs", _("the end of a job's log"), run_logs, language)
    logs.add_argument("-f", "--follow", action="store_true", help=_("show what is added, until the job ends"))
    stop = _add_on_one(
        actions, "stop", _("end a job, with a checkpoint; cancel a queued one"), run_stop, language
    )
    how = stop.add_mutually_exclusive_group()
    how.add_argument("--discard", action="store_true", help=_("after its step, without a checkpoint"))
    how.add_argument(
        "--now", action="store_true", help=_("kill it; what came after its last checkpoint is lost")
    )
    resume = _add_on_one(
        actions, "resume", _("let a job go on from its last checkpoint"), run_resume, language
    )
    steps_help = _("a later end, in steps; needed for a job that has finished")
    resume.add_argument("--max-steps", metavar="N", type=int, help=steps_help)
    delete = _add_on_one(actions, "delete", _("remove a job and its folder"), run_delete, language)
    delete.add_argument("--keep-files", action="store_true", help=_("remove it from the list only"))
    delete.add_argument("--yes", action="store_true", help=_("do not ask"))
    work = add_command(
        actions, "work", _("start and look after jobs, without the dashboard"), run_work, language
    )
    work.add_argument("--once", action="store_true", help=_("end when no job runs or can start any more"))


def run_list(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    from glmcore.cli.jobs_report import job_values, jobs_table

    with opened_jobs(settings) as service:
        states = [JobState(arguments.state)] if arguments.state else None
        jobs = service.queue.list(archived=None if arguments.all else False, states=states)
        if arguments.json:
            print(json.dumps([job_values(service, job) for job in jobs], ensure_ascii=False, indent=2))
            return 0
        if jobs:
            print(jobs_table(service, jobs, language))
        else:
            print(translate("There is no job; submit one: python -m glmcore jobs submit JOB.yaml", language))
        warn_without_runner(service, language)
    return 0


def run_show(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    from glmcore.cli.jobs_report import job_report

    with opened_jobs(settings) as service:
        print(job_report(service, find_job(service, arguments.id), language))
    return 0


def run_logs(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    from glmcore.jobs.log_tail import LINES, follow, last_lines

    with opened_jobs(settings) as service:
        job = find_job(service, arguments.id)
        path = service.folder(job.id).log
        if arguments.follow:
            for line in follow(path, partial(_has_ended, service, job.id)):
                print(line, flush=True)
            return 0
        lines = last_lines(path, LINES)
        for line in lines:
            print(line)
        if not lines:
            print(translate("{id} has no log yet.", language).format(id=job.id), file=sys.stderr)
    return 0


def run_stop(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    wish = StopWish.KILL if arguments.now else StopWish.DISCARD if arguments.discard else StopWish.SAVE
    with opened_jobs(settings) as service:
        job = service.stop(find_job(service, arguments.id).id, wish)
        is_cancelled = job.state is JobState.STOPPED
        text = mark("{name} is taken out of the queue.") if is_cancelled else STOPPING[job.stop or wish]
        print(translate(text, language).format(name=job.id))
        warn_without_runner(service, language)
    return 0


def run_resume(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    steps: int | None = arguments.max_steps
    if steps is not None and steps < 1:
        raise ConfigError("--max-steps is {steps}; expected 1 or more.", steps=steps)
    with opened_jobs(settings) as service:
        job = service.resume(find_job(service, arguments.id).id, max_steps=steps)
        print(translate("Queued: {id}", language).format(id=job.id))
        warn_without_runner(service, language)
    return 0


def run_delete(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    with opened_jobs(settings) as service:
        job = find_job(service, arguments.id)
        if not arguments.yes and not _agrees(job, arguments.keep_files, language):
            print(translate("Nothing was deleted.", language))
            return 0
        service.delete(job.id, with_files=not arguments.keep_files)
        print(translate("Deleted: {id}", language).format(id=job.id))
    return 0


def _add_on_one(
    actions: Commands, name: str, help_text: str, run: Callable[..., int], language: str
) -> Parser:
    command = add_command(actions, name, help_text, run, language)
    id_help = translate("id of the job, or a beginning of it that no other has", language)
    command.add_argument("id", metavar="ID", help=id_help)
    return command


def _has_ended(service: "JobService", job_id: str) -> bool:
    try:
        return service.queue.get(job_id).state.has_ended
    except NotFoundError:  # deleted meanwhile
        return True


def _agrees(job: Job, keeps_files: bool, language: str) -> bool:
    """Whether whoever sits at the terminal wants it."""
    if not sys.stdin.isatty():
        raise ConfigError("Nobody can be asked whether to delete {id}; add --yes.", id=job.id)
    asked = (
        mark("Remove {id} from the list? [y/N] ")
        if keeps_files
        else mark("Delete {id} and its files? [y/N] ")
    )
    try:
        return input(translate(asked, language).format(id=job.id)).strip().lower() in YES
    except EOFError:
        return False
