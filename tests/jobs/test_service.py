import json
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from glmcore.core.errors import ConfigError, GlmcoreError, JobError, NotFoundError, StorageError
from glmcore.jobs.folder import JobFolder
from glmcore.jobs.job import Job, JobKind, JobState, StopWish
from glmcore.jobs.service import JobService
from glmcore.tuning.checkpoints import list_checkpoints, mark_whole
from glmcore.tuning.job_config import JobConfig, JobConfigError, read_job


def submit(service: JobService, config: JobConfig, name: str = "demo") -> Job:
    return service.submit(config, name=name, owner="ann")


def end(service: JobService, job: Job, state: JobState = JobState.FINISHED) -> Job:
    live = service.queue.claim("here", "r", lambda queued, _: (queued[0], ("cpu:0",)))
    assert live is not None and live.id == job.id
    service.queue.end(live, state, 0)
    return service.queue.get(job.id)


def save_checkpoint(folder: JobFolder, step: int, best: int | None = None) -> Path:
    path = folder.checkpoints / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "weights").write_text("w")
    mark_whole(path, {"best_step": best or step})
    return path


def test_a_job_is_queued_with_a_folder_whose_job_file_can_be_run(
    service: JobService, config: JobConfig
) -> None:
    job = submit(service, config, "My first run")
    folder = service.folder(job.id)
    assert job.id.startswith("my-first-run-") and folder.path.parent == service.settings.jobs_dir.absolute()
    assert read_job(folder.job_file).config.saving.output_dir == folder.path
    assert folder.job_file.read_text() == job.config
    assert f"python -m glmcore train {folder.job_file}" in job.config


def test_paths_of_a_job_count_from_nowhere(
    service: JobService, config: JobConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = replace(config, data=replace(config.data, train_file=Path("rows.jsonl")))
    job = submit(service, relative)
    assert service.config_of(job).data.train_file == tmp_path / "rows.jsonl"


def test_the_command_beside_the_form_is_the_one_that_will_be_run(
    service: JobService, config: JobConfig
) -> None:
    shown = service.config_text(config, "demo", "request")
    job = service.submit(config, name="demo", owner="ann", request_id="request")
    assert job.config == shown
    assert service.command_of(config, "demo", "request").endswith(str(service.folder(job.id).job_file))


def test_the_same_request_makes_one_job_and_one_folder(service: JobService, config: JobConfig) -> None:
    first = service.submit(config, name="demo", owner="ann", request_id="r")
    assert service.submit(config, name="demo", owner="ann", request_id="r") == first
    assert len(list(service.settings.jobs_dir.iterdir())) == 1


def test_the_same_request_sent_by_many_at_once_makes_one_job_and_keeps_its_folder(
    service: JobService, config: JobConfig
) -> None:
    for request in map(str, range(5)):
        together = threading.Barrier(4)

        def send(_: int, request: str = request, together: threading.Barrier = together) -> str:
            together.wait()
            return service.submit(config, name="demo", owner="ann", request_id=request).id

        with ThreadPoolExecutor(4) as people:
            assert len(set(people.map(send, range(4)))) == 1
    names = {job.id for job in service.queue.list()}
    assert len(names) == 5 and names == {path.name for path in service.settings.jobs_dir.iterdir()}


def test_a_request_of_somebody_else_is_another_job_even_where_a_folder_is_gone(
    service: JobService, config: JobConfig
) -> None:
    first = service.submit(config, name="demo", owner="ann", request_id="r")
    shutil.rmtree(service.folder(first.id).path)
    assert service.submit(config, name="demo", owner="bob", request_id="r").id != first.id


def test_everything_wrong_is_said_at_once_and_nothing_is_left(service: JobService, config: JobConfig) -> None:
    wrong = replace(
        config,
        data=replace(config.data, train_file=Path("no.txt")),
        devices=replace(config.devices, device="tpu"),
    )
    with pytest.raises(JobConfigError) as raised:
        submit(service, wrong)
    assert {problem.values["place"].key for problem in raised.value.problems} == {"train_file", "device"}
    assert service.queue.list() == [] and not service.settings.jobs_dir.exists()


def test_a_job_for_a_gpu_that_is_not_there_is_refused(service: JobService, config: JobConfig) -> None:
    wants_gpu = replace(config, devices=replace(config.devices, device="cuda:7"))
    with pytest.raises(ConfigError):
        submit(service, wants_gpu)
    assert service.queue.list() == []


def test_a_folder_that_cannot_be_made_is_said_and_nothing_is_queued(
    service: JobService, config: JobConfig
) -> None:
    service.settings.jobs_dir.write_text("a file is in the way")
    with pytest.raises(StorageError, match="nothing was queued"):
        submit(service, config)
    assert service.queue.list() == []


def test_a_stopped_job_can_go_on_and_a_waiting_one_cannot(service: JobService, config: JobConfig) -> None:
    job = submit(service, config)
    with pytest.raises(JobError, match="has not ended"):
        service.resume(job.id)
    end(service, job, JobState.STOPPED)
    assert service.resume(job.id).state is JobState.QUEUED


def test_a_finished_job_goes_on_with_a_later_end_only(service: JobService, config: JobConfig) -> None:
    job = submit(service, config)
    folder = service.folder(job.id)
    save_checkpoint(folder, 10)
    folder.status.write_text("{}")
    end(service, job)
    with pytest.raises(JobError, match="name a later end"):
        service.resume(job.id)
    with pytest.raises(JobError, match="at step 10 already"):
        service.resume(job.id, max_steps=10)
    with pytest.raises(JobError, match="is set to 3 passes"):
        service.resume(job.id, num_train_epochs=3)
    queued = service.resume(job.id, max_steps=20)
    assert service.config_of(queued).training.max_steps == 20
    assert not folder.status.exists()


def test_a_status_that_cannot_be_removed_is_said(service: JobService, config: JobConfig) -> None:
    job = submit(service, config)
    save_checkpoint(service.folder(job.id), 10)
    service.folder(job.id).status.mkdir()
    end(service, job)
    with pytest.raises(StorageError, match="nothing was queued"):
        service.resume(job.id, max_steps=20)


def test_a_finished_job_without_a_checkpoint_cannot_go_on(service: JobService, config: JobConfig) -> None:
    job = end(service, submit(service, config))
    problem = service.resume_problem(job)
    assert problem is not None and "no checkpoint" in str(problem)


def test_a_restart_has_the_checkpoint_the_best_one_and_the_curves_up_to_it(
    service: JobService, config: JobConfig
) -> None:
    job = submit(service, config)
    folder = service.folder(job.id)
    for step in (10, 20, 30):
        save_checkpoint(folder, step, best=10)
    odd = ['{"step": "x"}', "[" * 10_000, "5", '{"loss": 1.0}']
    points = [json.dumps({"step": step, "loss": 1.0}) for step in (5, 20, 25)]
    folder.metrics.write_text("\n".join([*odd, *points]) + "\n")
    again = service.restart(job.id, 20, name="demo again", owner="ann")
    new = service.folder(again.id)
    assert [one.step for one in list_checkpoints(new)] == [10, 20]
    assert [json.loads(line)["step"] for line in new.metrics.read_text().splitlines()] == [5, 20]
    assert again.parent_id == job.id
    with pytest.raises(NotFoundError, match="checkpoint-40"):
        service.restart(job.id, 40, name="x", owner="ann")


def test_a_prediction_has_a_folder_and_settings_of_its_own(service: JobService, config: JobConfig) -> None:
    job = submit(service, config)
    path = save_checkpoint(service.folder(job.id), 10)
    rows = config.data.train_file
    assert rows is not None
    found = service.predict(
        name="judge", owner="ann", data_file=rows, checkpoint="best", source=job, compare_base=True
    )
    assert (found.kind, found.parent_id) == (JobKind.PREDICT, job.id)
    assert found.options == {"checkpoint": str(path), "compare_base": True}
    read = read_job(service.folder(found.id).job_file, needs="test_file").config
    assert (read.data.test_file, read.saving.output_dir) == (rows, service.folder(found.id).path)


def test_a_prediction_cannot_go_on_without_its_checkpoint(service: JobService, config: JobConfig) -> None:
    job = end(service, submit(service, config))
    save_checkpoint(service.folder(job.id), 10)
    assert config.data.train_file
    asked = service.predict(
        name="judge", owner="a", data_file=config.data.train_file, checkpoint="last", source=job
    )
    service.stop(asked.id, StopWish.SAVE)
    assert service.resume_problem(service.queue.get(asked.id)) is None
    service.delete(job.id, with_files=True)
    with pytest.raises(JobError, match="a checkpoint that is gone"):
        service.resume(asked.id)


def test_a_prediction_of_the_base_needs_no_training(service: JobService, config: JobConfig) -> None:
    rows = config.data.train_file
    assert rows is not None
    job = service.predict(
        name="base", owner="ann", data_file=rows, checkpoint="base", source=None, config=JobConfig()
    )
    assert job.options["checkpoint"] == "base" and job.parent_id is None


def test_a_live_job_is_not_deleted(service: JobService, config: JobConfig) -> None:
    job = submit(service, config)
    service.queue.claim("here", "r", lambda queued, _: (queued[0], ("cpu:0",)))
    with pytest.raises(JobError, match="stop it before"):
        service.delete(job.id, with_files=True)
    assert service.folder(job.id).job_file.is_file()


def test_files_that_a_waiting_prediction_needs_are_kept(service: JobService, config: JobConfig) -> None:
    job = submit(service, config)
    end(service, job)
    save_checkpoint(service.folder(job.id), 10)
    assert config.data.train_file
    service.predict(name="judge", owner="a", data_file=config.data.train_file, checkpoint="last", source=job)
    with pytest.raises(JobError, match="needed by judge"):
        service.delete(job.id, with_files=True)
    assert list_checkpoints(service.folder(job.id))


@pytest.mark.parametrize("with_files", [True, False])
def test_a_job_is_deleted_with_or_without_its_files(
    service: JobService, config: JobConfig, with_files: bool
) -> None:
    job = submit(service, config)
    service.delete(job.id, with_files=with_files)
    assert service.queue.list() == []
    assert service.folder(job.id).path.exists() is not with_files


def test_deleting_never_follows_a_link_out_of_the_jobs_folder(
    service: JobService, config: JobConfig, tmp_path: Path
) -> None:
    job = submit(service, config)
    folder = service.folder(job.id)
    outside = tmp_path / "outside"
    folder.path.rename(outside)
    folder.path.symlink_to(outside, target_is_directory=True)
    with pytest.raises(StorageError, match="is a link"):
        service.delete(job.id, with_files=True)
    assert (outside / "job.yaml").is_file()
    folder.path.unlink()
    folder.path.mkdir()
    os.symlink(outside, folder.path / "inside")
    service.delete(job.id, with_files=True)
    assert (outside / "job.yaml").is_file() and not folder.path.exists()


def test_two_people_stop_and_delete_at_once_and_each_is_told(service: JobService, config: JobConfig) -> None:
    job = submit(service, config)
    service.stop(job.id, StopWish.SAVE)
    service.delete(job.id, with_files=False)
    for late in (lambda: service.stop(job.id, StopWish.SAVE), lambda: service.resume(job.id)):
        with pytest.raises(GlmcoreError, match="There is no job"):
            late()
