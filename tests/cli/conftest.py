"""Every command runs in English and in an empty home folder."""

import os

import pytest


@pytest.fixture(autouse=True)
def english_in_an_empty_home(monkeypatch, tmp_path):
    for name in [name for name in os.environ if name.startswith("GLMCORE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GLMCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "error")  # the command sets these two when they are not set
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    monkeypatch.chdir(tmp_path)
