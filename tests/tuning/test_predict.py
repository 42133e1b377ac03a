"""Test rows answered and scored with a checkpoint or the base, row by row, and gone on with."""

import errno
import json
import shutil

import pytest
import torch

from glmcore.core.errors import DataError, JobError, NotEnoughMemoryError, NotFoundError, StorageError
from glmcore.core.messages import Message
from glmcore.core.settings import Settings
from glmcore.models import load_model
from glmcore.tuning.answer_watch import AnswerWatch
from glmcore.tuning.predict import find_checkpoint, predict, read_predictions
from glmcore.tuning.resume import held
from glmcore.tuning.run_folder import RunFolder
from tests.tuning.cases import slow_but
from tests.tuning.running import (
    base_folder,
    checkpoint,
    job_file,
    read_json,
    run,
    write_conversations,
    write_rows,
)

pytestmark = pytest.mark.usefixtures("one_thread")

STEPS = {"max_steps": 4, "save_every_steps": 2, "evaluate_every_steps": 2}


@pytest.fixture(scope="module")
def run_of(tmp_path_factory):
    """The folder of a finished run with two checkpoints, made once; its test data has five rows."""
    made = {}

    def finished(base, method):
        if (base, method) not in made:
            folder = tmp_path_factory.mktemp(f"{base}-{method}")
            write_rows(folder / "test.jsonl", 5, start=30)
            write_rows(folder / "validation.jsonl", 3, start=20)
            run(folder, base, method, validation_file=folder / "validation.jsonl", **STEPS)
            made[base, method] = folder
        return made[base, method]

    return finished


@pytest.fixture
def answered(tmp_path):
    """Predictions of a run's checkpoint in a folder of this test; `said` collects the notes."""

    def ask(folder, base, method, name, output=None, said=None, watch=None, **values):
        values = {"test_file": folder / "test.jsonl", "max_new_tokens": 5} | values
        job = job_file(folder, base, method, "test_file", **values)
        notes = [] if said is None else said
        settings = Settings(home=tmp_path / "home", allow_hub=False)
        output = output or tmp_path / "out"
        return predict(job, name, settings, lambda stage, share: None, notes.append, output, watch)

    return ask


def loaded_for(folder, base, method, name, settings):
    plain = load_model(base_folder(base), dtype="float32", device="cpu", settings=settings)
    if name == "base":
        return plain
    path = checkpoint(folder, 4)
    if method == "full":
        return load_model(path, dtype="float32", device="cpu", settings=settings)
    return plain.with_adapter(path, settings)


def text_alone(loaded, question, max_new_tokens=5):
    """The greedy answer to one unpadded prompt, as the chat shows it."""
    ids = torch.tensor([loaded.prompt_ids([Message("user", question)])])
    made = loaded.model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=list(loaded.eos_token_ids),
        pad_token_id=loaded.eos_token_ids[0],
    )[0, ids.shape[1] :].tolist()
    end = next((place for place, token in enumerate(made) if token in loaded.eos_token_ids), len(made))
    return loaded.clean_answer(loaded.decode(made[:end]))


ASKED = [
    (*tuned, name)
    for tuned in [
        ("chatglm", "prefix"),
        ("chatglm2", "full"),
        ("chatglm3", "lora"),
        ("glm", "projected"),
        ("llama", "full"),
    ]
    for name in ("last", "base")
]
ASKED_FIRST = [("chatglm", "prefix", "last"), ("glm", "projected", "base"), ("llama", "full", "last")]


@pytest.mark.parametrize("base, method, name", slow_but(ASKED_FIRST, ASKED))
def test_rows_are_answered_as_the_chat_would(base, method, name, run_of, answered, tmp_path):
    folder = run_of(base, method)
    made = answered(folder, base, method, name, per_device_eval_batch_size=3)
    rows = list(read_predictions(made.folder))
    asked = [json.loads(line) for line in (folder / "test.jsonl").read_text(encoding="utf-8").splitlines()]
    loaded = loaded_for(folder, base, method, name, Settings(home=tmp_path / "home", allow_hub=False))
    assert [row["prompt"] for row in rows] == [row["prompt"] for row in asked]
    assert [row["labels"] for row in rows] == [row["response"] for row in asked]
    assert [row["predict"] for row in rows] == [text_alone(loaded, row["prompt"]) for row in asked]
    assert [row["row"] for row in rows] == [1, 2, 3, 4, 5]


def test_results_say_how_good_and_how_they_came_about(run_of, answered):
    made = answered(run_of("llama", "lora"), "llama", "lora", "last")
    rows = list(read_predictions(made.folder))
    results = read_json(made.folder / "results.json")
    assert results == json.loads(json.dumps(made.results))
    for name in ("bleu-4", "rouge-1", "rouge-2", "rouge-l"):
        assert results[name] == pytest.approx(sum(row["scores"][name] for row in rows) / 5, abs=1e-4)
    total = sum(row["loss"] * row["num_tokens"] for row in rows)
    assert results["loss"] == pytest.approx(total / sum(row["num_tokens"] for row in rows))
    assert results["perplexity"] == pytest.approx(2.718281828 ** results["loss"])
    assert results["answers"] == "greedy"
    assert results["checkpoint"].endswith("checkpoint-4")
    assert len(results["data"]["test.jsonl"]) == 64
    assert results["seed"] == 42
    assert "torch" in results["versions"]


def test_generated_predictions_have_the_form_of_2023(run_of, answered):
    made = answered(run_of("chatglm", "prefix"), "chatglm", "prefix", "last")
    lines = (made.folder / "generated_predictions.txt").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"labels": row["labels"], "predict": row["predict"]} for row in read_predictions(made.folder)
    ]
    assert lines[0].startswith('{"labels": "好", "predict": ')


@pytest.mark.parametrize("cut", slow_but([0, 40], [0, 1, 40, -1]))
def test_a_broken_off_prediction_goes_on_to_the_same_end(cut, run_of, answered, tmp_path):
    folder = run_of("glm", "projected")
    whole = answered(folder, "glm", "projected", "last", tmp_path / "whole")
    lines = (whole.folder / "predictions.jsonl").read_bytes().splitlines(keepends=True)
    assert whole.folder.parent == tmp_path / "whole" and whole.folder.name.startswith("checkpoint-4-")
    broken = tmp_path / "broken" / whole.folder.name
    broken.mkdir(parents=True)
    (broken / "predictions.jsonl").write_bytes(b"".join(lines[:2]) + lines[2][:cut])
    said = []
    made = answered(folder, "glm", "projected", "last", broken.parent, said)
    assert made.folder == broken
    assert {"count": 2, "all": 5} in [note.values for note in said]
    assert (broken / "predictions.jsonl").read_bytes() == b"".join(lines)
    assert made.results == whole.results
    assert (broken / "generated_predictions.txt").read_bytes() == (
        whole.folder / "generated_predictions.txt"
    ).read_bytes()


def test_a_finished_prediction_asks_nothing_again(run_of, answered, monkeypatch):
    folder = run_of("llama", "lora")
    first = answered(folder, "llama", "lora", "last")
    monkeypatch.setattr("glmcore.tuning.predict.generate_answers", None)
    assert answered(folder, "llama", "lora", "last").results == first.results


@pytest.mark.parametrize("values", [{"max_predict_samples": 2}, {"source_prefix": "q: "}])
def test_answers_to_other_rows_are_not_taken_for_these(values, run_of, answered):
    folder = run_of("llama", "lora")
    first = answered(folder, "llama", "lora", "last")
    other = answered(folder, "llama", "lora", "last", **values)
    assert other.folder != first.folder
    assert len(list(read_predictions(other.folder))) == values.get("max_predict_samples", 5)
    assert len(list(read_predictions(first.folder))) == 5


def test_a_prediction_is_watched_stopped_and_gone_on_with(run_of, answered, tmp_path):
    folder = run_of("llama", "lora")
    whole = answered(folder, "llama", "lora", "last", tmp_path / "whole")

    class Impatient(AnswerWatch):
        def add(self, count):
            super().add(count)
            self.is_asked_to_stop = True

    def parts(watch):
        with watch.watching():
            made = answered(folder, "llama", "lora", "last", watch=watch, per_device_eval_batch_size=2)
        told = read_json(tmp_path / "status" / "status.json")
        return made, (told["state"], told["step"], told["total"])

    stopped, told = parts(Impatient(tmp_path / "status"))
    assert told == ("stopped", 2, 5)
    assert stopped.results["num_rows"] == 2 and not (stopped.folder / "results.json").exists()
    made, told = parts(AnswerWatch(tmp_path / "status"))
    assert told == ("finished", 5, 5)
    same = ("bleu-4", "rouge-l", "loss", "num_rows")
    assert [made.results[name] for name in same] == pytest.approx([whole.results[name] for name in same])


def test_two_processes_do_not_answer_into_one_folder(run_of, answered):
    made = answered(folder := run_of("llama", "lora"), "llama", "lora", "last")
    with held(RunFolder(made.folder)), pytest.raises(JobError, match="in use"):
        answered(folder, "llama", "lora", "last")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), NotEnoughMemoryError),
        (OSError(errno.ENOSPC, "No space left on device"), StorageError),
    ],
)
def test_what_ran_out_is_said_in_a_sentence(fault, kind, run_of, answered, monkeypatch):
    def fail(*_, **__):
        raise fault

    monkeypatch.setattr("glmcore.tuning.predict.generate_answers", fail)
    with pytest.raises(kind):
        answered(run_of("llama", "lora"), "llama", "lora", "last")


def test_each_way_of_answering_has_a_folder_of_its_own(run_of, tmp_path):
    folder = tmp_path / "copied"
    shutil.copytree(run_of("llama", "lora"), folder)
    settings = Settings(home=tmp_path / "home", allow_hub=False)

    def ask(name, **values):
        values = {"test_file": folder / "test.jsonl", "max_new_tokens": 5} | values
        job = job_file(folder, "llama", "lora", "test_file", **values)
        return predict(job, name, settings, lambda stage, share: None, lambda note: None).folder

    first = ask("last")
    assert first.parent == folder / "run" / "predictions"
    assert first.name.startswith("checkpoint-4-")
    assert ask("last") == first
    others = {ask("base"), ask("checkpoint-2"), ask("last", max_new_tokens=4), ask("last", num_beams=2)}
    assert len(others | {first}) == 5
    write_rows(folder / "test.jsonl", 3)
    assert ask("last") not in others | {first}


def test_an_empty_answer_scores_nothing_and_is_written_down(run_of, answered, monkeypatch):
    monkeypatch.setattr("glmcore.tuning.predict.text_of", lambda loaded, ids: "")
    made = answered(run_of("llama", "lora"), "llama", "lora", "last")
    assert [row["predict"] for row in read_predictions(made.folder)] == [""] * 5
    assert made.results["bleu-4"] == made.results["rouge-l"] == 0
    lines = (made.folder / "generated_predictions.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5


@pytest.mark.parametrize("base, count", [("chatglm", 3), ("llama", 2)])
def test_conversations_are_answered_once_each_or_once_for_every_answer(
    base, count, run_of, answered, tmp_path
):
    method = "prefix" if base == "chatglm" else "lora"
    test = write_conversations(tmp_path / "conversations.jsonl", [("q", "a", "r", "b"), ("s", "c")])
    made = answered(run_of(base, method), base, method, "last", test_file=test)
    rows = list(read_predictions(made.folder))
    assert len(rows) == count
    assert [row["labels"] for row in rows[-2:]] == ["b", "c"]
    assert {row["row"] for row in rows} == {1, 2}


def test_checkpoints_are_found_by_name(run_of, tmp_path):
    folder = run_of("llama", "lora")
    found = RunFolder(folder / "run")
    assert find_checkpoint("base", found) is None
    assert find_checkpoint("last", found) == checkpoint(folder, 4)
    assert find_checkpoint("checkpoint-2", found) == checkpoint(folder, 2)
    assert find_checkpoint(str(tmp_path), found) == tmp_path
    assert find_checkpoint(str(checkpoint(folder, 2)), found) == checkpoint(folder, 2)
    best = read_json(checkpoint(folder, 4) / "complete.json")["best_step"]
    assert find_checkpoint("best", found) == checkpoint(folder, best)
    with pytest.raises(NotFoundError, match="checkpoint-2, checkpoint-4"):
        find_checkpoint("checkpoint-3", found)


@pytest.mark.parametrize("name", ["best", "last"])
def test_a_run_without_checkpoints_has_none_to_find(name, tmp_path):
    with pytest.raises(NotFoundError, match="There is no checkpoint"):
        find_checkpoint(name, RunFolder(tmp_path))


def test_the_base_answers_where_nothing_was_tuned_yet(answered, tmp_path):
    write_rows(tmp_path / "test.jsonl", 2)
    made = answered(tmp_path, "llama", "lora", "base")
    assert made.results["checkpoint"] == "llama"
    assert len(list(read_predictions(made.folder))) == 2


def test_test_data_with_nothing_to_ask_is_refused(run_of, answered, tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"prompt": "", "response": "x"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"empty\.jsonl"):
        answered(run_of("llama", "lora"), "llama", "lora", "last", test_file=empty)
