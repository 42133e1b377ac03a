"""trainer_state.json of a run and its checkpoints: the furthest one counts, read again when it changes."""

import json
import os
import shutil

import pytest

from glmcore.curves.logs import state_log as state_log_module
from glmcore.curves.logs.forms import Form, LogRef
from glmcore.curves.logs.state_log import UNREADABLE, StateLog
from glmcore.curves.logs.tail import GONE


class Run:
    """An output folder of a Trainer; times of files are set, so that no test waits."""

    def __init__(self, folder):
        self.folder, self.clock = folder, 1_000_000
        self.log = StateLog(LogRef(Form.TRAINER_STATE, folder).list_files)

    def save(self, step, *, where=None, loss=2.0, first=1, summary=False):
        """Write the state of a step; by default into its checkpoint."""
        history = [{"step": at, "loss": loss / at, "epoch": at / 10} for at in range(first, step + 1)]
        history += [{"step": step, "train_runtime": 5.0}] if summary else []
        state = {"global_step": step, "max_steps": 100, "log_history": history}
        return self.write(where or f"checkpoint-{step}", json.dumps(state))

    def write(self, where, text):
        path = self.folder / where / "trainer_state.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        self.clock += 1
        os.utime(path, (self.clock, self.clock))
        return path

    @property
    def steps(self):
        return self.log.table.series("loss").steps.tolist() if "loss" in self.log.table.names else []

    @property
    def problems(self):
        return {template for one in self.log.problems for template in one.counts}


@pytest.fixture
def run(tmp_path):
    return Run(tmp_path)


def test_each_new_checkpoint_brings_its_points_once(run):
    for step in (2, 4, 6):
        run.save(step)
        assert run.log.refresh() and not run.log.refresh()
        assert run.steps == list(range(1, step + 1))
    assert run.log.memory == {"total_steps": 100.0} and run.log.changed_at == run.clock
    assert not run.problems and run.log.unread_bytes == 0


def test_the_state_of_the_run_itself_has_what_came_after_the_last_checkpoint(run):
    run.save(4)
    run.save(5, where=".", summary=True)
    run.log.refresh()
    assert run.steps == [1, 2, 3, 4, 5] and "train_runtime" in run.log.table.names


def test_a_run_that_went_on_after_its_end_is_read_from_its_checkpoints(run):
    run.save(5, where=".", summary=True)
    run.save(8)
    run.log.refresh()
    assert run.steps == list(range(1, 9))


@pytest.mark.parametrize("last_copied", [2, 4, 6, "."])
def test_in_a_copied_folder_times_say_nothing_and_the_furthest_state_counts(run, last_copied):
    for step in (2, 4, 6):
        run.save(step)
    run.save(6, where=".", summary=True)
    copied = "." if last_copied == "." else f"checkpoint-{last_copied}"
    os.utime(run.folder / copied / "trainer_state.json", (2e9, 2e9))
    run.log.refresh()
    assert run.steps == [1, 2, 3, 4, 5, 6] and "train_runtime" in run.log.table.names


def test_checkpoints_of_an_earlier_run_in_the_same_folder_do_not_count(run):
    run.save(50, loss=9.0)
    run.save(5, where=".", loss=9.0)
    run.save(3, loss=2.0)
    run.log.refresh()
    assert run.steps == [1, 2, 3] and run.log.table.series("loss").values[0] == 2.0


def test_a_state_that_is_half_written_costs_no_points_and_is_counted_once(run):
    whole = run.save(4).read_text()
    run.log.refresh()
    run.write("checkpoint-6", whole[:50])
    for _ in range(3):
        assert not run.log.refresh()
    assert run.steps == [1, 2, 3, 4] and run.problems == {UNREADABLE}
    assert run.log.problems[0].counts[UNREADABLE] == 1
    run.save(6)
    assert run.log.refresh() and run.steps == [1, 2, 3, 4, 5, 6]
    assert not run.problems, "it is whole now"


def test_where_the_newest_states_are_broken_an_older_one_is_read(run):
    run.save(4)
    run.write("checkpoint-6", "{")
    run.write(".", "")
    assert run.log.refresh() and run.steps == [1, 2, 3, 4] and run.problems == {UNREADABLE}


@pytest.mark.parametrize("text", ["", "[]", "null", '{"log_history": 5}', "[" * 100_000, "9" * 5000, "\0"])
def test_a_document_that_is_none_raises_nothing(run, text):
    run.write(".", text)
    assert not run.log.refresh() and run.problems == {UNREADABLE}
    assert all(note.text for one in run.log.problems for note in one.notes())


def test_checkpoints_that_are_removed_cost_no_points(run):
    for step in (2, 4):
        run.save(step)
    run.log.refresh()
    shutil.rmtree(run.folder / "checkpoint-2")
    run.log.refresh()
    assert run.steps == [1, 2, 3, 4]
    shutil.rmtree(run.folder / "checkpoint-4")
    assert not run.log.refresh() and run.steps == [1, 2, 3, 4] and not run.problems


def test_a_state_that_may_not_be_read_is_counted(run, monkeypatch):
    def refuse(_):
        raise PermissionError(13, "no")

    run.save(4)
    monkeypatch.setattr(type(run.folder), "read_bytes", refuse)
    assert not run.log.refresh() and not run.log.refresh()
    assert run.problems == {GONE} and run.log.problems[0].counts[GONE] == 1


def test_a_state_too_large_is_left_aside_with_the_reason(run, monkeypatch):
    monkeypatch.setattr(state_log_module, "LARGEST_BYTES", 100)
    run.save(40)
    assert not run.log.refresh()
    assert "MiB" in run.log.problems[0].notes()[0].text
