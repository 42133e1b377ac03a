"""Which rows are trained on and which are judged by, and what the report says of them all."""

import hashlib
import json

import pytest

from tests.tuning.data.preparing import data_of, folders, numbers
from tests.tuning.running import write_conversations, write_rows

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


@pytest.mark.parametrize("base", ["llama", "chatglm"])
def test_a_row_with_a_history_column_is_one_example_that_learns_its_answer(base, prepare, tmp_path):
    path = tmp_path / "train.jsonl"
    rows = [
        {"prompt": "q", "response": "a", "history": []},
        {"prompt": "r", "response": "b", "history": [["q", "a"]]},
        {"prompt": "s", "response": "c", "history": [["q", "a"], ["r", "b"]]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = prepare.make(data_of(path), base=base)
    assert numbers(made.train) == [1, 2, 3]
    assert [(row["prompt"], row["answer"]) for row in made.train] == [("q", "a"), ("r", "b"), ("s", "c")]
    assert all(len(row["learnt"]) == 2 and row["learnt"][1] == len(row["ids"]) for row in made.train)
    starts = [row["learnt"][0] for row in made.train]
    assert starts == sorted(set(starts))  # the history is in the prompt
    (report,) = made.report.files
    assert (report.num_rows, report.num_examples) == (3, 3)


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
