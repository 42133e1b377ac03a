"""A checkpoint and rows are chosen, and answered by a job."""

import json

from glmcore.tuning.job_config import DataConfig, JobConfig
from glmcore.ui.training.evaluate.file_choice import fitting
from tests.ui.training.evaluate.evaluation import (
    TEST,
    add_training,
    open_evaluate,
    predictions,
    press,
)
from tests.ui.training.jobs.job_visit import said
from tests.ui.visits import Server


def test_the_address_chooses_job_and_checkpoint_and_a_press_queues_a_job(server: Server) -> None:
    jobs = server.services.jobs
    source = add_training(jobs)
    add_training(jobs, "another")
    at = open_evaluate(job=source.id, checkpoint="checkpoint-50")
    assert at.selectbox(key="evaluate_source").value == source.id
    assert at.selectbox(key="evaluate_checkpoint").value == "checkpoint-50"
    assert at.selectbox(key="evaluate_file").value == TEST
    at.number_input(key="evaluate_rows").set_value(7)
    at.number_input(key=f"evaluate_beams_{source.id}").set_value(2)
    press(at, "Evaluate")
    (made,) = predictions(jobs)
    assert at.query_params["job"] == made.id and "queued" in said(at)
    assert made.options["checkpoint"].endswith("checkpoint-50") and made.options["compare_base"]
    assert made.parent_id == source.id and made.data == "test.jsonl"
    config = jobs.config_of(made)
    assert (config.data.max_predict_samples, config.evaluation.num_beams) == (7, 2)
    assert config.data.test_file == TEST


def test_the_same_press_sent_twice_is_one_job_and_a_later_one_another(server: Server) -> None:
    jobs = server.services.jobs
    source = add_training(jobs)
    at = open_evaluate(job=source.id)
    request = at.session_state["evaluate_request"]
    press(at, "Evaluate")
    del at.query_params["job"]
    at.session_state["evaluate_request"] = request  # as if the first press were still on its way
    at.run()
    press(at, "Evaluate")
    assert len(predictions(jobs)) == 1
    del at.query_params["job"]
    at.run()
    press(at, "Evaluate")
    assert len(predictions(jobs)) == 2


def test_the_best_checkpoint_is_offered_first_and_the_base_may_be_asked_alone(server: Server) -> None:
    jobs = server.services.jobs
    source = add_training(jobs)
    at = open_evaluate(job=source.id)
    assert at.selectbox(key="evaluate_checkpoint").value == "checkpoint-100"
    assert "checkpoint-100 · best · loss 0.01" in at.selectbox(key="evaluate_checkpoint").options
    at.selectbox(key="evaluate_checkpoint").set_value("base").run()
    assert not any(toggle.key == "evaluate_base" for toggle in at.toggle)
    press(at, "Evaluate")
    (made,) = predictions(jobs)
    assert made.options == {"checkpoint": "base", "compare_base": False}


def test_a_base_model_is_evaluated_without_any_job(server: Server) -> None:
    jobs = server.services.jobs
    at = open_evaluate()
    assert at.selectbox(key="evaluate_model").value == server.services.settings.model
    at.selectbox(key="evaluate_file").set_value(TEST).run()
    press(at, "Evaluate")
    (made,) = predictions(jobs)
    assert made.options["checkpoint"] == "base" and made.parent_id is None
    assert made.base_model == server.services.settings.model


def test_what_is_chosen_by_hand_is_not_overruled_by_the_address(server: Server) -> None:
    jobs = server.services.jobs
    first, second = add_training(jobs, "first"), add_training(jobs, "second", (3,))
    at = open_evaluate(job=first.id, checkpoint="checkpoint-50")
    at.selectbox(key="evaluate_source").set_value(second.id).run()
    assert at.selectbox(key="evaluate_source").value == second.id
    assert at.selectbox(key="evaluate_checkpoint").value == "checkpoint-3"


def test_a_press_counts_only_for_what_was_seen(server: Server) -> None:
    jobs = server.services.jobs
    source = add_training(jobs)
    file = server.services.settings.home / "datasets" / "mine.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text('{"prompt": "a", "response": "b"}\n')
    at = open_evaluate(job=source.id, checkpoint="checkpoint-50")
    (jobs.folder(source.id).checkpoints / "checkpoint-50" / "complete.json").unlink()
    press(at, "Evaluate")
    assert "gone meanwhile" in said(at) and not predictions(jobs)
    assert at.selectbox(key="evaluate_checkpoint").value == "checkpoint-100"
    at.selectbox(key="evaluate_file").set_value(file).run()
    file.unlink()
    press(at, "Evaluate")
    assert "gone meanwhile" in said(at) and not predictions(jobs)
    assert at.selectbox(key="evaluate_file").value == TEST
    press(at, "Evaluate")
    assert len(predictions(jobs)) == 1


def test_a_file_that_cannot_be_read_is_said_and_nothing_is_queued(server: Server) -> None:
    jobs = server.services.jobs
    source = add_training(jobs)
    file = server.services.settings.home / "datasets" / "mine.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("no rows\n")
    at = open_evaluate(job=source.id)
    at.selectbox(key="evaluate_file").set_value(file).run()
    press(at, "Evaluate")
    assert "mine.jsonl" in at.error[0].value.replace("\\", "") and not predictions(jobs)


def test_a_training_without_checkpoints_offers_the_base_alone(server: Server) -> None:
    source = add_training(server.services.jobs, steps=())
    at = open_evaluate(job=source.id)
    assert at.selectbox(key="evaluate_checkpoint").value == "base" and "no whole checkpoint" in said(at)


def test_hostile_addresses_show_the_form(server: Server) -> None:
    for job_id in ("../../etc", "<script>", "a" * 5000, "{name}", "x\x00y"):
        at = open_evaluate(job=job_id, checkpoint="../../etc/passwd")
        assert "does not exist (any more)" in said(at) and "New evaluation" in said(at)
    at = open_evaluate(job=add_training(server.services.jobs).id, checkpoint="../../etc/passwd")
    assert at.selectbox(key="evaluate_checkpoint").value == "checkpoint-100"


def test_columns_that_another_file_lacks_are_found_by_their_names(tmp_path) -> None:
    data = DataConfig(prompt_column="frage", response_column="antwort", train_file=tmp_path / "own.jsonl")
    config = JobConfig(data=data)
    same, other = tmp_path / "same.jsonl", tmp_path / "other.csv"
    same.write_text(json.dumps({"frage": "a", "antwort": "b"}) + "\n")
    other.write_bytes("问题,antwort\n你好,好\n".encode("gb18030"))
    assert fitting(config, same).data.prompt_column == "frage"
    found = fitting(config, other).data
    assert (found.prompt_column, found.response_column, found.encoding) == (None, "antwort", "gb18030")
    assert fitting(config, tmp_path / "own.jsonl") is config
    assert fitting(config, tmp_path / "gone.jsonl") is config
