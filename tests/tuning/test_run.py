"""A run as a process: what it says and where, exit codes, signals."""

import os
import signal
import subprocess
import sys
import time
import warnings

import pytest
import yaml

from glmcore.core.errors import ConfigError, JobError
from glmcore.core.notes import Note
from glmcore.tuning import run
from tests.sources import ROOT
from tests.tuning.running import METHODS, QUIET, base_folder, read_json, write_rows


@pytest.fixture(autouse=True)
def english_in_an_empty_home(monkeypatch, tmp_path):
    monkeypatch.setenv("GLMCORE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LANGUAGE", "en")
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_DISABLE_PROGRESS_BARS", "TOKENIZERS_PARALLELISM"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # so that what the run sets is taken back
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "FIRST_SPEAKS_SECONDS", 0)


@pytest.fixture
def job(tmp_path):
    """A job file of one step."""
    values = {
        **QUIET,
        **METHODS["lora"],
        "base_model": str(base_folder("llama")),
        "train_file": str(write_rows(tmp_path / "train.jsonl", 4)),
        "output_dir": str(tmp_path / "run"),
        "max_steps": 1,
        "save_every_steps": 1,
    }
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(values))
    return path


def test_run_tells_stages_and_notes_meanwhile_and_at_its_end_how_to_go_on(job, tmp_path, capsys):
    assert run.main([str(job)]) == 0
    out, err = capsys.readouterr()
    assert f"Finished at step 1 in {tmp_path / 'run'}." in out and "--adapter" in out
    assert err.count("Loading the weights\n") == 1
    assert "is_gradient_checkpointing" not in err
    assert read_json(tmp_path / "run" / "status.json")["state"] == "finished"


def test_all_but_the_first_process_are_quiet(job, monkeypatch, capsys):
    def train(job, settings, progress, say):
        progress("Loading the weights", None)
        say(Note("Worth knowing."))

    monkeypatch.setattr("glmcore.tuning.training.train.train", train)
    monkeypatch.setenv("RANK", "1")
    assert run.main([str(job), "learning_rate=0.5"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("rank", ["0", "1"])
def test_error_is_one_line_and_2_from_whichever_process_has_it(rank, job, monkeypatch, capsys):
    def fail(*given):
        raise JobError("It broke at {step}.", step=3)

    monkeypatch.setattr("glmcore.tuning.training.train.train", fail)
    monkeypatch.setenv("RANK", rank)
    assert run.main([str(job)]) == 2
    assert capsys.readouterr() == ("", "It broke at 3.\n")


def test_job_that_cannot_be_is_said_before_anything_is_loaded(job, capsys):
    assert run.main([str(job), "max_stepz=3"]) == 2
    assert "did you mean 'max_steps'?" in capsys.readouterr().err


def test_bug_keeps_its_traceback(job, monkeypatch):
    monkeypatch.setattr("glmcore.tuning.training.train.train", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.main([str(job)])


def test_ctrl_c_ends_with_130(job, monkeypatch):
    def press(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr("glmcore.tuning.training.train.train", press)
    assert run.main([str(job)]) == 130


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_before_the_steps_ends_at_once_with_a_line(number, job, monkeypatch, capfd):
    class EndedError(Exception):
        pass

    def end(code):
        raise EndedError(code)

    monkeypatch.setattr("os._exit", end)
    monkeypatch.setattr("glmcore.tuning.training.train.train", lambda *given: signal.raise_signal(number))
    before = signal.getsignal(number)
    with pytest.raises(EndedError) as ended:
        run.main([str(job)])
    assert ended.value.args == (128 + number,)
    assert f"Ended by {number.name}; the same command goes on" in capfd.readouterr().err
    assert signal.getsignal(number) is before


def test_arguments_begin_with_a_job_file_or_with_what_changes_it(tmp_path):
    assert run.split_arguments(["a.yaml", "seed=1"])[0].name == "a.yaml"
    assert run.split_arguments(["seed=1", "x"]) == (None, ["seed=1", "x"])
    assert run.split_arguments(["--max_steps", "3"]) == (None, ["--max_steps", "3"])
    (tmp_path / "a=b.json").touch()
    assert run.split_arguments(["a=b.json"])[0].name == "a=b.json"
    with pytest.raises(ConfigError, match="No job is named"):
        run.split_arguments([])


def test_libraries_are_quiet_but_for_who_asks_them(monkeypatch):
    monkeypatch.setenv("TRANSFORMERS_VERBOSITY", "info")
    with warnings.catch_warnings(record=True) as heard:
        run.quiet_libraries()
        for module in ("transformers.modeling_utils", "elsewhere"):
            warnings.warn_explicit("old", FutureWarning, module, 1, module)
    assert [warning.filename for warning in heard] == ["elsewhere"]
    assert os.environ["TRANSFORMERS_VERBOSITY"] == "info"
    assert os.environ["TOKENIZERS_PARALLELISM"] == "true"


@pytest.mark.slow
def test_sigterm_while_the_libraries_are_imported_is_one_line_and_143(job):
    command = [sys.executable, "-m", "glmcore.tuning.run", str(job)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for seconds in (0.7, 1.5, 3.0):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        time.sleep(seconds)
        process.terminate()
        err = process.communicate(timeout=60)[1]
        assert process.returncode == 143 and "Traceback" not in err, err
