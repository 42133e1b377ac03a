"""From a job to the page: which model and adapter are meant, and what can be asked first."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.tuning.job_config import DataConfig, JobConfig, ModelConfig
from glmcore.ui.compare.address import compare_query
from glmcore.ui.compare.sides import base_of, offered_models, offered_sides
from glmcore.ui.compare.suggestions import suggested_questions
from tests.fakes import FakeEngine
from tests.sources import ROOT
from tests.ui.compare.comparing import ADAPTER, Comparison, add_checkpoint, two_engines
from tests.ui.visits import Server

DEMO = ROOT / "configs" / "demo"


def add_job(server: Server, base_model: str = EMBEDDED_MODEL, **data: object) -> str:
    """A job of the queue with a finished checkpoint; gives the checkpoint's name."""
    files = {"train_file": DEMO / "train.jsonl", "test_file": DEMO / "test.jsonl"}
    config = JobConfig(model=ModelConfig(base_model=base_model), data=DataConfig(**{**files, **data}))
    job = server.services.jobs.submit(config, name="Demo", owner="local")
    add_checkpoint(server, job.id)
    return f"jobs/{job.id}/checkpoints/checkpoint-100"


def follow(server: Server, checkpoint: Path) -> AppTest:
    """The page that the link of a checkpoint leads to."""
    return Comparison(server, **compare_query(server.services.settings, EMBEDDED_MODEL, checkpoint)).at


def test_checkpoint_leads_to_the_page_with_base_and_adapter(server: Server) -> None:
    at = follow(server, add_checkpoint(server))
    assert at.title[0].value == "Compare"
    assert at.selectbox(key="compare_left").value == ""
    assert at.selectbox(key="compare_right").value == ADAPTER


def test_tuned_model_leads_to_the_page_as_the_right_one(server: Server) -> None:
    at = follow(server, add_checkpoint(server, "full", 7, kind="model"))
    assert at.selectbox(key="compare_right").value == "jobs/full/checkpoints/checkpoint-7"
    assert at.selectbox(key="compare_model").value == EMBEDDED_MODEL


def test_checkpoint_that_has_gone_is_said(server: Server) -> None:
    folder = add_checkpoint(server)
    (folder / "complete.json").unlink()
    at = follow(server, folder)
    assert "demo/checkpoint-100 is not there (any more)" in at.warning[0].value.replace("\\", "")


def test_base_of_a_job_elsewhere_can_be_chosen_and_no_other_path(server: Server, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / "base"
    elsewhere.mkdir(parents=True)
    (elsewhere / "config.json").write_text('{"model_type": "llama"}')
    name = add_job(server, str(elsewhere))
    services = server.services
    assert base_of(services, name) == str(elsewhere)
    assert str(elsewhere) in offered_models(services, [base_of(services, name), base_of(services, "/etc")])
    assert [base_of(services, strange) for strange in (None, "", "jobs/x/checkpoints/y", "/etc")] == [
        None
    ] * 4


def test_sides_are_the_base_the_adapters_and_the_tuned_models_that_are_named(server: Server) -> None:
    add_checkpoint(server)
    add_checkpoint(server, "full", 7, kind="model")
    full = "jobs/full/checkpoints/checkpoint-7"
    assert list(offered_sides(server.services, EMBEDDED_MODEL, [])) == ["", ADAPTER]
    sides = offered_sides(server.services, EMBEDDED_MODEL, [full, None, ADAPTER])
    assert list(sides) == ["", ADAPTER, full]
    assert sides[full].is_model_of_its_own and not sides[ADAPTER].is_model_of_its_own
    assert sides[full].title == "full/checkpoint-7 · Full fine-tuning"


def test_first_test_rows_of_the_job_are_suggested_and_asked(server: Server) -> None:
    name = add_job(server, source_prefix="Q: ")
    two_engines(server, FakeEngine(["Base."]), FakeEngine(["Tuned."]))
    visit = Comparison(server, adapter=name)
    suggestion = visit.at.button(key="compare_suggestion_1")
    visit.click("compare_suggestion_1")
    asked = visit.texts()[0][0]
    assert asked.startswith("Q: Customer") and suggestion.label.replace("\\", "") == asked
    assert {"Base.", "Tuned."} <= set(visit.shown())


def test_questions_come_in_two_halves_and_only_from_data_sets(server: Server, tmp_path: Path) -> None:
    datasets = tmp_path / "datasets"
    datasets.mkdir()
    rows = '{"instruction": "Translate", "input": "hi", "output": "x"}\n' * 2
    (datasets / "alpaca.jsonl").write_text(rows + '{"instruction": " ", "input": "", "output": "x"}\n')
    name = add_job(server, test_file=datasets / "alpaca.jsonl")
    assert suggested_questions(server.services, name) == ["Translate\nhi"]
    (tmp_path / "secret.jsonl").write_text('{"prompt": "secret", "response": "x"}\n')
    assert suggested_questions(server.services, add_job(server, test_file=tmp_path / "secret.jsonl")) == []


@pytest.mark.parametrize("name", ["", "tuned", "jobs/nothing/checkpoints/checkpoint-1", "a/b/c/d"])
def test_without_a_job_nothing_is_suggested(server: Server, name: str) -> None:
    assert suggested_questions(server.services, name) == []
