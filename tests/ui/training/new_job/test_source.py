import pytest

from glmcore.core.errors import StorageError
from glmcore.jobs.templates import Templates
from glmcore.ui.training.new_job import source
from tests.sources import ROOT
from tests.ui.training.new_job.form import Form
from tests.ui.visits import Server


@pytest.fixture
def form(server: Server, monkeypatch: pytest.MonkeyPatch) -> Form:
    return Form(server, monkeypatch)


def paste(form: Form, text: str) -> Form:
    form.at.session_state[source.FILE_OPEN_KEY] = True
    form.at.run()
    form.widget("text").set_value(text)
    return form.click("take_text")


def test_a_template_fills_the_form_and_says_what_it_is(form: Form) -> None:
    assert form.says("New here?")
    form.add_template("mine", f"train_file: {form.rows}", "lora_rank: 32")
    form.at.run()
    form.choose("template", "mine")
    assert form.widget("lora_rank").value == 32 and form.widget("name").value == "mine"
    assert form.says("About mine.") and not form.at.error


def test_the_form_is_emptied_by_its_button_and_not_by_leaving_the_template(form: Form) -> None:
    form.add_template("mine", "lora_rank: 32")
    form.at.run()
    form.choose("template", "mine").click("empty")
    assert form.widget("lora_rank").value == 8 and form.widget("template").value is None
    form.choose("template", "mine").choose("lora_rank", 64).choose("template", None)
    assert form.widget("lora_rank").value == 64 and form.widget("name").value == "mine"
    assert not form.says("About mine.")


def test_what_can_be_read_of_a_template_is_taken_and_the_rest_said(form: Form) -> None:
    form.add_template("odd", "lora_rank: many", "seed: 7", "max_stepz: 5", "evil: '<script>'")
    form.at.run()
    form.choose("template", "odd")
    assert form.widget("seed").value == 7 and form.widget("lora_rank").value == 8
    assert form.says("everything else is in the form") and form.says("max_stepz") and form.says("evil")
    form.click("understood")
    assert not form.says("everything else is in the form")


def test_names_of_2023_are_translated_and_said(form: Form) -> None:
    paste(form, "pre_seq_len: 64\nmodel_name_or_path: THUDM/chatglm2-6b\nlearning_rate: 2e-2\n")
    assert form.widget("method").value == "ptuning_v2" and form.widget("num_virtual_tokens").value == 64
    assert form.widget("base_model").value == "THUDM/chatglm2-6b"
    assert form.says("Names of 2023 were translated") and not form.at.exception


def test_text_that_is_no_job_is_said_and_changes_nothing_else(form: Form) -> None:
    form.set(lora_rank=4).choose("name", "mine")
    for text in ("[", "\0", "- a", "x" * 70_000, "a: &a [*a]", "seed: !!python/object/apply:os.system [ls]"):
        paste(form, text)
        assert not form.at.exception and form.draft.refusals, text[:20]
        assert form.widget("lora_rank").value == 4 and form.widget("name").value == "mine"
    form.click("understood")
    assert not form.draft.refusals


def test_an_earlier_job_fills_the_form_and_is_remembered_as_the_parent(form: Form) -> None:
    form.ready().set(lora_rank=4).choose("name", "first").click("start_")
    form.at.query_params["view"] = "new"
    form.at.session_state[source.JOBS_OPEN_KEY] = True
    form.click("empty") if form.button("empty") else form.at.run()
    form.choose("earlier_job", form.jobs[0].id)
    assert form.widget("lora_rank").value == 4 and form.widget("name").value == "first"
    assert form.draft.parent_id == form.jobs[0].id and form.draft.values["train_file"] == form.rows


def test_an_own_template_can_be_deleted_and_a_gone_one_is_said(form: Form) -> None:
    path = form.add_template("mine", "lora_rank: 32")
    form.at.run()
    form.choose("template", "mine").click("delete_template")
    assert not path.exists() and "mine" not in form.widget("template").options
    form.add_template("brief", "lora_rank: 32")
    form.at.run()
    pills = form.widget("template")
    Templates(form.server.services.settings).delete("brief")
    pills.set_value("brief").run()
    assert form.says("There is no template 'brief'") and not form.at.exception


def test_a_disk_that_cannot_be_read_is_said(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: object) -> None:
        raise StorageError("{path} cannot be read: {fault}.", path="demo.yaml", fault="I/O error")

    monkeypatch.setattr(Templates, "read", fail)
    form.choose("template", "demo")
    assert form.says("demo.yaml cannot be read: I/O error.") and not form.at.exception


def test_the_demo_starts_with_two_clicks(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    form.choose("template", "demo")
    assert not form.at.error and not form.at.warning
    assert form.button("start_").label == "Start"
    form.click("start_")
    assert [job.name for job in form.jobs] == ["demo"]
