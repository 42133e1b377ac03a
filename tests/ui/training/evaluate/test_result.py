"""One evaluation as one reader sees it: state, scores, rows in any order, one of them in full."""

import numpy as np
import pytest

from glmcore.core.errors import DataError
from glmcore.jobs.job import JobState
from glmcore.jobs.predictions import PredictionReader, list_predictions, newest_pair
from glmcore.ui.training.evaluate import rows as rows_module
from glmcore.ui.training.evaluate.row_detail import show_row
from glmcore.ui.training.evaluate.scores import change_text
from tests.ui.training.evaluate.evaluation import (
    add_evaluation,
    add_training,
    open_drawn,
    open_evaluate,
    press,
)
from tests.ui.training.jobs.job_visit import click, keys, said
from tests.ui.visits import Server


def scores(at):
    table = at.table[0].value
    return {row[0]: list(row[1:]) for row in table.to_records(index=False).tolist()}


def row_numbers(at):
    return [row["row"] for row in at.dataframe[0].value.to_dict("records")]


def paired(jobs, job):
    return PredictionReader().read_pairs(*newest_pair(list_predictions(jobs.folder(job.id))))


def test_scores_of_base_and_tuned_stand_beside_their_difference(server: Server) -> None:
    jobs = server.services.jobs
    job = add_evaluation(jobs, add_training(jobs), 100)
    at = open_evaluate(job=job.id)
    assert scores(at)["ROUGE-L"] == ["13.25", "40.00", ":green[\\+26.75]"]
    assert "finished" in said(at) and "tok:zh" in said(at)
    assert "Tuned is better in 1 rows, worse in 1, the same in 1." in said(at)


def test_rows_come_worst_or_best_first_and_are_searched(server: Server) -> None:
    jobs = server.services.jobs
    at = open_evaluate(job=add_evaluation(jobs, add_training(jobs), 100).id)
    assert row_numbers(at) == [2, 3, 1]
    at.text_input(key="evaluation_search").set_value("客户 London").run()
    assert row_numbers(at) == [2] and "1 row" in said(at)
    at.text_input(key="evaluation_search").set_value("nowhere").run()
    assert "0 rows" in said(at) and not at.dataframe
    at.session_state["evaluation_order"] = "best"
    at.text_input(key="evaluation_search").set_value("").run()
    assert row_numbers(at) == [1, 3, 2]
    at.session_state["evaluation_side"] = "base"
    at.run()
    assert row_numbers(at) == [2, 1, 3]


def test_a_running_one_shows_means_over_the_rows_that_both_have_answered(server: Server) -> None:
    jobs = server.services.jobs
    job = add_evaluation(jobs, add_training(jobs), 100, JobState.RUNNING, num_tuned=3, num_base=1)
    at = open_evaluate(job=job.id)
    assert scores(at)["chrF, mean of the rows"] == ["10.00", "80.00", ":green[\\+70.00]"]
    assert "means over the rows so far" in said(at) and "3 rows were answered" in said(at)
    assert {"evaluation_stop", "evaluation_newer"} <= keys(at)
    click(at, "evaluation_stop")
    assert jobs.queue.get(job.id).state is JobState.STOPPING


def test_one_without_answers_yet_says_how_it_stands(server: Server) -> None:
    jobs = server.services.jobs
    source = add_training(jobs)
    at = open_evaluate(job=add_evaluation(jobs, source, 50, JobState.QUEUED).id)
    assert "queued" in said(at) and not at.table
    job = add_evaluation(jobs, source, 100, JobState.FAILED, num_tuned=0, num_base=0)
    at = open_evaluate(job=job.id)
    assert "exit code 2" in said(at)
    click(at, "evaluation_resume")
    assert jobs.queue.get(job.id).state is JobState.QUEUED


def test_the_ways_out_lead_to_the_list_and_to_the_job(server: Server) -> None:
    jobs = server.services.jobs
    job = add_evaluation(jobs, add_training(jobs), 100)
    at = press(open_evaluate(job=job.id), "All evaluations")
    assert "New evaluation" in said(at) and "Evaluations so far" in said(at)
    at = press(open_evaluate(job=job.id), "Log and settings")
    assert at.query_params["view"] == "jobs" and at.query_params["job"] == job.id


def test_a_row_in_full_marks_words_and_keeps_html_inert(server: Server) -> None:
    jobs = server.services.jobs
    table = paired(jobs, add_evaluation(jobs, add_training(jobs), 100))
    at = open_drawn(show_row, table, 1, table.rows([1])[0])
    html = "".join(element.proto.body for element in at.get("html"))
    assert "&lt;b&gt;bold&lt;/b&gt;" in html and "<script>" not in html
    assert "<mark>London</mark>" in html and "客户" in html
    assert "BLEU-4 **20.00** :red[−10.00]" in at.markdown[-1].value
    at.session_state["evaluation_marks"] = "answer"
    at.run()
    assert "<mark>London</mark>" in "".join(element.proto.body for element in at.get("html"))


def test_a_file_to_download_has_a_limit(monkeypatch, server: Server) -> None:
    jobs = server.services.jobs
    table = paired(jobs, add_evaluation(jobs, add_training(jobs), 100))
    assert len(rows_module._file_of(table.iter_csv(np.arange(3))).splitlines()) == 4
    monkeypatch.setattr(rows_module, "LARGEST_TABLE", 10)
    with pytest.raises(DataError, match=r"predictions\.jsonl"):
        rows_module._file_of(table.iter_jsonl(np.arange(3)))


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("chrf", 1.0, ":green[\\+1.00]"),
        ("chrf", -1.0, ":red[−1.00]"),
        ("loss", -0.5, ":green[−0.500]"),
        ("perplexity", 2.0, ":red[\\+2.00]"),
        ("chrf", 0.0, "\\+0.00"),
    ],
)
def test_better_is_green_whichever_way_it_is(name, change, text) -> None:
    assert change_text(name, change) == text
