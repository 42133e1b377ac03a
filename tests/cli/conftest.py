"""Every command runs in English and in an empty home folder."""

import os

import pytest

from glmcore.core.settings import load_settings


@pytest.fixture(autouse=True)
def english_in_an_empty_home(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("GLMCORE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GLMCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")  # the command sets these two when they are not set
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def service(english_in_an_empty_home):
    """The queue of that home."""
    from glmcore.jobs.service import open_jobs

    service = open_jobs(load_settings())
    yield service
    service.close()


@pytest.fixture
def job_file(tmp_path):
    """Makes a job file that can be queued, named as asked for."""
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "one", "response": "two"}\n')

    def make(name, **values):
        path = tmp_path / f"{name}.yaml"
        lines = [f"{key}: {value}" for key, value in {"train_file": rows, "max_steps": 9, **values}.items()]
        path.write_text("\n".join(lines))
        return str(path)

    return make


@pytest.fixture
def submit(job_file, service, capsys):
    """Queues a job of a name, and gives it."""
    from glmcore.cli import main

    def queue(name, *arguments, **values):
        assert main(["jobs", "submit", job_file(name, **values), *arguments]) == 0
        return service.queue.get(capsys.readouterr().out.split()[-1])

    return queue
