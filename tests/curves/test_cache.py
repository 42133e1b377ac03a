"""What was read is kept on disk, and a cache that is broken is as good as none."""

import errno
import json
import os
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.curves import cache as cache_module
from glmcore.curves.cache import PREFIX_BYTES, CurveCache
from glmcore.curves.logs.event_file import EventFile
from glmcore.curves.logs.forms import Form, LogRef
from glmcore.curves.logs.json_lines import JsonLines
from glmcore.curves.logs.parsing import Problems
from glmcore.curves.logs.tail import Tail
from glmcore.curves.table import PointTable
from tests.curves.event_records import losses

LINES = [
    '{"step": 1, "loss": 2.5, "epoch": 0.1, "total_steps": 9}',
    "broken",
    '{"loss": NaN, "学习率<b>": 1e-4, "epoch": 0.2}',
    '{"step": 3, "loss": -Infinity, "eval_loss": 2.0}',
]


def assert_same(one, other):
    (steps, times, metrics), (steps2, times2, metrics2) = one.to_arrays(), other.to_arrays()
    assert np.array_equal(steps, steps2, equal_nan=True) and np.array_equal(times, times2, equal_nan=True)
    assert list(metrics) == list(metrics2) and one.last_step == other.last_step
    for name, (rows, values) in metrics.items():
        assert np.array_equal(rows, metrics2[name][0])
        assert np.array_equal(values, metrics2[name][1], equal_nan=True)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n".join(LINES) + "\n")
    return path


@pytest.fixture
def cache(tmp_path):
    return CurveCache(tmp_path / "cache")


def read(log):
    tail = Tail(lambda: [log], JsonLines)
    tail.refresh()
    return tail


def keep(cache, tail, key="key"):
    cache.save(key, tail.table, tail.places, tail.memory, tail.problems[0])


def reopened(cache, log, key="key"):
    kept = cache.load(key)
    return Tail(
        lambda: [log],
        JsonLines,
        table=kept.table,
        places=kept.places,
        memory=kept.memory,
        problems=kept.problems,
    )


@pytest.fixture
def kept_file(cache, log, tmp_path):
    keep(cache, read(log))
    return tmp_path / "cache" / "key.columns"


def test_what_was_kept_is_the_same_when_it_is_loaded(cache, log):
    tail = read(log)
    keep(cache, tail)
    kept = cache.load("key")
    assert_same(kept.table, tail.table)
    assert kept.places == tail.places and kept.memory == tail.memory == {"total_steps": 9.0}
    assert kept.problems == tail.problems[0] and kept.problems.notes()
    assert cache.load("another") is None


@pytest.mark.parametrize("mapped_bytes", [0, 1 << 30], ids=["mapped", "read"])
def test_loaded_columns_are_aligned_and_may_not_be_written_to(cache, kept_file, monkeypatch, mapped_bytes):
    monkeypatch.setattr(cache_module, "MAPPED_BYTES", mapped_bytes)
    steps, times, metrics = cache.load("key").table.to_arrays()
    columns = [steps, times, *(one for pair in metrics.values() for one in pair)]
    assert all(type(one) is np.ndarray and one.flags.aligned for one in columns)
    for one in columns:
        with pytest.raises(ValueError, match="read-only"):
            one[0] = 1


def test_small_caches_hold_no_file_open(cache, log):
    tail = read(log)
    for number in range(20):
        keep(cache, tail, str(number))
    before = len(os.listdir("/proc/self/fd"))
    loaded = [cache.load(str(number)) for number in range(20)]
    assert len(os.listdir("/proc/self/fd")) == before and all(loaded)


def test_reading_goes_on_from_the_cache_as_if_it_had_never_ended(cache, log):
    keep(cache, read(log))
    with log.open("a") as file:
        file.write('{"loss": 1.5}\n{"step": 4, "new": 1}\n')
    tail, fresh = reopened(cache, log), read(log)
    assert tail.refresh() and tail.read_bytes < 50
    assert_same(tail.table, fresh.table)
    assert tail.problems[0] == fresh.problems[0]
    keep(cache, tail)
    assert_same(cache.load("key").table, fresh.table)
    assert not reopened(cache, log).refresh()


@pytest.mark.parametrize("change", ["cut", "emptied", "replaced", "same size", "written over"])
def test_a_log_that_changed_since_is_read_anew(cache, log, change):
    keep(cache, read(log))
    whole = log.read_text()
    beside = log.with_name("beside")
    time.sleep(0.01)
    if change in ("cut", "emptied"):
        os.truncate(log, 0 if change == "emptied" else len(LINES[0]) + 1)
    elif change == "written over":
        log.write_text(whole.replace("2.0}", "7.0}"))
    else:
        beside.write_text(whole.replace("2.5", "3.5") if change == "same size" else LINES[0] + "\n")
        os.replace(beside, log)
    tail = reopened(cache, log)
    assert tail.refresh()
    assert_same(tail.table, read(log).table)


def test_event_files_of_one_folder_are_kept_together(cache, tmp_path):
    folder = tmp_path / "logs"
    folder.mkdir()
    first, second = (folder / f"events.out.tfevents.{number}.host.1.0" for number in (1, 2))
    first.write_bytes(b"".join(losses(3)))
    second.write_bytes(b"".join(losses(2, first=4)))
    ref = LogRef(Form.EVENTS, folder)
    tail = Tail(ref.list_files, EventFile)
    tail.refresh()
    keep(cache, tail)
    with second.open("ab") as file:
        file.write(b"".join(losses(2, first=6)))
    (folder / "events.out.tfevents.3.host.1.0").write_bytes(b"".join(losses(1, first=8)))
    kept = cache.load("key")
    again = Tail(ref.list_files, EventFile, table=kept.table, places=kept.places, memory=kept.memory)
    assert again.refresh() and again.read_bytes < tail.read_bytes
    assert again.table.series("loss").steps.tolist() == list(range(1, 9)) and len(again.places) == 3


def test_a_table_without_points_is_kept_too(cache):
    cache.save("key", PointTable(), [], {}, Problems())
    assert len(cache.load("key").table) == 0


def test_another_version_is_left_aside(cache, kept_file, monkeypatch, caplog):
    monkeypatch.setattr(cache_module, "VERSION", cache_module.VERSION + 1)
    assert cache.load("key") is None and "version" in caplog.text


def test_a_cache_that_was_cut_anywhere_is_left_aside(cache, kept_file):
    whole = kept_file.read_bytes()
    for size in [*range(0, len(whole), 37), PREFIX_BYTES, len(whole) - 1]:
        kept_file.write_bytes(whole[:size])
        assert cache.load("key") is None
    kept_file.write_bytes(whole + b"\0" * 64)
    assert cache.load("key") is None


@given(data=st.binary(max_size=200))
@settings(max_examples=100, deadline=None)
def test_garbage_is_left_aside(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / "garbage"
    folder.mkdir(exist_ok=True)
    for text in (data, b"%08x%08x" % (zlib.crc32(data), len(data)) + data):
        (folder / "key.columns").write_bytes(text)
        assert CurveCache(folder).load("key") is None


@pytest.mark.parametrize("at", range(0, 900, 60))
def test_a_changed_bit_raises_nothing(cache, kept_file, at):
    whole = bytearray(kept_file.read_bytes())
    whole[at % len(whole)] ^= 0x41
    kept_file.write_bytes(whole)
    kept = cache.load("key")
    assert kept is None or all(len(kept.table.series(name)) for name in kept.table.names)


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": 10**18},
        {"rows": -1},
        {"rows": "9"},
        {"rows": None},
        {"rows": 1.5},
        {"metrics": [["loss", 2**62]]},
        {"metrics": [["loss", 4]]},
        {"metrics": [["loss"]]},
        {"metrics": 5},
        {"places": [{"inode": 1}]},
        {"places": [5]},
        {"memory": [1]},
        {"counts": None},
        {"version": None},
    ],
    ids=str,
)
def test_a_beginning_that_claims_the_absurd_is_left_aside(cache, kept_file, changes):
    whole = kept_file.read_bytes()
    length = int(whole[8:16], 16)
    header = json.loads(whole[16 : 16 + length]) | changes
    text = json.dumps(header).encode().ljust(length)
    kept_file.write_bytes(b"%08x%08x" % (zlib.crc32(text), len(text)) + text + whole[16 + length :])
    assert cache.load("key") is None


def test_a_full_disk_costs_the_cache_only(cache, log, tmp_path, monkeypatch, caplog):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    keep(cache, read(log))
    monkeypatch.setattr(cache_module.os, "replace", full)
    keep(cache, read(log))
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["key.columns"]
    assert cache.load("key") and "No space left" in caplog.text


def test_a_cache_folder_that_cannot_be_made_costs_the_cache_only(log, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    cache = CurveCache(tmp_path / "file" / "cache")
    keep(cache, read(log))
    assert cache.load("key") is None and caplog.text


def test_those_not_used_for_longest_make_room_and_so_does_what_was_left_half_written(
    cache, log, tmp_path, monkeypatch
):
    folder, tail = tmp_path / "cache", read(log)
    for number in range(4):
        keep(cache, tail, f"k{number}")
        os.utime(folder / f"k{number}.columns", (number + 1, number + 1))
    assert cache.load("k0"), "using one keeps it"
    monkeypatch.setattr(cache_module, "KEEP_BYTES", 3 * (folder / "k0.columns").stat().st_size)
    (folder / ".k9.columns.1-2").write_text("new")
    (folder / ".k8.columns.1-2").write_text("old")
    os.utime(folder / ".k8.columns.1-2", (1, 1))
    keep(cache, tail, "new")
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [".k9.columns.1-2", "k0.columns", "k3.columns", "new.columns"]
    )
