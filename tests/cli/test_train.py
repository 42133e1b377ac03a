"""`train`: from a command line to a run, here or in processes of its own."""

import json
import os
import signal
import sys
import threading
import time

import pytest
import yaml

from glmcore.cli import main, train
from glmcore.core.errors import JobError
from glmcore.tuning.job_config import job_fields
from tests.tuning.running import METHODS, QUIET, base_folder, read_json, write_rows


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")  # the command sets it when it is not set
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.delenv("WORLD_SIZE", raising=False)


@pytest.fixture
def job(tmp_path):
    values = {
        **QUIET,
        **METHODS["lora"],
        "base_model": str(base_folder("llama")),
        "train_file": str(write_rows(tmp_path / "train.jsonl", 4)),
        "output_dir": str(tmp_path / "run"),
        "max_steps": 1,
        "save_every_steps": 1,
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


@pytest.fixture
def seen(monkeypatch):
    """The jobs that would have run."""
    jobs = []

    def run_job(job_file, settings, language, progress, tell):
        jobs.append(job_file)
        return 0

    monkeypatch.setattr(train, "run_job", run_job)
    return jobs


def test_run_says_how_it_ended_and_what_to_do_next(job, tmp_path, capsys):
    assert main(["train", job]) == 0
    out, err = capsys.readouterr()
    folder = tmp_path / "run"
    assert f"Finished at step 1 in {folder}." in out and "Loss at the end: 5." in out
    assert f"--adapter {folder / 'checkpoints' / 'checkpoint-1'}" in out
    assert f"python -m glmcore predict {folder / 'job.yaml'}" in out
    assert "Loading the weights\n" in err and "1/1" in err  # the bar


def test_run_that_cannot_go_on_is_one_sentence_and_2(job, capsys):
    assert main(["train", job, "base_model=nonsense"]) == 2
    assert capsys.readouterr().err.endswith(
        "There is no model 'nonsense'; choose one of: SmolLM2-135M-Instruct.\n"
    )


def test_what_stands_after_the_job_changes_it(job, seen):
    assert main(["train", job, "max_steps=7", "--lora_rank", "4", "--learning-rate=1e-3"]) == 0
    config = seen[0].config
    assert (config.training.max_steps, config.tuning.lora_rank) == (7, 4)
    assert config.training.learning_rate == 1e-3


def test_flags_of_2023_need_no_job_file(job, seen, tmp_path):
    flags = ["--do_train", "--train_file", str(tmp_path / "train.jsonl"), "--overwrite_cache"]
    flags += ["--pre_seq_len", "16", "--max_steps", "3000", "--output_dir", "out", "--learning_rate", "2e-2"]
    assert main(["train", *flags]) == 0
    config = seen[0].config
    assert seen[0].path is None and config.training.max_steps == 3000
    assert (config.tuning.method, config.tuning.num_virtual_tokens) == ("ptuning_v2", 16)


def test_one_json_of_2023_is_a_job(seen, job, tmp_path):
    values = {"train_file": str(tmp_path / "train.jsonl"), "max_source_length": 64, "output_dir": "out"}
    (tmp_path / "arguments.json").write_text(json.dumps(values))
    assert main(["train", "arguments.json"]) == 0
    assert seen[0].config.data.max_input_length == 64


def test_value_may_begin_with_a_minus(job, capsys):
    assert main(["train", job, "--learning_rate", "-1e-3", "seed=-1"]) == 2
    err = capsys.readouterr().err
    assert "--learning_rate -1e-3: found" in err and "seed=-1: found" in err


def test_typo_is_said_with_the_nearest_key(job, capsys):
    assert main(["train", job, "lora_rnak=4"]) == 2
    assert "did you mean 'lora_rank'?" in capsys.readouterr().err


def test_train_without_a_job_is_an_error(capsys):
    assert main(["train"]) == 2
    assert "No job is named" in capsys.readouterr().err


def test_help_lists_every_key(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    out = capsys.readouterr().out
    assert out.startswith("usage: python -m glmcore train [JOB.yaml] [key=value …] [options]")
    assert "--dry-run" in out
    assert all(f"\n  {entry.name}=" in out for _, entry in job_fields())


def test_dry_run_shows_the_command_and_leaves_no_folder(job, tmp_path, capsys):
    assert main(["train", "--dry-run", job, "max_steps=2"]) == 0
    out = capsys.readouterr().out
    assert "max_steps: 2" in out and out.rstrip().endswith(f"glmcore train {job} max_steps=2")
    assert not (tmp_path / "run").exists()


# --- several processes

CHILD = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1]); folder.mkdir(exist_ok=True)
status = {"started": time.time(), **json.loads(sys.argv[2])}
(folder / "new.json").write_text(json.dumps(status)); os.replace(folder / "new.json", folder / "status.json")
while len(sys.argv) > 4 and not (folder / "stop_request.json").exists():
    time.sleep(0.02)
sys.exit(int(sys.argv[3]))
"""


@pytest.fixture
def launched(job, tmp_path, monkeypatch, seen):
    """Train with a launcher that writes a status and ends; gives the exit code."""

    def start(status, code, *waits):
        command = [sys.executable, "-c", CHILD, str(tmp_path / "run"), json.dumps(status), str(code), *waits]
        monkeypatch.setattr(train, "launch_command", lambda *given: (command, {}))
        return main(["train", job, "num_processes=2"])

    return start


def signal_when_started(folder, number):
    """Send a signal to this process as soon as the launched one has written its status."""

    def send():
        while not (folder / "status.json").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()


def test_several_processes_are_launched_and_their_exit_code_given(launched, seen):
    assert launched({"state": "finished"}, 0) == 0
    assert launched({"state": "running"}, 7) == 7
    assert not seen


def test_launched_processes_get_the_arguments_and_the_environment_of_the_launch(
    job, seen, tmp_path, monkeypatch
):
    def launch_command(config, path, overrides):
        code = "import os, sys; open('seen', 'w').write(' '.join([*sys.argv[1:], os.environ['MARK']]))"
        return [sys.executable, "-c", code, str(path), *overrides], {
            "MARK": str(config.devices.num_processes)
        }

    monkeypatch.setattr(train, "launch_command", launch_command)
    assert main(["train", job, "num_processes=2", "--seed", "3"]) == 0
    assert (tmp_path / "seen").read_text() == f"{job} num_processes=2 --seed 3 2"


def test_one_of_the_launched_processes_does_not_launch_again(job, seen, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["train", job, "num_processes=2"]) == 0
    assert len(seen) == 1


def test_fault_of_the_launched_run_is_said_last(launched, capsys):
    fault = JobError("It broke at {step}.", step=3)
    assert launched({"state": "failed", "reason": fault.to_dict()}, 1) == 2
    assert capsys.readouterr().err == "It broke at 3.\n"


def test_fault_of_an_earlier_run_is_not_said(launched, capsys):
    fault = JobError("It broke at {step}.", step=3)
    assert launched({"state": "failed", "reason": fault.to_dict(), "started": 1.0}, 1) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_in_the_steps_asks_for_a_stop_that_saves(number, launched, tmp_path):
    before = signal.getsignal(number)
    signal_when_started(tmp_path / "run", number)
    assert launched({"state": "running"}, 0, "waits") == 0
    assert read_json(tmp_path / "run" / "stop_request.json") == {"save": True}
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_before_the_steps_ends_what_was_launched(number, launched, tmp_path):
    signal_when_started(tmp_path / "run", number)
    assert launched({"state": "preparing"}, 0, "waits") == 128 + number
