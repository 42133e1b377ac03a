"""Data files made into examples on disk: once, in little memory, with a fair split and a true report."""

import errno
import hashlib
import json
import os
from dataclasses import replace
from types import SimpleNamespace

import pytest

from glmcore.core.errors import DataError, StorageError
from glmcore.models.catalog import FAMILIES
from glmcore.models.tokenizers.chatglm import ChatGLMTokenizer
from glmcore.tuning.data.prepared import prepare_test, prepare_training
from glmcore.tuning.data.tokens import ExampleBuilder
from glmcore.tuning.job_config import DataConfig
from tests.models.original_folders import vocabulary
from tests.models.tiny_model import build_tokenizer
from tests.tuning.running import Killed, write_conversations, write_rows

LIMITS = (200, 60)
FORMS = {family.name: family.prompt_form for family in FAMILIES}


@pytest.fixture(scope="module")
def chatglm(tmp_path_factory):
    path = tmp_path_factory.mktemp("chatglm") / "ice_text.model"
    path.write_bytes(vocabulary("chatglm"))
    return ChatGLMTokenizer(path)


@pytest.fixture
def prepare(tmp_path, chatglm):
    """Prepared rows of a training file; `begun` counts how often one was made anew."""
    stages = []

    def make(data, base="llama", seed=1, template="t"):
        tokenizer = chatglm if base == "chatglm" else build_tokenizer()
        end = "<eop>" if base == "chatglm" else "<|end|>"
        made = ExampleBuilder(
            form=FORMS["chatglm" if base == "chatglm" else "glm"],
            tokenizer=tokenizer,
            ends=(tokenizer.convert_tokens_to_ids(end),),
            max_input_length=data.max_input_length,
            max_output_length=data.max_output_length,
        )
        return prepare_training(
            data, made, template, seed, tmp_path / "prepared", lambda stage, share: stages.append(stage)
        )

    return SimpleNamespace(make=make, folder=tmp_path / "prepared", stages=stages)


def data_of(path, **values):
    usual = {"validation_share": 0.0, "max_input_length": LIMITS[0], "max_output_length": LIMITS[1]}
    return DataConfig(train_file=path, **usual | values)


def folders(prepare):
    return sorted(path.name for path in prepare.folder.iterdir())


def rows_of(dataset):
    return [dict(row) for row in dataset]


def numbers(dataset):
    return [row["number"] for row in dataset]


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


# --- validation


def test_a_split_is_the_same_for_the_same_seed_and_has_the_share(prepare, tmp_path):
    path = write_rows(tmp_path / "train.jsonl", 100)
    made = prepare.make(data_of(path, validation_share=0.2))
    assert (len(made.train), len(made.validation)) == (80, 20)
    assert made.report.is_split
    assert (made.report.num_training, made.report.num_validation) == (80, 20)
    assert sorted(numbers(made.train) + numbers(made.validation)) == list(range(1, 101))
    again = prepare.make(data_of(path, validation_share=0.2))
    assert numbers(again.validation) == numbers(made.validation)
    other = prepare.make(data_of(path, validation_share=0.2), seed=2)
    assert numbers(other.validation) != numbers(made.validation)
    assert len(folders(prepare)) == 1


def test_rows_that_are_the_same_are_on_one_side(prepare, tmp_path):
    path = tmp_path / "train.jsonl"
    lines = [json.dumps({"prompt": f"q{number % 10}", "response": "a"}) for number in range(60)]
    path.write_text("\n".join(lines))
    made = prepare.make(data_of(path, validation_share=0.2))
    sides = [{row["prompt"] for row in side} for side in (made.train, made.validation)]
    assert not sides[0] & sides[1]
    assert len(made.validation) == 12


@pytest.mark.parametrize("base", ["llama", "chatglm"])
def test_no_conversation_is_on_both_sides(base, prepare, tmp_path):
    path = write_conversations(
        tmp_path / "train.jsonl",
        [(f"q{number}", "a", "r", f"b{number}", "s", f"c{number}") for number in range(40)],
    )
    made = prepare.make(data_of(path, validation_share=0.25), base=base)
    assert not set(numbers(made.train)) & set(numbers(made.validation))
    assert len(set(numbers(made.validation))) == 10
    assert len(made.validation) == (30 if base == "chatglm" else 10)


@pytest.mark.parametrize("count", [1, 2])
def test_there_is_always_something_to_train_on(count, prepare, tmp_path):
    path = write_rows(tmp_path / "train.jsonl", count)
    made = prepare.make(data_of(path, validation_share=0.5))
    assert len(made.train) == 1
    assert (made.validation is None) == (count == 1)


def test_only_so_many_validation_rows_are_taken(prepare, tmp_path):
    path = write_rows(tmp_path / "train.jsonl", 50)
    made = prepare.make(data_of(path, validation_share=0.4, max_eval_samples=3))
    assert len(made.validation) == 3
    assert len(made.train) == 30


def test_a_validation_file_is_taken_as_it_is_and_compared(prepare, tmp_path):
    train = write_rows(tmp_path / "train.jsonl", 20)
    rows = [json.loads(line) for line in train.read_text(encoding="utf-8").splitlines()]
    other = tmp_path / "validation.jsonl"
    held = [
        rows[3],
        {**rows[5], "prompt": rows[5]["prompt"].upper() + " "},  # blanks and capitals make no difference
        {"prompt": "Something else entirely?", "response": "Yes, quite another matter."},
    ]
    other.write_text("".join(json.dumps(row) + "\n" for row in held))
    made = prepare.make(data_of(train, validation_file=other))
    assert not made.report.is_split
    assert [len(made.train), len(made.validation)] == [20, 3]
    assert made.report.num_near_duplicates == 2
    assert made.report.near_duplicates == ((4, 1), (6, 2))
    assert {"count": 2, "all": 3} in [note.values for note in made.report.notes]
    assert [file.file for file in made.report.files] == ["train.jsonl", "validation.jsonl"]


# --- the report


def test_the_report_counts_what_became_of_every_row(prepare, tmp_path):
    path = tmp_path / "train.jsonl"
    rows = [
        [("user", "12345"), ("assistant", "abc")],  # a prompt of 8 tokens, an answer of 3
        [("user", "12345"), ("assistant", "abc")],
        [("user", "x" * 30), ("assistant", "y" * 20)],  # its answer is cut
        [("user", "z" * 60), ("assistant", "y")],  # its question is too long
        [("user", "o" * 40), ("assistant", "p"), ("user", "q"), ("assistant", "r")],  # a turn is cut
        [("user", "hello")],
        [("user", "hello"), ("assistant", " ")],
        [("user", "hello"), ("system", "late"), ("user", "more"), ("assistant", "x")],
    ]
    path.write_text(
        "".join(
            json.dumps({"messages": [{"role": role, "content": text} for role, text in row]}) + "\n"
            for row in rows
        )
    )
    made = prepare.make(data_of(path, max_input_length=40, max_output_length=10))
    (report,) = made.report.files
    assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (report.num_rows, report.num_examples) == (8, 4)
    assert report.dropped == {"no_answer": 1, "empty_answer": 1, "too_long": 1, "late_system": 1}
    assert report.num_examples + sum(report.dropped.values()) == report.num_rows
    assert (report.num_cut_turns, report.num_cut_answers) == (1, 1)
    # The template puts a token before a question and two after it, and one after an answer.
    prompts = [5 + 3, 5 + 3, 30 + 3, 60 + 3, 40 + 3 + 2 + 1 + 3]
    answers = [3, 3, 21, 2]  # "ab" is one token
    assert report.prompts.mean == round(sum(prompts) / 5, 1)
    assert report.prompts.longest == 63
    assert report.answers.mean == round(sum(answers) / 4, 1)
    assert report.num_learnt_tokens == 3 + 3 + 10 + 2
    assert report.num_tokens == (8 + 3) * 2 + 33 + 10 + (1 + 3) + 2
    assert made.report.num_duplicates == 1
    said = [note.values.get("count") for note in made.report.notes if "count" in note.values]
    assert said == [1, 1, 1, 1, 1, 1, 1]  # four kinds of dropped, two of cut, one duplicate
    assert report.limits == (40, 10)


def test_the_report_is_read_back_equal(prepare, tmp_path):
    from glmcore.tuning.data.report import FileReport

    (report,) = prepare.make(data_of(write_rows(tmp_path / "train.jsonl", 12))).report.files
    assert FileReport.from_dict(json.loads(json.dumps(report.to_dict()))) == report
    counts = sum(count for _, _, count in report.prompts.bins)
    assert counts == 12
    assert report.prompts.median <= report.prompts.share_99 <= report.prompts.longest


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
    path = write_rows(tmp_path / "train.jsonl", 3000)
    with path.open("a") as file:
        file.write('{"prompt": "q", "resp')
    for _ in range(2):
        with pytest.raises(DataError, match="3001"):
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
