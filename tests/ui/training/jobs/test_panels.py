"""What the tabs of one job read from files that anybody may have written."""

import json
from pathlib import Path

import pytest

from glmcore.jobs.job import JobKind, JobState
from glmcore.jobs.progress import JobProgress
from glmcore.tuning.checkpoints import Checkpoint
from glmcore.ui.training.jobs import checkpoints_panel, log_panel, probe_panel, words
from glmcore.ui.training.jobs.data_panel import show_data
from glmcore.ui.training.jobs.facts_panel import show_facts
from glmcore.ui.training.jobs.failure_view import show_failure
from glmcore.ui.training.jobs.predictions_panel import scores_of, show_predictions
from glmcore.ui.training.jobs.probe_panel import show_probe
from tests.sources import ROOT
from tests.ui.training.jobs.job_visit import add_checkpoint, add_job, open_dialog, said, table
from tests.ui.visits import Server

LENGTHS = {"mean": 3.0, "median": 3, "share_99": 9, "longest": 9, "suggested_limit": 16, "bins": [[0, 9, 7]]}
FILE = {
    "file": "rows.jsonl",
    "sha256": "0",
    "num_rows": 9,
    "num_examples": 7,
    "num_tokens": 70,
    "num_learnt_tokens": 30,
    "num_cut_turns": 0,
    "num_cut_answers": 1,
    "dropped": {"empty_answer": 2},
    "prompts": LENGTHS,
    "answers": LENGTHS,
    "limits": [64, 64],
}


def test_scores_of_a_checkpoint_leave_facts_of_the_machine_out() -> None:
    metrics = {
        "eval_loss": 1.5,
        "eval_bleu-4": 20,
        "eval_runtime": 3.0,
        "epoch": 1.0,
        "odd": "text",
        "is": True,
    }
    checkpoint = Checkpoint(10, Path("x"), metrics)  # type: ignore[arg-type]
    assert checkpoints_panel.scores_of(checkpoint) == {"loss": 1.5, "bleu-4": 20.0}


def test_the_end_of_a_log_is_downloaded(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_bytes(b"x" * 100 + b"end")
    assert log_panel.read_end(tmp_path / "log.txt", 5) == b"xxend"
    assert log_panel.read_end(tmp_path / "gone.txt", 5) == b""


def test_data_are_counted_and_what_was_left_out_is_said(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "job")
    report = {"files": [FILE], "num_duplicates": 3, "num_near_duplicates": 0, "num_validation": 0}
    jobs.folder(job.id).data_report.write_text(json.dumps(report))
    at = open_dialog(lambda: show_data(server.services, job))
    assert "2 rows without an answer" in said(at) and "3 training rows" in said(at)
    assert at.table[0].value.to_dict("records")[0]["Left out"] == "2"


@pytest.mark.parametrize(
    "text",
    ["[]", "{", '{"files": 3}', '{"files": [{"file": 1}]}', json.dumps({"files": [FILE | {"prompts": 3}]})],
)
def test_a_report_that_is_none_is_said(server: Server, text: str) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "job")
    jobs.folder(job.id).data_report.write_text(text)
    at = open_dialog(lambda: show_data(server.services, job))
    assert "cannot be read" in said(at) or "not read yet" in said(at)


def test_what_was_forgotten_is_shown_by_question(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "job")
    lines = [
        _asking(0, 2.0, {"en-03": (0.3, "Paris."), "en-04": (1.0, "15")}),
        "{half",
        "[1]",
        json.dumps({"step": "x"}),
        _asking(50, 3.0, {"en-03": (0.4, "Lyon."), "en-04": (2.0, "Topic: sum")}),
    ]
    jobs.folder(job.id).probe.write_text("\n".join(lines))
    at = open_dialog(lambda: show_probe(server.services, job))
    assert "It has forgotten something" in said(at) and at.metric[0].delta == "+50 %"
    assert [row["question"] for row in table(at)] == ["What is 7 plus 8?", "What is the capital of France?"]
    assert table(at)[1]["before"] == "Paris." and table(at)[1]["now"] == "Lyon."


def test_a_probe_before_training_only_waits_for_the_next(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "job")
    jobs.folder(job.id).probe.write_text(_asking(0, 2.0, {}))
    assert "before training only" in said(open_dialog(lambda: show_probe(server.services, job)))
    assert probe_panel.read_askings(Path("gone")) == {}


def test_hostile_results_are_shown_as_text(server: Server) -> None:
    jobs = server.services.jobs
    job = add_job(jobs, "job", JobState.FINISHED)
    results = {"device": ["<b>"], "seed": {}, "seconds": "x", "versions": {"<img>": "**b**"}, "data": 3}
    jobs.folder(job.id).results.write_text(json.dumps(results | {"parameters": "many"}))
    at = open_dialog(lambda: show_facts(server.services, job))
    shown = str(at.table[0].value.to_dict("records"))
    assert r"\\<img\\>" in shown and r"\\*\\*b" in shown


def test_evaluations_are_listed_with_the_scores_of_the_checkpoint(server: Server) -> None:
    jobs = server.services.jobs
    source = add_job(jobs, "source", JobState.FINISHED)
    add_checkpoint(jobs, source, 20, 1.0, 20)
    made = jobs.predict(
        name="check",
        owner="local",
        data_file=ROOT / "configs/demo/test.jsonl",
        checkpoint="best",
        source=source,
    )
    assert scores_of(jobs, made) == {}
    for name, bleu in (("base-1", 1.0), ("checkpoint-20-2", 30.0)):
        folder = jobs.folder(made.id).predictions / name
        folder.mkdir(parents=True)
        (folder / "predictions.jsonl").write_text("")
        results = {"checkpoint": name.rpartition("-")[0], "bleu-4": bleu, "loss": "none"}
        (folder / "results.json").write_text(json.dumps(results))
    assert made.kind is JobKind.PREDICT and scores_of(jobs, made) == {"bleu-4": 30.0}
    (row,) = table(open_dialog(lambda: show_predictions(server.services, source)))
    assert (row["checkpoint"], row["data"], row["score bleu-4"]) == ("checkpoint-20", "test.jsonl", 30.0)


def test_a_failure_with_the_runs_own_sentence_has_its_code_beside_it(server: Server) -> None:
    jobs = server.services.jobs
    claimed = add_job(jobs, "job", JobState.RUNNING)
    reason = {"template": "The loss is {value}.", "values": {"value": "nan"}}
    jobs.queue.end(claimed, JobState.FAILED, 2, reason)
    job = jobs.queue.get(claimed.id)
    at = open_dialog(lambda: show_failure(jobs.folder(job.id), job))
    assert "The loss is nan. (Exit code 2.)" in said(at)


def test_a_failure_told_by_its_log_has_its_code_beside_it_and_one_by_a_signal_its_name(
    server: Server,
) -> None:
    jobs = server.services.jobs
    told = {}
    for code in (2, 1, -9):
        claimed = add_job(jobs, f"job {code}", JobState.RUNNING)
        jobs.folder(claimed.id).log.write_text("=== attempt 1\njob.yaml: train_file: there is no /a.csv\n")
        jobs.queue.end(claimed, JobState.FAILED, code, None)
        job = jobs.queue.get(claimed.id)
        at = open_dialog(lambda job=job: show_failure(jobs.folder(job.id), job))
        told[code] = at.error[0].value.replace("\\", "")
    assert told[2].endswith("there is no /a.csv (Exit code 2.)")
    assert told[1].endswith("the exit code 1.") and told[-9].endswith("the signal SIGKILL.")


def test_numbers_are_said_briefly() -> None:
    assert [words.duration_text(value) for value in (3723, 0, None, float("nan"), -1)] == [
        "1:02:03",
        "0:00:00",
        "",
        "",
        "",
    ]
    assert [words.size_text(size) for size in (7, 2048, 5 << 20, 3 << 30)] == [
        "7 B",
        "2 KiB",
        "5.0 MiB",
        "3.00 GiB",
    ]
    assert words.moment_text(1e300) == "" and words.moment_text(None) == ""
    assert words.share_done(JobProgress(step=30, total=20)) == 1.0
    assert words.share_done(JobProgress(step=3)) is None


def _asking(step: int, loss: float, answers: dict[str, tuple[float, str]]) -> str:
    questions = [{"id": name, "loss": one, "answer": answer} for name, (one, answer) in answers.items()]
    return json.dumps({"step": step, "probe_loss": loss, "questions": questions})
