"""Evaluations made before: a table, and a curve over the checkpoints of one job."""

from glmcore.jobs.job import JobState
from glmcore.jobs.predictions import PredictionSet
from glmcore.ui.training.evaluate.earlier import Evaluation, _groups
from tests.ui.training.evaluate.evaluation import add_evaluation, add_training, open_evaluate
from tests.ui.training.jobs.job_visit import said
from tests.ui.visits import Server


def test_scores_are_listed_with_their_change_to_the_base(server: Server) -> None:
    jobs = server.services.jobs
    source = add_training(jobs)
    add_evaluation(jobs, source, 50, score=30)
    add_evaluation(jobs, source, 100, JobState.FAILED, num_tuned=1, num_base=0)
    at = open_evaluate()
    rows = at.dataframe[0].value.to_dict("records")
    assert [(row["source"], row["checkpoint"], row["state"]) for row in rows] == [
        ("letters", "checkpoint-100", "failed"),
        ("letters", "checkpoint-50", "finished"),
    ]
    assert rows[1]["rouge-l"] == 30 and rows[1]["rouge-l change"] == 16.75 and rows[1]["rows"] == 3
    assert not at.get("plotly_chart")


def test_checkpoints_of_one_job_on_the_same_rows_make_a_curve(server: Server) -> None:
    jobs = server.services.jobs
    source, other = add_training(jobs), add_training(jobs, "other")
    for step in (100, 50):
        add_evaluation(jobs, source, step, score=step / 2)
    add_evaluation(jobs, other, 50)
    at = open_evaluate()
    assert len(at.get("plotly_chart")) == 1 and "Evaluations so far" in said(at)


def test_only_scores_of_the_same_kind_are_one_curve(server: Server) -> None:
    jobs = server.services.jobs
    source = add_training(jobs)
    found = []
    for step, rows in ((50, 3), (100, 3), (100, 2)):
        job = add_evaluation(jobs, source, step, JobState.QUEUED)
        tuned = PredictionSet(
            jobs.folder(job.id).path, f"checkpoint-{step}", {"num_rows": rows, "rouge-l": 1.0}
        )
        found.append(Evaluation(job, "letters", tuned.checkpoint, tuned, None))
    assert [[one.tuned.step for one in group] for group in _groups(found)] == [[50, 100]]
    assert _groups(found[1:]) == []


def test_without_evaluations_there_is_the_form_alone(server: Server) -> None:
    assert "Evaluations so far" not in said(open_evaluate())
