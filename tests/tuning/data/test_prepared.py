"""Data files made into examples on disk: once, in little memory, and whole or not at all."""

import errno
import os
from dataclasses import replace

import pytest

from glmcore.core.errors import DataError, StorageError
from glmcore.models.catalog import FAMILIES
from glmcore.tuning.data.prepared import prepare_test
from glmcore.tuning.data.tokens import ExampleBuilder
from glmcore.tuning.job_config import DataConfig
from tests.models.tiny_model import build_tokenizer
from tests.tuning.data.preparing import data_of, folders, numbers, rows_of
from tests.tuning.running import Killed, write_rows

FORMS = {family.name: family.prompt_form for family in FAMILIES}


def test_rows_are_read_back_as_they_were_built(prepare, tmp_path):
    path = write_rows(tmp_path / "train.jsonl", 12)
    made = prepare.make(data_of(path))
    assert made.validation is None
    assert numbers(made.train) == list(range(1, 13))
    first = made.train[0]
    tokenizer = build_tokenizer()
    start, stop = first["learnt"]
    assert tokenizer.decode(first["ids"][start:stop]) == "好<|end|>"
    assert tokenizer.decode(first["ids"][:start]) == f"<|user|>{first['prompt']}<|end|><|assistant|>"
    assert first["answer"] == "好"


# --- taken again


def test_what_was_prepared_is_taken_again_while_nothing_changes(prepare, tmp_path, monkeypatch):
    path = write_rows(tmp_path / "train.jsonl", 12)
    first = prepare.make(data_of(path))
    monkeypatch.setattr("glmcore.tuning.data.prepared.ExampleFile", None)  # so that none can be written
    again = prepare.make(data_of(path))
    assert rows_of(again.train) == rows_of(first.train)
    assert again.report == first.report
    moved = path.rename(tmp_path / "moved.jsonl")
    renamed = prepare.make(data_of(moved))
    assert rows_of(renamed.train) == rows_of(first.train)
    assert renamed.report.files[0].file == "moved.jsonl"


@pytest.mark.parametrize(
    "change",
    [
        {"source_prefix": "Q: "},
        {"max_input_length": 100},
        {"max_output_length": 50},
        {"max_train_samples": 5},
        {"prompt_column": "response", "response_column": "prompt"},
        {"encoding": "utf-8-sig"},
    ],
)
def test_other_settings_prepare_anew(change, prepare, tmp_path):
    path = write_rows(tmp_path / "train.jsonl", 12)
    prepare.make(data_of(path))
    made = prepare.make(data_of(path, **change))
    assert len(folders(prepare)) == 2
    assert len(made.train) == change.get("max_train_samples", 12)


def test_another_file_or_template_prepares_anew(prepare, tmp_path):
    path = write_rows(tmp_path / "train.jsonl", 12)
    prepare.make(data_of(path))
    prepare.make(data_of(path), template="other")
    assert len(folders(prepare)) == 2
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("Paris", "Parma"), encoding="utf-8")  # of one size, as if at one time
    assert any("Parma" in row["answer"] for row in prepare.make(data_of(path)).train)
    assert len(folders(prepare)) == 3


@pytest.mark.parametrize("report", [None, "", "{", "[]"])
def test_what_a_killed_process_left_is_made_anew(report, prepare, tmp_path):
    path = write_rows(tmp_path / "train.jsonl", 12)
    whole = prepare.make(data_of(path))
    (folder,) = prepare.folder.iterdir()
    arrow = (folder / "rows.arrow").read_bytes()
    (folder / "rows.arrow").unlink()
    (folder / "rows.arrow").write_bytes(arrow[: len(arrow) // 2])
    (folder / "report.json").unlink()
    if report is not None:  # it is written last and whole, but a disk may have been full
        (folder / "report.json").write_text(report)
    assert len(rows_of(prepare.make(data_of(path)).train)) == len(rows_of(whole.train)) == 12


def test_a_preparation_that_breaks_off_is_begun_anew(prepare, tmp_path, monkeypatch):
    path = write_rows(tmp_path / "train.jsonl", 12)

    def killed(*args):
        raise Killed

    places = (
        "glmcore.tuning.data.example_file.ExampleFile.add",
        "glmcore.tuning.data.example_file.Counts.report",
    )
    for place in (*places, "datasets.Dataset.from_file"):
        with monkeypatch.context() as patch:
            patch.setattr(place, killed)
            with pytest.raises(Killed):
                prepare.make(data_of(path))
    assert len(prepare.make(data_of(path)).train) == 12


# --- what goes wrong


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", '{"prompt": "", "response": ""}\n', '{"prompt": "q", "response": " "}\n' * 3],
)
def test_data_with_nothing_to_learn_says_so(text, prepare, tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(text)
    for _ in range(2):
        with pytest.raises(DataError, match=r"train\.jsonl"):
            prepare.make(data_of(path))


def test_rows_that_are_all_too_long_say_so(prepare, tmp_path):
    path = write_rows(tmp_path / "train.jsonl", 4)
    with pytest.raises(DataError, match="of 4 rows 0 were left out as empty, 4 as longer than max_input"):
        prepare.make(data_of(path, max_input_length=4))


def test_a_broken_last_line_is_named_and_leaves_nothing_that_is_taken_again(prepare, tmp_path):
    path = write_rows(tmp_path / "train.jsonl", 600)
    with path.open("a") as file:
        file.write('{"prompt": "q", "resp')
    for _ in range(2):
        with pytest.raises(DataError, match="601"):
            prepare.make(data_of(path))


@pytest.mark.parametrize("number, said", [(errno.ENOSPC, "is full"), (errno.EACCES, "cannot be written")])
@pytest.mark.parametrize("place", ["add", "__enter__", "__exit__"])
def test_a_disk_that_refuses_says_so_and_what_it_took_is_no_data(
    number, said, place, prepare, tmp_path, monkeypatch
):
    path = write_rows(tmp_path / "train.jsonl", 12)

    def refuse(self, *args):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(f"glmcore.tuning.data.example_file.ExampleFile.{place}", refuse)
        with pytest.raises(StorageError, match=said):
            prepare.make(data_of(path))
    assert len(prepare.make(data_of(path)).train) == 12


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_real_full_disk_is_told_from_other_faults(prepare, tmp_path, monkeypatch):
    from glmcore.tuning.data import prepared

    path = write_rows(tmp_path / "train.jsonl", 5000)
    real = prepared.ExampleFile
    monkeypatch.setattr(prepared, "ExampleFile", lambda target: real("/dev/full"))
    with pytest.raises(StorageError, match="is full"):
        prepare.make(data_of(path))


def test_test_rows_need_a_file(tmp_path, prepare):
    path = write_rows(tmp_path / "test.jsonl", 4)
    tokenizer = build_tokenizer()
    builder = ExampleBuilder(
        form=FORMS["glm"],
        tokenizer=tokenizer,
        ends=(tokenizer.convert_tokens_to_ids("<|end|>"),),
        max_input_length=200,
        max_output_length=60,
    )
    arguments = (builder, "t", tmp_path / "prepared", lambda stage, share: None)
    with pytest.raises(DataError, match="names no test_file"):
        prepare_test(DataConfig(), *arguments)
    data = DataConfig(test_file=path, max_predict_samples=3)
    rows, report = prepare_test(data, *arguments)
    assert len(rows) == 3
    assert report.num_rows == 3
    assert len(prepare_test(replace(data, max_predict_samples=None), *arguments)[0]) == 4


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(prepare, tmp_path):
    """Four times the rows, about the same peak beyond what is held of every row (hashes)."""
    import threading

    import psutil

    peaks = []
    for count in (5_000, 40_000):
        path = write_rows(tmp_path / f"{count}.jsonl", count)
        process, ends = psutil.Process(), threading.Event()
        before, found = process.memory_info().rss, []

        def watch(process=process, ends=ends, found=found):
            while not ends.wait(0.01):
                usage = process.memory_full_info()
                found.append(usage.uss)

        thread = threading.Thread(target=watch)
        thread.start()
        assert len(prepare.make(data_of(path)).train) == count
        ends.set()
        thread.join()
        peaks.append(max(found) - before)
    assert peaks[1] < max(peaks[0], 0) + 40_000_000
