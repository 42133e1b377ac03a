"""Alerts of live runs: told once, kept over restarts, acted on in our own runs only."""

import errno
import json
import os
import shutil
import threading
import time

import pytest

from glmcore.core.errors import StorageError
from glmcore.core.notes import Note
from glmcore.curves import library as library_module
from glmcore.curves.alerts import watch as watch_module
from glmcore.curves.alerts.rules import DEFAULT_RULES, AlertAction, AlertKind, AlertRule
from glmcore.curves.alerts.watch import AlertBook, AlertWatch, FiredAlert
from glmcore.curves.library import CurveLibrary
from glmcore.curves.logs import tail as tail_module
from glmcore.tuning.run_folder import RunFolder, write_whole


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """A folder of jobs; looks read and search at once."""
    for name in ("SHARED_SECONDS", "FIND_SECONDS", "FIND_SHARE"):
        monkeypatch.setattr(library_module, name, -1.0)
    (tmp_path / "jobs").mkdir()
    return tmp_path / "jobs"


@pytest.fixture
def book(tmp_path):
    return AlertBook(tmp_path / "kept")


def open_watch(jobs, book):
    return AlertWatch(jobs, book, CurveLibrary(None))


@pytest.fixture
def watch(jobs, book):
    return open_watch(jobs, book)


def write(jobs, name, *losses, mode="a"):
    """Log losses of a run; steps go on from the last ones."""
    path = jobs / name / "metrics.jsonl"
    path.parent.mkdir(exist_ok=True)
    first = path.read_text().count("\n") + 1 if path.exists() and mode == "a" else 1
    with path.open(mode) as file:
        file.writelines(
            json.dumps({"step": first + at, "loss": loss}) + "\n" for at, loss in enumerate(losses)
        )
    return RunFolder(path.parent)


def begin(jobs, name, *losses, **status):
    """A run of ours that lives, in this process."""
    folder = write(jobs, name, *losses)
    write_whole(folder.status, {"state": "running", "pid": os.getpid(), "updated": time.time()} | status)
    return folder


def told(alerts):
    return [(alert.run_name, alert.kind) for alert in alerts]


def active(book):
    return told(alert for alert in book.fired() if alert.is_active)


def with_action(action):
    return [AlertRule(AlertKind.NAN, True, action, 1)]


NAN = float("nan")


def test_an_alert_is_told_once_and_kept(watch, book, jobs):
    begin(jobs, "a", 2.0, NAN)
    begin(jobs, "b", 2.0, 1.9)
    (alert,) = watch.look(now=1000.0)
    assert (alert.run_name, alert.kind, alert.step, alert.at) == ("a", "nan", 2.0, 1000.0)
    assert "NaN" in alert.note.text and alert.action is AlertAction.NONE
    assert watch.look() == watch.look() == []
    assert book.fired() == [alert] and active(book) == [("a", "nan")]


def test_an_alert_whose_cause_is_gone_is_cleared_and_fires_again_when_it_is_back(watch, book, jobs):
    begin(jobs, "a", 2.0, NAN)
    assert watch.look()
    write(jobs, "a", 2.0, 1.9, mode="w")
    assert watch.look() == [] and active(book) == [] and len(book.fired()) == 1
    write(jobs, "a", NAN)
    assert told(watch.look()) == [("a", "nan")] == active(book)


@pytest.mark.parametrize("state", ["stopped", "finished", "failed"])
def test_an_alert_of_a_run_that_ended_is_cleared(watch, book, jobs, state):
    begin(jobs, "a", NAN)
    assert watch.look()
    write_whole(jobs / "a" / "status.json", {"state": state})
    assert watch.look() == [] and active(book) == []


def test_an_alert_of_a_run_that_was_removed_is_cleared(watch, book, jobs):
    begin(jobs, "a", NAN)
    assert watch.look()
    shutil.rmtree(jobs / "a")
    assert watch.look() == [] and active(book) == []


def test_a_dismissed_alert_fires_again_only_after_its_cause_was_gone(watch, book, jobs):
    begin(jobs, "a", NAN)
    (alert,) = watch.look()
    book.dismiss(alert.run_id, alert.kind)
    assert book.fired()[0].is_dismissed and watch.look() == []
    write(jobs, "a", 2.0, mode="w")
    watch.look()
    write(jobs, "a", NAN)
    assert told(watch.look()) == [("a", "nan")] and not book.fired()[0].is_dismissed


def test_a_restart_fires_nothing_twice(jobs, book, watch):
    begin(jobs, "a", NAN)
    assert watch.look()
    assert open_watch(jobs, AlertBook(book._folder)).look() == []


def test_a_run_that_is_not_read_to_its_end_neither_fires_nor_clears(jobs, book, watch, monkeypatch):
    begin(jobs, "a", *[2.0] * 40_000, NAN)
    assert watch.look()
    monkeypatch.setattr(tail_module, "CHUNK_BYTES", 64 << 10)
    monkeypatch.setattr(watch_module, "CHECK_SECONDS", 0.0)
    restarted = open_watch(jobs, book)
    assert restarted.look() == [] and active(book) == [("a", "nan")]
    monkeypatch.setattr(watch_module, "CHECK_SECONDS", 60.0)
    assert restarted.look() == [] and active(book) == [("a", "nan")]


def test_a_folder_of_jobs_that_is_away_for_a_moment_clears_nothing(jobs, book, watch):
    begin(jobs, "a", NAN)
    assert watch.look()
    jobs.rename(jobs.with_name("away"))
    assert watch.look() == [] and active(book) == [("a", "nan")]
    jobs.with_name("away").rename(jobs)
    assert watch.look() == []


def test_two_watches_on_one_folder_fire_once(jobs, book):
    for number in range(5):
        begin(jobs, f"run{number}", NAN)
    fired, start = [], threading.Barrier(4)

    def look():
        watch = open_watch(jobs, AlertBook(book._folder))
        start.wait()
        fired.extend(watch.look())

    watches = [threading.Thread(target=look) for _ in range(4)]
    for one in watches:
        one.start()
    for one in watches:
        one.join()
    assert sorted(told(fired)) == [(f"run{number}", "nan") for number in range(5)]


def test_a_rule_may_stop_a_run_of_ours(jobs, book, watch):
    book.set_rules(with_action(AlertAction.STOP))
    folder = begin(jobs, "a", NAN)
    assert watch.look()[0].action is AlertAction.STOP
    assert json.loads(folder.stop_request.read_text()) == {"save": True}
    assert not folder.save_request.exists()


def test_a_rule_may_have_a_run_of_ours_saved_once(jobs, book, watch):
    book.set_rules(with_action(AlertAction.SAVE))
    folder = begin(jobs, "a", NAN)
    assert watch.look()[0].action is AlertAction.SAVE
    folder.save_request.unlink()
    assert watch.look() == [] and not folder.save_request.exists() and not folder.stop_request.exists()


def test_a_request_to_stop_without_saving_stays_as_it_is(jobs, book, watch):
    book.set_rules(with_action(AlertAction.STOP))
    folder = begin(jobs, "a", NAN)
    write_whole(folder.stop_request, {"save": False})
    watch.look()
    assert json.loads(folder.stop_request.read_text()) == {"save": False}


@pytest.mark.parametrize("action", [AlertAction.STOP, AlertAction.SAVE])
@pytest.mark.parametrize("foreign", [None, "", '{"state": "unheard of"}', '{"phase": "running"}'])
def test_nothing_is_written_into_folders_of_other_programs(jobs, book, watch, action, foreign):
    book.set_rules(with_action(action))
    folder = write(jobs, "a", 2.0, NAN)
    if foreign is not None:
        folder.status.write_text(foreign)
    before = sorted(os.listdir(folder.path))
    assert watch.look()[0].action is AlertAction.NONE
    assert sorted(os.listdir(folder.path)) == before


@pytest.mark.parametrize("status", [{"state": "finished"}, {"updated": 5.0, "pid": 1}, {"pid": 0}])
def test_nothing_is_told_of_a_run_that_does_not_live(jobs, book, watch, status):
    book.set_rules(with_action(AlertAction.STOP))
    folder = begin(jobs, "a", NAN, **status)
    assert watch.look() == [] and book.fired() == [] and not folder.stop_request.exists()


def test_a_run_that_cannot_be_asked_is_told_all_the_same(jobs, book, watch, monkeypatch, caplog):
    book.set_rules(with_action(AlertAction.STOP))
    begin(jobs, "a", NAN)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(watch_module, "write_whole", full)
    assert told(watch.look()) == [("a", "nan")] and "No space left" in caplog.text


def test_on_a_full_disk_nothing_fires_again_and_again(jobs, book, watch, monkeypatch):
    book.set_rules(with_action(AlertAction.SAVE))
    folder = begin(jobs, "a", NAN)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(watch_module, "LineFile", full)
        for _ in range(2):
            with pytest.raises(StorageError, match="No space left"):
                watch.look()
        with pytest.raises(StorageError):
            book.dismiss("a", "nan")
    assert not folder.save_request.exists() and book.fired() == []
    assert told(watch.look()) == [("a", "nan")] and folder.save_request.exists()


def test_rules_that_cannot_be_stored_are_said(tmp_path):
    (tmp_path / "file").write_text("")
    book = AlertBook(tmp_path / "file")
    for deed in (lambda: book.set_rules(DEFAULT_RULES), lambda: book.dismiss("a", "b")):
        with pytest.raises(StorageError):
            deed()
    assert book.rules() == DEFAULT_RULES and book.fired() == []


@pytest.mark.parametrize(
    "text", ["", "{", "[" * 100_000, "\xff", "5", '{"rules": [{"kind": "x"}]}', '{"rules": 5}']
)
def test_a_broken_file_of_rules_gives_the_defaults(book, text, caplog):
    book.set_rules(with_action(AlertAction.STOP))
    assert book.rules()[0].action is AlertAction.STOP
    book._rules_file.write_text(text, encoding="latin-1")
    assert book.rules() == DEFAULT_RULES and "default" in caplog.text


def test_broken_lines_among_the_alerts_are_passed_over(book):
    note = Note("{count} of {name}", {"count": 1, "name": "\udcff"})
    alert = FiredAlert("r", "<b>名</b>\udcff", "nan", note, None, 5, AlertAction.NONE)
    book.add(alert)
    whole = json.loads(book._fired_file.read_text())
    wrong = [
        {"template": "{unknown}"},
        {"template": "{count.x}"},
        {"values": 5},
        {"at": "x"},
        {"at": 10**400},
    ]
    wrong += [{"action": "explode"}, {"step": []}, {"run_id": None, "is_active": False}]
    lines = [json.dumps(whole | {"run_id": str(at)} | one) for at, one in enumerate(wrong)]
    lines += ["", "{", "[]", "5", "[" * 100_000, '{"is_dismissed": true}', "\0", '{"run_id": []}']
    with book._fired_file.open("a") as file:
        file.write("\n".join(lines) + '\n{"half')
    assert [one.run_id for one in book.fired()] == ["r"]
    book.add(FiredAlert("s", "s", "nan", Note("x"), 3.0, 6, AlertAction.SAVE))
    assert [one.run_id for one in book.fired()] == ["s", "r"] and book.fired()[1].run_name == "<b>名</b>?"


def test_the_thread_looks_until_it_is_closed_and_outlives_a_fault(jobs, book, monkeypatch, caplog):
    monkeypatch.setattr(watch_module, "CHECK_SECONDS", 0.005)
    watch, looked = open_watch(jobs, book), threading.Semaphore(0)

    def look():
        looked.release()
        raise OSError("broken")

    monkeypatch.setattr(watch, "look", look)
    watch.start()
    assert all(looked.acquire(timeout=5) for _ in range(3))
    watch.close()
    assert not watch._thread.is_alive() and "it goes on" in caplog.text
