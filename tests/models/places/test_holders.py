"""Who holds a device is known from small files; the one that does not fit says who is there."""

import json
import os
import subprocess
import sys
import time

import pytest

from glmcore.core.errors import GlmcoreError, NotEnoughMemoryError
from glmcore.core.i18n import translate_error
from glmcore.models.places import holders as place
from glmcore.models.places.devices import GIB
from glmcore.models.places.holders import hold, holders, naming_holders
from glmcore.models.places.visible import gpu_name, visible_gpus

NO_ROOM = NotEnoughMemoryError("{name} needs {needed:.1f} GiB.", name="big", needed=9.0)


@pytest.fixture(autouse=True)
def every_gpu_is_seen(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def model(home, name="tiny", **held):
    return hold(home, name=name, what="chat", held=held or {"cpu": 3 * GIB})


def run(home, name="demo", **held):
    return hold(home, name=name, what="job", held=held or {"cpu": 2 * GIB})


def names(home, device="cpu"):
    return [holder.name for holder in holders(home, device)]


def files(home):
    return list((home / "holders").iterdir())


def written(home, **changes):
    """A file as another process would write it."""
    with model(home):
        values = json.loads(files(home)[0].read_text())
    path = home / "holders" / "other.json"
    path.write_text(json.dumps(values | changes))
    return path


def test_a_holder_is_known_as_long_as_it_holds(tmp_path):
    assert names(tmp_path) == []
    with model(tmp_path), run(tmp_path):
        first, second = holders(tmp_path, "cpu")
        assert (first.name, first.what, first.bytes, first.pid) == ("tiny", "chat", 3 * GIB, os.getpid())
        assert (str(second), second.what) == ("demo (2.0 GiB)", "job")
    assert files(tmp_path) == []


def test_a_holder_that_breaks_off_lets_go(tmp_path):
    with pytest.raises(ZeroDivisionError), run(tmp_path):
        raise ZeroDivisionError
    assert files(tmp_path) == []


def test_a_device_has_its_own_holders(tmp_path):
    gpus = {"cuda:0": GIB, "cuda:1": 2 * GIB}
    with model(tmp_path, "spread", **gpus), run(tmp_path, **{"cuda:1": GIB}), run(tmp_path, "on cpu"):
        assert names(tmp_path, "cuda:0") == ["spread"]
        assert names(tmp_path, "cuda:1") == ["spread", "demo"]
        assert names(tmp_path, "cpu") == names(tmp_path, "mps") == ["on cpu"]
        assert names(tmp_path, "cuda") == ["spread", "spread", "demo"]
        assert len(names(tmp_path, "auto")) == 4
        assert names(tmp_path, "cuda:2") == []


def test_a_gpu_is_the_same_one_whatever_number_a_process_gives_it(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    with model(tmp_path, **{"cuda:1": GIB}):
        assert names(tmp_path, "cuda:0") == []
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "6")
        assert names(tmp_path, "cuda:0") == names(tmp_path, "cuda") == ["tiny"]
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
        assert names(tmp_path, "cuda") == []
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
        assert names(tmp_path, "cuda:6") == ["tiny"]


def test_a_list_of_gpus_ends_where_cuda_stops_reading():
    assert visible_gpus({}) is None
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": " 3, 1,-1,0"}) == ("3", "1")
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "GPU-a,1"}) == ("GPU-a",)
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "1,1"}) == visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == ()
    assert gpu_name(3, {}) == "3" and gpu_name(3, {"CUDA_VISIBLE_DEVICES": "0"}) == "-1"


# Processes that are gone.


def test_a_process_that_was_killed_holds_nothing(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from glmcore.models.places.holders import hold\n"
        "with hold(Path(sys.argv[1]), name='killed', what='job', held={'cpu': 1}):\n"
        "    print('holds', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", program, tmp_path], stdout=subprocess.PIPE, text=True)
    with other:
        assert other.stdout.readline() == "holds\n"
        assert names(tmp_path) == ["killed"]
        other.kill()
        deadline = time.monotonic() + 5  # a zombie until it is waited for: that is gone too
        while names(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert files(tmp_path) == []


def test_a_number_that_another_process_got_since_is_not_the_holder(tmp_path):
    parent = os.getppid()
    path = written(tmp_path, pid=parent)
    assert names(tmp_path) == ["tiny"]
    written(tmp_path, pid=parent, started=1000.0)
    assert names(tmp_path) == [] and not path.exists()


def test_holders_on_another_machine_are_left_to_it(tmp_path):
    path = written(tmp_path, host="elsewhere", pid=1 << 30)
    assert names(tmp_path) == [] and path.exists()


# Files that are none of ours, and disks that refuse.


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "[" * 100_000, '{"name": 1}', "NaN", "\udcff", '{"a": ' * 50_000],
)
def test_a_file_that_is_no_holder_is_passed_over(tmp_path, text):
    path = written(tmp_path)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert names(tmp_path) == [] and path.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"pid": 0},
        {"pid": -1},
        {"pid": 1 << 40},
        {"pid": True},
        {"pid": "1"},
        {"started": float("nan")},
        {"started": "now"},
        {"bytes": "many"},
        {"bytes": 10**400},
        {"bytes": -1},
        {"bytes": None},
        {"name": ["a"]},
        {"device": None},
        {"more": 1},
    ],
)
def test_a_holder_with_odd_values_is_passed_over(tmp_path, changes):
    path = written(tmp_path, **changes)
    assert names(tmp_path, "auto") == [] and path.exists()


def test_a_pipe_in_place_of_a_file_holds_nobody_up(tmp_path):
    path = written(tmp_path)
    path.unlink()
    os.mkfifo(path)
    assert names(tmp_path) == []


def test_a_folder_in_place_of_a_file_is_passed_over(tmp_path):
    (tmp_path / "holders" / "a.json").mkdir(parents=True)
    assert names(tmp_path) == []


def test_where_nothing_can_be_written_nobody_knows_and_nothing_fails(tmp_path, monkeypatch):
    (tmp_path / "holders").write_text("a file")
    with model(tmp_path):
        assert names(tmp_path) == []

    def full(*_):
        raise OSError(28, "No space left on device")

    home = tmp_path / "home"
    monkeypatch.setattr(place.os, "replace", full)
    with model(home):
        assert names(home) == [] and files(home) == []


# What is said.


def test_where_nobody_is_the_error_stays_as_it_is(tmp_path):
    assert naming_holders(NO_ROOM, tmp_path, "auto") is NO_ROOM


def test_the_one_that_does_not_fit_says_who_is_there(tmp_path):
    with model(tmp_path):
        text = str(naming_holders(NO_ROOM, tmp_path, "cpu"))
        assert text.startswith("big needs 9.0 GiB. The chat holds memory there: tiny (3.0 GiB); unload what")
        with run(tmp_path), run(tmp_path, "other"):
            text = str(naming_holders(NO_ROOM, tmp_path, "cpu"))
            assert "there: tiny (3.0 GiB); so do jobs: demo (2.0 GiB), other (2.0 GiB). Unload or" in text
    with run(tmp_path):
        assert " Jobs hold memory there: demo (2.0 GiB); stop" in str(
            naming_holders(NO_ROOM, tmp_path, "auto")
        )


def test_a_stored_error_keeps_both_sentences(tmp_path):
    with run(tmp_path, "{odd} *name*"):
        error = naming_holders(NO_ROOM, tmp_path, "cpu")
    stored = json.loads(json.dumps(error.to_dict()))
    again = GlmcoreError.from_dict(stored)
    assert str(again) == str(error) and again.to_dict() == stored
    assert "big" in translate_error(again, "zh")
