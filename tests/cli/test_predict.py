"""`predict`: the scores of a checkpoint as a table, also beside the base model's."""

from pathlib import Path

import pytest
import yaml

from glmcore.cli import main
from glmcore.core.notes import Note
from glmcore.tuning.predict import Predictions
from tests.tuning.running import METHODS, QUIET, base_folder, write_rows


@pytest.fixture(autouse=True)
def tokenizers_as_they_are(monkeypatch):
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")  # the command sets it when it is not set


@pytest.fixture
def job(tmp_path):
    values = {
        **QUIET,
        **METHODS["lora"],
        "base_model": str(base_folder("llama")),
        "train_file": str(write_rows(tmp_path / "train.jsonl", 4)),
        "test_file": str(write_rows(tmp_path / "test.jsonl", 3, start=4)),
        "output_dir": str(tmp_path / "run"),
        "max_steps": 1,
        "save_every_steps": 1,
        "max_new_tokens": 4,
    }
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


def results(checkpoint, **values):
    scores = dict.fromkeys(
        ("rouge-1", "rouge-2", "rouge-l", "bleu", "chrf", "bleu_corpus", "chrf_corpus"), 1.0
    )
    return {
        "checkpoint": checkpoint,
        "answers": "greedy",
        "max_new_tokens": 64,
        "sacrebleu_signature": "tok:zh",
        "num_rows": 3,
        "num_empty": 1,
        "bleu-4": 8.0,
        "loss": 2.0,
        "perplexity": 7.389,
        **scores,
        **values,
    }


@pytest.fixture
def asked(monkeypatch):
    """What would have been answered: checkpoint and output folder."""
    calls = []

    def predict(job_file, checkpoint, *, settings, progress, say, output, watch):
        watch.begin(3, 3)
        calls.append((checkpoint, output))
        say(Note("{count} rows.", {"count": 3}))
        if checkpoint == "base":
            return Predictions(Path("at/base"), results("tiny", loss=float("nan")))
        return Predictions(Path("at/best"), results("/x/checkpoint-25", **{"bleu-4": 10.5}))

    monkeypatch.setattr("glmcore.tuning.predict.predict", predict)
    return calls


def rows_of(text):
    """First word of a line -> the others."""
    return {line.split()[0]: line.split()[1:] for line in text.splitlines()}


def test_best_checkpoint_is_scored_by_default(job, asked, capsys):
    assert main(["predict", job]) == 0
    out, err = capsys.readouterr()
    rows = rows_of(out)
    assert asked == [("best", None)] and err.endswith("3 rows.\n")
    assert rows["score"] == ["checkpoint-25"]
    assert rows["BLEU-4"] == ["10.5000"] and rows["rows"] == ["3"] and rows["empty"] == ["answers", "1"]
    assert out.endswith(
        "Answers: greedy, at most 64 tokens. sacreBLEU: tok:zh\nThe answers are in at/best.\n"
    )


def test_base_is_shown_beside_with_the_difference(job, asked, capsys):
    assert main(["predict", job, "--compare-base", "--checkpoint", "checkpoint-25"]) == 0
    out = capsys.readouterr().out
    rows = rows_of(out)
    assert asked == [("checkpoint-25", None), ("base", None)]
    assert rows["score"] == ["tiny", "checkpoint-25", "difference"]
    assert rows["BLEU-4"] == ["8.0000", "10.5000", "+2.5000"]
    assert rows["loss"][-3:] == ["–", "2.0000", "–"]
    assert "at/base.\n" in out and "at/best.\n" in out


def test_answers_go_below_the_folder_that_is_named(job, asked):
    assert main(["predict", "--output", "here", job, "--compare-base", "seed=3"]) == 0
    assert asked == [("best", Path("here")), ("base", Path("here"))]


def test_training_data_is_not_needed(job, asked):
    assert main(["predict", job, "train_file="]) == 0
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "No job is named"),
        (["{job}", "test_file=absent.jsonl"], "there is no absent.jsonl"),
        (["{job}", "--checkpoint"], "expected one argument"),
        (["{job}", "--checkpoints", "best"], "unknown key 'checkpoints'"),
        (["{job}", "--checkpoint", "best"], "There is no checkpoint 'best'"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_2(arguments, sentence, job, capsys):
    assert main(["predict", *(text.format(job=job) for text in arguments)]) == 2
    assert sentence in capsys.readouterr().err


def test_what_was_trained_is_answered_and_scored(job, tmp_path, capsys):
    assert main(["train", job]) == 0
    assert main(["predict", job, "--compare-base"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert rows["score"] == ["llama", "checkpoint-1", "difference"] and rows["rows"] == ["3", "3"]
    folders = sorted((tmp_path / "run" / "predictions").iterdir())
    assert [folder.name.rsplit("-", 1)[0] for folder in folders] == ["base", "checkpoint-1"]
    assert all(len((folder / "predictions.jsonl").read_text().splitlines()) == 3 for folder in folders)
