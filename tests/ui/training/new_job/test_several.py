from pathlib import Path

import pytest

from glmcore.core.errors import StorageError
from glmcore.jobs.templates import Templates
from glmcore.ui.training.new_job import several
from tests.ui.training.new_job.form import Form
from tests.ui.visits import Server


@pytest.fixture
def form(server: Server, monkeypatch: pytest.MonkeyPatch) -> Form:
    opened = Form(server, monkeypatch)
    for name in ("one", "two"):
        opened.add_template(name, f"train_file: {opened.rows}")
    opened.add_template("gone", f"train_file: {opened.rows}.csv")
    opened.add_template("typo", f"train_file: {opened.rows}", "lora_rnak: 4")
    opened.at.session_state[several.OPEN_KEY] = True
    opened.at.run()
    return opened


def test_each_is_queued_in_order_and_a_refused_one_does_not_end_the_batch(form: Form) -> None:
    assert form.button("queue_").disabled
    form.choose("several", ["one", "gone", "typo", "two"]).choose("several_batch", "night")
    assert form.button("queue_").label == "Queue 4 jobs"
    form.click("queue_")
    assert [(job.name, job.batch) for job in reversed(form.jobs)] == [("one", "night"), ("two", "night")]
    assert form.says("2 jobs are queued: one, two.") and not form.at.exception
    assert form.says("Not queued: **gone**") and form.says("there is no")
    assert form.says("Not queued: **typo**") and form.says("did you mean 'lora_rank'")


def test_a_batch_reads_no_other_files_of_the_server_than_the_form(form: Form, tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_text("prompt,response\nkey,12345\n")
    form.add_template("spy", f"train_file: {path}")
    form.at.run()
    form.choose("several", ["spy"]).click("queue_")
    assert not form.jobs and form.says("not among the data sets")


def test_a_batch_that_is_sent_twice_is_queued_once(form: Form) -> None:
    form.choose("several", ["one", "two"])
    request_id = form.at.session_state[several.REQUEST_KEY]
    form.click("queue_")
    assert form.at.session_state[several.REQUEST_KEY] != request_id
    form.at.session_state[several.REQUEST_KEY] = request_id  # as a click meets it that came during the first
    form.at.run()
    form.click("queue_")
    assert len(form.jobs) == 2 and form.says("2 jobs are queued")


def test_a_template_that_was_deleted_meanwhile_is_said(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    form.choose("several", ["one", "two"])
    read = Templates.read

    def fail(self: Templates, name: str) -> object:
        if name == "one":
            raise StorageError("{path} cannot be read.", path="one.yaml")
        return read(self, name)

    monkeypatch.setattr(Templates, "read", fail)
    form.click("queue_")
    assert [job.name for job in form.jobs] == ["two"] and form.says("one.yaml cannot be read.")
