"""Where a run begins, and when it does not: folders of others, other settings, a run that has finished."""

from dataclasses import replace

import pytest

from glmcore.core.errors import ConfigError, JobError
from glmcore.core.settings import Settings
from glmcore.tuning.checkpoints import mark_whole
from glmcore.tuning.job_config import JobConfig, flat_values, read_job, write_job
from glmcore.tuning.resume import FREE, begin, check_folder, held, output_folder
from glmcore.tuning.run_folder import RunFolder, write_whole
from tests.tuning.running import Killed, job_file


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "run")


@pytest.fixture
def job(tmp_path):
    return job_file(tmp_path, "llama", max_steps=4).config


def changed(job, section, **values):
    return replace(job, **{section: replace(getattr(job, section), **values)})


def make_checkpoint(folder, step):
    path = folder.checkpoints / f"checkpoint-{step}"
    path.mkdir(parents=True)
    mark_whole(path, {"step": step})


def test_a_new_run_begins_at_its_first_step(job, folder):
    assert begin(job, folder) is None
    assert folder.job_file.is_file()
    assert begin(job, folder) is None  # and again, as nothing was learnt


def test_an_empty_folder_and_those_of_the_queue_are_welcome(job, folder):
    folder.path.mkdir()
    assert begin(job, folder) is None
    other = RunFolder(folder.path.with_name("queued"))
    other.path.mkdir()
    write_whole(other.status, {"state": "queued"})
    (other.path / "log.txt").write_text("")
    assert begin(job, other) is None


def test_what_predictions_of_the_base_left_is_welcome(job, folder):
    folder.predictions.mkdir(parents=True)
    folder.prepared.mkdir()
    assert begin(job, folder) is None


@pytest.mark.parametrize("left", ["stop_request.json", "save_request", ".status.json.123", ".job.yaml.0a1b"])
def test_what_is_there_before_a_run_or_left_of_one_that_was_killed_at_once_is_welcome(left, job, folder):
    folder.path.mkdir()
    (folder.path / left).write_text("{")
    assert begin(job, folder) is None
    assert not folder.stop_request.exists()
    assert not folder.save_request.exists()


@pytest.mark.parametrize("name", ["write_job", "remove_unfinished", "last_checkpoint"])
def test_a_beginning_that_is_broken_off_can_begin_again(name, job, folder, monkeypatch):
    folder.path.mkdir()

    def killed(*args):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(f"glmcore.tuning.resume.{name}", killed)
        with pytest.raises(Killed):
            begin(job, folder)
    assert begin(job, folder) is None


def test_a_folder_with_other_files_is_refused_and_stays_as_it_is(job, folder):
    folder.path.mkdir()
    (folder.path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds files that no run wrote"):
        begin(job, folder)
    assert [path.name for path in folder.path.iterdir()] == ["thesis.txt"]


def test_the_last_whole_checkpoint_is_gone_on_from(job, folder):
    begin(job, folder)
    make_checkpoint(folder, 2)
    make_checkpoint(folder, 10)
    half = folder.checkpoints / "checkpoint-12"
    half.mkdir()
    assert begin(job, folder).step == 10
    assert not half.exists()


def test_requests_to_a_process_that_is_gone_are_forgotten(job, folder):
    begin(job, folder)
    folder.stop_request.write_text("{}")
    folder.save_request.write_text("")
    begin(job, folder)
    assert not folder.stop_request.exists()
    assert not folder.save_request.exists()


def test_other_settings_are_refused_by_name(job, folder):
    begin(job, folder)
    make_checkpoint(folder, 2)
    other = changed(changed(job, "tuning", lora_rank=3), "training", learning_rate=0.5)
    with pytest.raises(ConfigError) as caught:
        begin(other, folder)
    text = str(caught.value)
    assert "lora_rank, learning_rate" in text
    assert "lora_rank was 2 and is 3 now" in text


def test_other_settings_are_welcome_while_nothing_was_learnt(job, folder):
    begin(job, folder)
    assert begin(changed(job, "tuning", lora_rank=3), folder) is None


def test_what_learnt_weights_do_not_depend_on_may_change(job, folder):
    begin(job, folder)
    make_checkpoint(folder, 2)
    other = changed(job, "training", max_steps=9)
    other = changed(other, "saving", save_every_steps=7, keep_checkpoints=1, tensorboard=True)
    other = changed(other, "evaluation", num_beams=2, forgetting_probe=True)
    assert begin(other, folder).step == 2
    assert set(flat_values(job)) >= FREE


def test_a_finished_run_is_refused_until_it_gets_more_steps(job, folder):
    begin(job, folder)
    make_checkpoint(folder, 4)
    write_whole(folder.status, {"state": "finished", "step": 4})
    with pytest.raises(ConfigError, match="finished at step 4; raise max_steps"):
        begin(job, folder)
    assert begin(changed(job, "training", max_steps=6), folder).step == 4


def test_checking_a_folder_changes_nothing_in_it(job, folder):
    check_folder(job, folder)
    assert not folder.path.exists()
    begin(job, folder)
    make_checkpoint(folder, 4)
    folder.stop_request.write_text("{}")
    (folder.checkpoints / "checkpoint-6").mkdir()
    before = sorted(folder.path.rglob("*"))
    check_folder(job, folder)
    assert sorted(folder.path.rglob("*")) == before
    with pytest.raises(ConfigError, match="other settings"):
        check_folder(changed(job, "tuning", lora_rank=3), folder)


def test_a_folder_is_held_by_one_at_a_time(folder):
    with held(folder), pytest.raises(JobError, match="in use by another run"), held(folder):
        raise AssertionError("it was held twice")
    with held(folder):
        assert folder.lock.exists()


def test_the_job_in_the_folder_names_the_folder(job, tmp_path):
    folder = RunFolder(tmp_path / "jobs" / "demo")
    folder.path.mkdir(parents=True)
    nowhere = changed(job, "saving", output_dir=None)
    begin(nowhere, folder)
    assert read_job(folder.job_file, []).config == changed(job, "saving", output_dir=folder.path)
    make_checkpoint(folder, 2)
    assert begin(nowhere, folder).step == 2  # by the job's own file too


def test_a_run_has_the_folder_of_its_job_or_one_of_its_own(tmp_path):
    settings = Settings(home=tmp_path)
    job = JobConfig()
    assert output_folder(job, tmp_path / "my job.yaml", settings).path == tmp_path / "jobs" / "my job"
    named = changed(job, "saving", output_dir=tmp_path / "x")
    assert output_folder(named, tmp_path / "my job.yaml", settings).path == tmp_path / "x"
    with pytest.raises(ConfigError, match="output_dir is not set"):
        output_folder(job, None, settings)


def test_the_job_that_is_written_down_is_the_job(job, folder, tmp_path):
    begin(job, folder)
    make_checkpoint(folder, 2)
    write_job(job, tmp_path / "copy.yaml")
    assert begin(job, folder).step == 2
    assert folder.job_file.read_text(encoding="utf-8") == (tmp_path / "copy.yaml").read_text(encoding="utf-8")
