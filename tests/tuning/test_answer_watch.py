"""What is told of a prediction, and how a signal ends it."""

import os
import signal
import subprocess
import sys

import pytest

from glmcore.core.errors import DataError, StorageError
from glmcore.tuning.answer_watch import AnswerWatch
from tests.sources import ROOT
from tests.tuning.running import read_json


def status(folder):
    return read_json(folder / "status.json")


def test_rows_of_both_models_are_counted_and_the_time_to_go_is_of_this_process(tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("glmcore.tuning.answer_watch.time.monotonic", lambda: now[0])
    monkeypatch.setattr("glmcore.tuning.status_file.STATUS_SECONDS", 0)
    watch = AnswerWatch(tmp_path, num_models=2)
    assert status(tmp_path)["state"] == "preparing" and status(tmp_path)["pid"] == os.getpid()
    with watch.watching():
        watch.begin(6, 10)
        now[0] += 8
        watch.add(4)
        told = status(tmp_path)
        assert (told["state"], told["step"], told["total"]) == ("running", 10, 20)
        assert told["eta_seconds"] == pytest.approx(20)
        now[0] += 1000  # of loading the other model
        watch.begin(0, 10)
        assert status(tmp_path)["eta_seconds"] == pytest.approx(20)
        watch.add(10)
    told = status(tmp_path)
    assert (told["state"], told["step"], told["eta_seconds"]) == ("finished", 20, 0)


def test_one_signal_asks_for_the_end_while_rows_are_answered(tmp_path):
    watch = AnswerWatch(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    with watch.watching():
        watch.begin(0, 5)
        signal.raise_signal(signal.SIGTERM)
        assert watch.is_asked_to_stop
        watch.add(2)
    assert status(tmp_path)["state"] == "stopped" and status(tmp_path)["step"] == 2
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_fault_is_told_with_its_reason_and_goes_on(tmp_path):
    with pytest.raises(DataError), AnswerWatch(tmp_path).watching():
        raise DataError("{path} has no rows.", path="x.jsonl")
    assert status(tmp_path)["state"] == "failed"
    assert status(tmp_path)["reason"] == {"template": "{path} has no rows.", "values": {"path": "x.jsonl"}}
    with pytest.raises(ZeroDivisionError), AnswerWatch(tmp_path).watching():
        _ = 1 / 0
    assert "fault of this program" in status(tmp_path)["reason"]["template"]
    with pytest.raises(KeyboardInterrupt), AnswerWatch(tmp_path).watching():
        raise KeyboardInterrupt
    assert status(tmp_path)["state"] == "stopped"


def test_a_folder_that_cannot_be_written_is_said_before_anything_begins(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        AnswerWatch(tmp_path / "file")


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    watch = AnswerWatch()
    with watch.watching():
        watch.begin(0, 1)
        watch.add(1)
    assert watch.is_done and not list(tmp_path.iterdir())


@pytest.mark.parametrize("num_begun", [0, 1])
def test_before_the_first_row_and_when_asked_twice_it_ends_at_once(num_begun, tmp_path):
    program = (
        "import signal, sys\n"
        "from pathlib import Path\n"
        "from glmcore.tuning.answer_watch import AnswerWatch\n"
        "watch = AnswerWatch(Path(sys.argv[1]))\n"
        "with watch.watching():\n"
        "    if sys.argv[2] == '1':\n"
        "        watch.begin(0, 5)\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "        assert watch.is_asked_to_stop\n"
        "    signal.raise_signal(signal.SIGTERM)\n"
        "print('never')\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path), str(num_begun)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "")
    assert status(tmp_path)["state"] == "stopped"
