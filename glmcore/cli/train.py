"""`train`: a run as a job file says, here or in as many processes as it asks for."""

import argparse
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from glmcore.cli.arguments import Commands
from glmcore.cli.job_command import add_job_command, shown_work
from glmcore.core.errors import GlmcoreError
from glmcore.core.i18n import translate
from glmcore.core.settings import Settings
from glmcore.tuning.job_config import JobFile, read_job
from glmcore.tuning.planning.launch import launch_command, needs_launcher
from glmcore.tuning.resume import check_folder, output_folder
from glmcore.tuning.run import ENDED_BY_SIGNAL, is_launched, quiet_libraries, run_job, split_arguments
from glmcore.tuning.run_folder import RunFolder, read_whole, write_whole

EXIT_PROBLEM = 1


def add_train(commands: Commands, language: str) -> None:
    _ = partial(translate, language=language)
    train = add_job_command(commands, "train", _("fine-tune a model as a job file says"), run_train, language)
    group = train.add_argument_group(_("Options"))
    dry_run_help = _("do not train: show the resolved job, its data, the memory it needs and its command")
    group.add_argument("--dry-run", action="store_true", help=dry_run_help)


def run_train(arguments: argparse.Namespace, settings: Settings, language: str) -> int:
    path, overrides = split_arguments(arguments.rest)
    job_file = read_job(path, overrides)
    if arguments.dry_run:
        return _show_dry_run(job_file, overrides, settings, language)
    if needs_launcher(job_file.config) and not is_launched():
        return _launch(job_file, overrides, settings)
    with shown_work(language) as (progress, tell):
        return run_job(job_file, settings, language, progress, tell)


def _show_dry_run(job_file: JobFile, overrides: Sequence[str], settings: Settings, language: str) -> int:
    quiet_libraries()
    from glmcore.tuning.planning.dry_run import dry_run

    with shown_work(language) as (progress, _):
        found = dry_run(job_file, settings, progress, overrides)
    print(found.text(language))
    return EXIT_PROBLEM if found.problems else 0


def _launch(job_file: JobFile, overrides: Sequence[str], settings: Settings) -> int:
    """Start the processes that share the work, and wait for them.

    Raises:
        GlmcoreError: the one that ended the run, after what its processes had to say.
    """
    folder = output_folder(job_file.config, job_file.path, settings)
    check_folder(job_file.config, folder)  # here, where a launcher's own report does not follow
    command, environment = launch_command(job_file.config, job_file.path, overrides)
    child = _Child(command, environment, folder)
    code = child.wait()
    reason = child.status().get("reason") or {}
    if code and "values" in reason:
        raise GlmcoreError.from_dict(reason)
    return code


class _Child:
    """A launcher in a process group of its own, so that a terminal's Ctrl+C comes to us alone."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], folder: RunFolder) -> None:
        self._folder, self._started = folder, time.time()
        self._is_asked, self._ended_by = False, 0
        self._process = subprocess.Popen(command, env={**os.environ, **environment}, process_group=0)

    def wait(self) -> int:
        """Its exit code, as a shell counts; a signal meanwhile is handed on."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self._hand_on) for number in numbers}
        try:
            code = self._process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        ended_by = self._ended_by or -min(code, 0)
        return ENDED_BY_SIGNAL + ended_by if code and ended_by else code

    def status(self) -> dict[str, Any]:
        """What the run has told of itself since it was launched."""
        status = read_whole(self._folder.status)
        return status if status.get("started", 0) >= self._started else {}

    def _hand_on(self, number: int, frame: Any) -> None:
        """A run in its steps is asked by a file first: a launcher would kill it 30 s after a signal."""
        if self.status().get("state") == "running" and not self._is_asked:
            self._is_asked = True
            write_whole(self._folder.stop_request, {"save": True})
        elif self._process.poll() is None:
            self._ended_by = number
            os.killpg(self._process.pid, number)
