"""What the doctor finds."""

from pathlib import Path

import pytest

from glmcore.core.settings import Settings, load_settings
from glmcore.models.doctor import examine
from tests.postgres import fresh_database


def problems(settings):
    return [finding.text for finding in examine(settings) if finding.is_problem]


def texts(settings):
    return [finding.text for finding in examine(settings)]


def test_fresh_installation_has_no_problem(settings):
    assert problems(settings) == []
    assert not settings.home.exists()


def test_every_setting_is_named_with_its_source(tmp_path):
    settings = load_settings({"GLMCORE_HOME": str(tmp_path)}, None)
    assert f"home = {tmp_path} (from GLMCORE_HOME)" in texts(settings)
    assert "device = auto (from default)" in texts(settings)


def test_password_of_the_database_is_not_shown(tmp_path):
    settings = Settings(home=tmp_path, database_url="postgresql://me:secret@127.0.0.1:1/db")
    assert not any("secret" in text for text in texts(settings))
    assert "database_url = …@127.0.0.1:1/db (from default)" in texts(settings)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?user=me&password=secret",
        "postgres://127.0.0.1:1/db?password=secret@x",
        "unknown+driver://me:secret@host/db",
        "postgresql://me:secret@host:no-port/db",
        "postgresql://127.0.0.1:1/db?nonsense=secret",
    ],
)
def test_database_server_that_cannot_be_reached_is_a_problem_without_its_password(url, tmp_path):
    settings = Settings(home=tmp_path, database_url=url)
    found = [finding for finding in examine(settings) if finding.topic == "database"]
    assert [finding.is_problem for finding in found] == [True]
    assert not any("secret" in text for text in texts(settings))


@pytest.mark.postgres
def test_database_server_that_can_be_reached_is_told_with_its_version(tmp_path):
    with fresh_database() as url:
        settings = Settings(home=tmp_path, database_url=url)
        (found,) = [finding for finding in examine(settings) if finding.topic == "database"]
        assert not found.is_problem and "can be reached: postgresql 1" in found.text


def test_devices_versions_and_models_are_told(settings):
    topics = {finding.topic for finding in examine(settings)}
    assert topics == {"settings", "versions", "devices", "disk", "database", "models"}
    assert "SmolLM2-135M-Instruct: not fetched yet" in texts(settings)


def test_unknown_model_and_missing_root_are_problems(tmp_path):
    settings = Settings(home=tmp_path, model="nonsense", model_roots=(tmp_path / "absent",), allow_hub=False)
    found = problems(settings)
    assert any("no model 'nonsense'" in text for text in found)
    assert any("absent does not exist" in text for text in found)


def test_home_that_is_a_file_is_a_problem(tmp_path):
    (tmp_path / "home").write_text("")
    assert any("cannot be written" in text for text in problems(Settings(home=tmp_path / "home")))


def test_relative_home_is_examined(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert problems(Settings(home=Path("data"))) == []
