"""What all who ask one server share, made once: settings, store, models, answers, curves, jobs, keys."""

from dataclasses import dataclass

from glmcore.chat.answers import AnswerRegistry
from glmcore.chat.model_host import ModelHost
from glmcore.core.settings import Settings
from glmcore.history import HistoryStore, open_history
from glmcore.jobs.runner import JobRunner
from glmcore.jobs.service import JobService, open_jobs
from glmcore.keys.admission import Admission
from glmcore.keys.store import KeyStore, open_keys
from glmcore.server.curves import CurveServices

STORE_ANSWERS_SECONDS = 5.0  # how long a stopping server waits for its answers to be stored


@dataclass(frozen=True)
class Services:
    """The parts that pages and the HTTP API work with."""

    settings: Settings
    history: HistoryStore
    models: ModelHost
    answers: AnswerRegistry
    curves: CurveServices
    jobs: JobService
    job_runner: JobRunner
    keys: KeyStore
    admission: Admission

    def close(self) -> None:
        """Stop and store what runs, and give everything back."""
        self.job_runner.close()
        self.curves.close()
        self.answers.close(STORE_ANSWERS_SECONDS)
        self.models.close()
        self.history.close()
        self.jobs.close()
        self.keys.close()


def open_services(settings: Settings) -> Services:
    """Open the database and make the rest; loads no model and starts no thread.

    Raises:
        ConfigError, StorageError: settings or database are wrong.
    """
    url = settings.resolved_database_url
    history = open_history(url)
    history.messages.interrupt_running()
    models = ModelHost(settings)
    answers = AnswerRegistry(models.engine_for, max_running=settings.max_running_answers)
    jobs = open_jobs(settings)
    keys = open_keys(url)
    return Services(
        settings=settings,
        history=history,
        models=models,
        answers=answers,
        curves=CurveServices(settings),
        jobs=jobs,
        job_runner=JobRunner(jobs),
        keys=keys,
        admission=Admission(keys),
    )
