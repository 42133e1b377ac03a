from dataclasses import replace
from pathlib import Path

import pytest

from glmcore.core.settings import Settings
from glmcore.jobs.confinement import outside_problems
from glmcore.tuning.job_config import DataConfig, DeviceConfig, JobConfig, ModelConfig


def job(
    data: DataConfig | None = None, model: ModelConfig | None = None, config: str | None = None
) -> JobConfig:
    devices = DeviceConfig(accelerate_config=Path(config) if config else None)
    return replace(JobConfig(), data=data or DataConfig(), model=model or ModelConfig(), devices=devices)


def keys(config: JobConfig, settings: Settings) -> list[str]:
    return [problem.values["place"].key for problem in outside_problems(config, settings)]


def test_uploads_shipped_files_and_named_folders_may_be_used(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", data_roots=(tmp_path / "rows",))
    data = DataConfig(
        train_file=tmp_path / "home" / "datasets" / "uploads" / "a.csv",
        validation_file=tmp_path / "rows" / "deep" / "b.csv",
        test_file=Path("configs/demo/test.jsonl").absolute(),
    )
    assert keys(job(data), settings) == []


@pytest.mark.parametrize(
    "path", ["/etc/passwd.csv", "datasets/../../x.csv", "{home}/datasets/../glmcore.csv", "{home}/x.csv"]
)
def test_no_other_file_of_the_server_is_read_for_a_page(tmp_path: Path, path: str) -> None:
    settings = Settings(home=tmp_path / "home")
    data = DataConfig(train_file=Path(path.format(home=settings.home)))
    assert keys(job(data), settings) == ["train_file"]


def test_models_and_adapters_come_from_the_home_or_the_model_folders(tmp_path: Path) -> None:
    elsewhere, listed = tmp_path / "elsewhere", tmp_path / "listed" / "model"
    elsewhere.mkdir()
    listed.mkdir(parents=True)
    settings = Settings(home=tmp_path / "home", model_roots=(tmp_path / "listed",))
    outside = ModelConfig(base_model=str(elsewhere), adapter_path=elsewhere)
    assert keys(job(model=outside), settings) == ["base_model", "adapter_path"]
    inside = ModelConfig(base_model=str(listed), adapter_path=settings.home / "jobs" / "x")
    assert keys(job(model=inside), settings) == []
    assert keys(job(model=ModelConfig(base_model="org/name-of-the-hub")), settings) == []
    for path in ("/no/such/model", "../no/such", "~/no-such"):  # nobody learns what there is
        assert keys(job(model=ModelConfig(base_model=path)), settings) == ["base_model"]


def test_accelerate_is_configured_by_shipped_files(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert keys(job(config="configs/accelerate/ddp.yaml"), settings) == []
    assert keys(job(config="/tmp/other.yaml"), settings) == ["accelerate_config"]
