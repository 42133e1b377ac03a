"""A service on a fresh database and home, and configs that are ready to be queued."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from glmcore.core.settings import Settings
from glmcore.jobs.service import JobService, open_jobs
from glmcore.tuning.job_config import DataConfig, JobConfig


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def service(settings: Settings) -> Iterator[JobService]:
    service = open_jobs(settings)
    yield service
    service.close()


@pytest.fixture
def config(tmp_path: Path) -> JobConfig:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "one", "response": "two"}\n', encoding="utf-8")
    return replace(JobConfig(), data=DataConfig(train_file=rows))
