"""A worker whose jobs pretend to train; to be killed. `python fake_worker.py HOME STEPS SECONDS_PER_STEP`"""

import sys
import threading
from pathlib import Path

from glmcore.core.settings import Settings
from glmcore.jobs import runner as runner_module
from glmcore.jobs.folder import JobFolder
from glmcore.jobs.job import Job
from glmcore.jobs.runner import JobRunner
from glmcore.jobs.service import open_jobs
from tests.sources import ROOT

FAKE_RUN = Path(__file__).with_name("fake_run.py")


def command_of(job: Job, folder: JobFolder, *_: object) -> tuple[list[str], dict[str, str]]:
    command = [sys.executable, str(FAKE_RUN), str(folder.path), *sys.argv[2:4]]
    return command, {"PYTHONPATH": str(ROOT)}


if __name__ == "__main__":
    runner_module.command_of = command_of  # type: ignore[assignment]
    runner_module.TICK_SECONDS = 0.01
    JobRunner(open_jobs(Settings(home=Path(sys.argv[1]), device="cpu")), "worker").start()
    threading.Event().wait()
