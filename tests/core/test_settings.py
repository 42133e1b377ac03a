"""Settings: environment over file over default; what cannot be read is named with its place."""

import os
from pathlib import Path

import pytest

from glmcore.core.errors import ConfigError
from glmcore.core.settings import EMBEDDED_MODEL, Settings, load_settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No glmcore.toml of the developer may be found."""
    monkeypatch.chdir(tmp_path)


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "glmcore.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_without_anything_the_defaults_count() -> None:
    settings = load_settings({})
    assert settings == Settings()
    assert settings.model == EMBEDDED_MODEL
    assert settings.source("model") == "default"
    assert settings.resolved_database_url == f"sqlite:///{Path('data') / 'glmcore.db'}"


def test_environment_wins_over_file_and_file_over_default(tmp_path: Path) -> None:
    write(tmp_path, 'model = "a"\ndevice = "cpu"\n')
    settings = load_settings({"GLMCORE_MODEL": "b"})
    assert (settings.model, settings.device, settings.dtype) == ("b", "cpu", "auto")
    assert settings.source("model") == "GLMCORE_MODEL"
    assert settings.source("device") == "glmcore.toml"


def test_a_file_named_by_the_environment_is_read_from_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text("max_batch_tokens = 64", encoding="utf-8")
    assert load_settings({"GLMCORE_CONFIG": str(path)}).max_batch_tokens == 64


def test_every_kind_of_value_is_read_from_text() -> None:
    roots = os.pathsep.join(["/a", "/b"])
    environ = {"GLMCORE_KV_CACHE_GIB": "1.5", "GLMCORE_ALLOW_HUB": "off", "GLMCORE_MODEL_ROOTS": roots}
    settings = load_settings(environ)
    assert (settings.kv_cache_gib, settings.allow_hub) == (1.5, False)
    assert settings.model_roots == (Path("/a"), Path("/b"))


def test_how_jobs_are_run_can_be_set() -> None:
    settings = load_settings({"GLMCORE_CPU_JOBS": "2", "GLMCORE_STOP_GRACE_SECONDS": "7.5"})
    assert (settings.cpu_jobs, settings.stop_grace_seconds) == (2, 7.5)
    assert (Settings().cpu_jobs, Settings().stop_grace_seconds) == (1, 600.0)


def test_an_empty_variable_is_as_if_unset() -> None:
    assert load_settings({"GLMCORE_MODEL": ""}).model == EMBEDDED_MODEL


def test_a_second_gpu_can_be_named() -> None:
    assert load_settings({"GLMCORE_DEVICE": "cuda:1"}).device == "cuda:1"


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("GLMCORE_MAX_BATCH_TOKENS", "many", "a number"),
        ("GLMCORE_MAX_BATCH_TOKENS", "0", "a whole number from 1 up"),
        ("GLMCORE_MAX_RUNNING_ANSWERS", "1.5", "a whole number from 1 up"),
        ("GLMCORE_CPU_JOBS", "0", "a whole number from 1 up"),
        ("GLMCORE_STOP_GRACE_SECONDS", "-1", "not negative"),
        ("GLMCORE_KV_CACHE_GIB", "-1", "not negative"),
        ("GLMCORE_KV_CACHE_GIB", "nan", "not negative"),
        ("GLMCORE_ALLOW_HUB", "maybe", "true or false"),
        ("GLMCORE_DEVICE", "tpu", "auto, cpu, cuda, mps"),
    ],
)
def test_a_value_that_cannot_be_read_is_named_with_what_was_expected(
    variable: str, value: str, expected: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings({variable: value})
    assert str(caught.value).startswith(f"{variable} is {value!r}; expected ")
    assert expected in str(caught.value)


def test_an_unknown_key_in_the_file_offers_the_nearest_known_one(tmp_path: Path) -> None:
    path = write(tmp_path, 'modle = "x"')
    with pytest.raises(ConfigError, match="unknown setting 'modle'; did you mean 'model'"):
        load_settings({}, path)


@pytest.mark.parametrize("content", [b"model = ", b"\xff\xfe\x00"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"broken\.toml is not valid TOML"):
        load_settings({}, path)


@pytest.mark.parametrize(
    "line", ["model = 3", 'model_roots = "a"\nhome = 1', "model_roots = [1]", "allow_hub = 2"]
)
def test_a_value_of_the_wrong_kind_in_the_file_is_refused(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, line)
    with pytest.raises(ConfigError, match="expected"):
        load_settings({}, path)


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: no such settings file"):
        load_settings({"GLMCORE_CONFIG": str(tmp_path / "nowhere.toml")})
