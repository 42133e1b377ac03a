"""Where a run begins, and when it does not: folders of others, other settings, a run that has finished."""

import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest

from glmcore.core.errors import ConfigError, GlmcoreError, JobError, StorageError
from glmcore.core.settings import Settings
from glmcore.tuning.checkpoints import mark_whole
from glmcore.tuning.job_config import JobConfig, flat_values, write_job
from glmcore.tuning.resume import FREE, begin, output_folder
from glmcore.tuning.run_folder import RunFolder, write_whole
from tests.tuning.running import (
    Killed,
    assert_same_tensors,
    checkpoint,
    evaluate_as,
    job_file,
    learnt_weights,
    numbers_by_step,
    points,
    read_json,
    run,
    write_rows,
)


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


# --- real runs


@pytest.mark.usefixtures("one_thread")
class TestRuns:
    def test_a_folder_in_use_is_refused(self, tmp_path):
        """By another process, whose lock ends with it."""
        (tmp_path / "run").mkdir()
        code = textwrap.dedent(
            f"""
            import sys
            from filelock import FileLock
            lock = FileLock({str(tmp_path / "run" / ".lock")!r})
            lock.acquire()
            print("held", flush=True)
            sys.stdin.read()
            """
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as other:
            assert other.stdout.readline() == "held\n"
            with pytest.raises(JobError, match="in use by another run"):
                run(tmp_path, "llama", max_steps=1)
            assert not (tmp_path / "run" / "status.json").exists()
            other.kill()
        assert run(tmp_path, "llama", max_steps=1).state == "finished"

    def test_a_folder_that_cannot_be_made_is_refused(self, tmp_path):
        with pytest.raises(StorageError, match="cannot be written"):
            run(tmp_path, "llama", max_steps=1, output_dir="/proc/none/run")

    def test_a_finished_run_that_is_refused_stays_finished(self, tmp_path):
        run(tmp_path, "llama", max_steps=1)
        before = (tmp_path / "run" / "status.json").read_text()
        with pytest.raises(ConfigError, match="finished at step 1"):
            run(tmp_path, "llama", max_steps=1)
        assert (tmp_path / "run" / "status.json").read_text() == before
        assert read_json(tmp_path / "run" / "results.json")["state"] == "finished"

    def test_more_steps_go_on_from_a_finished_run(self, tmp_path):
        whole, longer = tmp_path / "whole", tmp_path / "longer"
        whole.mkdir(), longer.mkdir()
        constant = {"lr_scheduler_type": "constant"}
        run(whole, "llama", max_steps=4, **constant)
        run(longer, "llama", max_steps=2, **constant)
        assert run(longer, "llama", max_steps=4, **constant).step == 4
        assert numbers_by_step(longer, "loss") == numbers_by_step(whole, "loss")

    def test_a_run_that_died_after_its_last_checkpoint_learns_nothing_more(self, tmp_path):
        """Between the checkpoint and saying that it is finished."""
        run(tmp_path, "llama", max_steps=2)
        weights, written = learnt_weights(checkpoint(tmp_path, 2)), points(tmp_path)
        write_whole(RunFolder(tmp_path / "run").status, {"state": "running", "step": 2})
        outcome = run(tmp_path, "llama", max_steps=2)
        assert (outcome.state, outcome.step) == ("finished", 2)
        assert_same_tensors(learnt_weights(checkpoint(tmp_path, 2)), weights)
        assert [point["step"] for point in points(tmp_path) if "loss" in point] == [1, 2]
        assert len([point for point in points(tmp_path) if "loss" in point]) == len(
            [point for point in written if "loss" in point]
        )
        assert read_json(tmp_path / "run" / "status.json")["state"] == "finished"
        assert [one.name for one in (tmp_path / "run" / "checkpoints").iterdir()] == ["checkpoint-2"]

    def test_fewer_steps_than_were_learnt_change_nothing(self, tmp_path):
        run(tmp_path, "llama", max_steps=4)
        outcome = run(tmp_path, "llama", max_steps=2)
        assert (outcome.state, outcome.step) == ("finished", 4)
        assert [point["step"] for point in points(tmp_path) if "loss" in point] == [1, 2, 3, 4]

    def test_a_half_last_line_of_the_metrics_is_cut(self, tmp_path):
        run(tmp_path, "llama", max_steps=2)
        with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
            file.write('{"loss": 1.')
        run(tmp_path, "llama", max_steps=3)
        assert [point["step"] for point in points(tmp_path) if "loss" in point] == [1, 2, 3]

    def test_the_newest_and_the_best_checkpoint_stay(self, tmp_path, monkeypatch):
        """Evaluations get better, then worse; the run is broken off and goes on."""
        evaluate_as(monkeypatch, {1: 3.0, 2: 1.0, 3: 2.0, 4: 2.5, 5: 2.0}.get)
        write_rows(tmp_path / "validation.jsonl", 2)
        options = {
            "evaluate_every_steps": 1,
            "save_every_steps": 1,
            "keep_checkpoints": 1,
            "validation_file": tmp_path / "validation.jsonl",
            "lr_scheduler_type": "constant",
        }
        run(tmp_path, "llama", max_steps=3, **options)
        run(tmp_path, "llama", max_steps=5, **options)
        kept = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
        assert kept == ["checkpoint-2", "checkpoint-5"]
        facts = read_json(checkpoint(tmp_path, 5) / "complete.json")
        assert facts["best_step"] == 2
        assert facts["best"] == {
            "metric": "loss",
            "value": 1.0,
            "evaluations_since": 3,
            "checkpoint_value": 1.0,
            "checkpoint_step": 2,
        }
        stated = read_json(tmp_path / "run" / "results.json")["checkpoints"]
        assert [(one["step"], one["is_best"]) for one in stated] == [(2, True), (5, False)]

    def test_a_training_file_that_changed_is_not_gone_on_with(self, tmp_path):
        run(tmp_path, "llama", max_steps=2)
        write_rows(tmp_path / "train.jsonl", 5)
        with pytest.raises(GlmcoreError):
            run(tmp_path, "llama", max_steps=4)
