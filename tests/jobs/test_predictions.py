"""The answers in a job's folder are found with their scores, and read again at little cost."""

import json
import os

from glmcore.jobs.folder import JobFolder
from glmcore.jobs.predictions import (
    MOST_FILES,
    PredictionReader,
    PredictionSet,
    list_predictions,
    newest_pair,
)
from tests.jobs.answered import answered_row, line, results, write_answers


def test_sets_are_told_by_their_folders_and_results(tmp_path):
    old = write_answers(tmp_path, "checkpoint-100-a1b2c3d4", [answered_row(1)], results(12.5, 1))
    os.utime(old / "predictions.jsonl", (1, 1))
    write_answers(tmp_path, "base-a1b2c3d4", [])
    (tmp_path / "predictions" / "prepared").mkdir()
    (tmp_path / "predictions" / "note.txt").write_text("")
    tuned, base = list_predictions(JobFolder(tmp_path))
    assert (tuned.checkpoint, tuned.step, tuned.is_base, tuned.num_rows) == ("checkpoint-100", 100, False, 1)
    assert tuned.score("bleu-4") == 12.5
    assert (base.checkpoint, base.step, base.is_base, base.num_rows) == ("base", None, True, None)
    assert newest_pair([tuned, base]) == (tuned, base)
    assert newest_pair([base]) == (base, None) and newest_pair([]) == (None, None)


def test_results_of_strangers_say_nothing(tmp_path):
    hostile = {"bleu-4": "NaN", "chrf": [1], "num_rows": {}, "loss": 10**400, "rouge-l": None}
    folder = write_answers(tmp_path, "base-1", [], hostile)
    (one,) = list_predictions(JobFolder(tmp_path))
    assert one.num_rows is None
    assert all(one.score(name) is None for name in (*hostile, "absent"))
    for text in ("[]", "{", "[" * 100_000, json.dumps({"x": "y" * (2 << 20)})):
        (folder / "results.json").write_text(text)
        assert list_predictions(JobFolder(tmp_path))[0].results == {}
    assert list_predictions(JobFolder(tmp_path / "absent")) == []


def test_a_running_prediction_is_read_on(tmp_path):
    tuned = PredictionSet(write_answers(tmp_path, "checkpoint-1-a", [answered_row(1)]), "checkpoint-1")
    base = PredictionSet(tmp_path / "predictions" / "base-a", "base")  # not begun yet
    reader = PredictionReader()
    assert [row.base for row in reader.read_pairs(tuned, base).rows([0])] == [None]
    with (tuned.path / "predictions.jsonl").open("ab") as file:
        file.write(line(answered_row(2)) + b"nonsense\n")
    write_answers(tmp_path, "base-a", [answered_row(1, answer="b")])
    table = reader.read_pairs(tuned, base)
    assert [row.base for row in table.rows([0, 1])] == ["b", None]
    assert table.num_unreadable == 1 and table.is_whole
    for number in range(2 * MOST_FILES):
        reader.read_pairs(PredictionSet(tmp_path / str(number), "base"), None)
    assert len(reader.read_pairs(tuned, base)) == 2


def test_a_table_says_when_there_is_more_to_read(tmp_path):
    rows = [answered_row(number, answer="x" * 3000) for number in range(1000)]
    tuned = PredictionSet(write_answers(tmp_path, "base-a", rows), "base")
    reader = PredictionReader()
    table = reader.read_pairs(tuned, None, seconds=-1)
    assert not table.is_whole and 0 < len(table) < 1000
    while not table.is_whole:
        table = reader.read_pairs(tuned, None, seconds=-1)
    assert len(table) == 1000
