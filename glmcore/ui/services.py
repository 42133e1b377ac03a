"""What all sessions share, made once per server: settings, store, models, running answers, curves,
jobs.
"""

from dataclasses import dataclass

import streamlit as st

from glmcore.chat.answers import AnswerRegistry
from glmcore.chat.model_host import ModelHost
from glmcore.core.settings import Settings, load_settings
from glmcore.history import HistoryStore, open_history
from glmcore.jobs.runner import JobRunner
from glmcore.jobs.service import JobService, open_jobs
from glmcore.ui.curves.services import CurveServices

STORE_ANSWERS_SECONDS = 5.0  # how long a stopping server waits for its answers to be stored


@dataclass(frozen=True)
class Services:
    """The parts that pages work with."""

    settings: Settings
    history: HistoryStore
    models: ModelHost
    answers: AnswerRegistry
    curves: CurveServices
    jobs: JobService
    job_runner: JobRunner

    def close(self) -> None:
        """Stop and store what runs, and give everything back."""
        self.job_runner.close()
        self.curves.close()
        self.answers.close(STORE_ANSWERS_SECONDS)
        self.models.close()
        self.history.close()
        self.jobs.close()


@st.cache_resource(show_spinner=False)
def settings() -> Settings:
    return load_settings()


@st.cache_resource(show_spinner=False)
def services() -> Services:
    """The one set of services of this server.

    Raises:
        ConfigError, StorageError: settings or database are wrong; tried again at the next call.
    """
    configured = settings()
    history = open_history(configured.resolved_database_url)
    history.messages.interrupt_running()
    models = ModelHost(configured)
    answers = AnswerRegistry(
        lambda request, cancelled: models.engine(request.model, cancelled, request.adapter),
        max_running=configured.max_running_answers,
    )
    jobs = open_jobs(configured)
    return Services(configured, history, models, answers, CurveServices(configured), jobs, JobRunner(jobs))
