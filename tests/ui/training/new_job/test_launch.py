import pytest

from glmcore.core.errors import StorageError
from glmcore.jobs.templates import Templates
from glmcore.tuning.job_config import JobConfigError
from glmcore.ui.training.new_job import page
from tests.ui.training.new_job.form import Form
from tests.ui.visits import Server


@pytest.fixture
def form(server: Server, monkeypatch: pytest.MonkeyPatch) -> Form:
    return Form(server, monkeypatch)


def test_start_queues_a_job_that_is_ready_and_goes_to_it(form: Form) -> None:
    assert form.button("start_").disabled and form.says("train_file: no file is named")
    form.ready().choose("name", "first").choose("note", "to see").choose("batch", "today").click("start_")
    (job,) = form.jobs
    assert (job.name, job.note, job.batch, job.method) == ("first", "to see", "today", "lora")
    assert (form.at.query_params["view"], form.at.query_params["job"]) == ("jobs", job.id)


def test_what_the_check_refuses_is_started_all_the_same(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    assert form.ready().button("start_").label == "Start"
    monkeypatch.setattr(page, "is_refused", lambda services, config: True)
    form.at.run()
    assert form.button("start_").label == "Start all the same" and not form.button("start_").disabled


def test_a_request_that_is_sent_twice_makes_one_job(form: Form) -> None:
    request_id, key = form.ready().draft.request_id, form.button("start_").key
    form.click("start_")
    form.draft.request_id = request_id  # as a second click meets it that came before the first was done
    form.leave_and_return().click("start_")
    assert len(form.jobs) == 1
    form.leave_and_return()  # one that comes later finds no such button
    assert form.button("start_").key != key


def test_the_form_stays_filled_and_can_start_another_job(form: Form) -> None:
    form.ready().choose("lora_rank", 4).click("start_").leave_and_return()
    form.choose("lora_rank", 16).click("start_")
    assert len(form.jobs) == 2


def test_file_and_command_change_with_the_form(form: Form) -> None:
    form.choose("lora_rank", 48).choose("name", "my job")
    command, text = (one.value for one in form.at.code)
    assert "\nlora_rank: 48\n" in text
    assert "glmcore train" in command and "my-job-" in command and command.splitlines()[0] in text


def test_warnings_can_be_overridden(form: Form) -> None:
    form.ready().choose("learning_rate", 0.9)
    assert form.says("usual for lora") and form.button("start_").label == "Start all the same"
    form.click("start_")
    assert len(form.jobs) == 1


def test_devices_that_the_machine_lacks_are_said_before_the_start(form: Form) -> None:
    form.ready().set(device="cuda", num_processes=99)
    assert form.says("device: The job") and form.button("start_").disabled
    form.set(device="cpu", num_processes=1)
    assert not form.button("start_").disabled and form.widget("device").value == ("cpu", 1)


def test_a_refusal_is_said_and_nothing_is_lost(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    form.ready().choose("lora_rank", 4)
    request_id = form.draft.request_id

    def refuse(*arguments: object, **options: object) -> None:
        raise JobConfigError([StorageError("the disk is {state}", state="<b>full</b>")])

    monkeypatch.setattr(form.server.services.jobs, "submit", refuse)
    form.click("start_")
    assert form.says("the disk is <b>full</b>") and not form.at.exception
    assert form.widget("lora_rank").value == 4 and form.draft.request_id == request_id


def test_a_job_is_kept_as_a_template_and_replaces_one_only_when_that_is_asked_for(form: Form) -> None:
    path = form.add_template("kept", "lora_rank: 2")
    form.ready().choose("lora_rank", 4).choose("template_name", "kept").click("save_template")
    assert form.says("There is a template 'kept' already") and "lora_rank: 2" in path.read_text()
    form.choose("replace_template", True).click("save_template")
    read = Templates(form.server.services.settings).read("kept")
    assert read.values["lora_rank"] == 4 and read.config.saving.output_dir is None and not read.problems
    assert form.widget("template").value == "kept"


def test_a_template_cannot_have_any_name(form: Form) -> None:
    for name in ("../evil", "demo", "a/b", ".hidden"):
        form.choose("template_name", name).click("save_template")
        assert form.says("template") and not form.at.exception
        assert len(form.at.error) == 2, name  # beside the problems of the job
