import json

import pytest

from glmcore.ui.training.new_job import choices, page
from tests.ui.training.new_job.form import Form
from tests.ui.visits import Server


@pytest.fixture
def form(server: Server, monkeypatch: pytest.MonkeyPatch) -> Form:
    return Form(server, monkeypatch)


def test_base_model_is_one_that_is_here_or_any_other_by_name(form: Form) -> None:
    folder = form.server.services.settings.models_dir / "chatglm3"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "chatglm"}')
    form.at.run()
    assert "chatglm3" in form.widget("base_model").options
    form.set(base_model="THUDM/glm-4-9b")
    assert form.widget("base_model").value == "THUDM/glm-4-9b" and not form.at.exception
    form.set(base_model="")
    assert form.draft.values["base_model"] == "SmolLM2-135M-Instruct"


def test_adapter_is_one_that_fits_or_any_folder(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = server.services.settings.home / "jobs/first/checkpoints/checkpoint-10"
    adapter.mkdir(parents=True)
    described = {"peft_type": "LORA", "base_model_name_or_path": "SmolLM2-135M-Instruct"}
    (adapter / "complete.json").write_text('{"step": 10}')
    (adapter / "adapter_config.json").write_text(json.dumps(described))
    form = Form(server, monkeypatch)
    assert form.widget("adapter_path").options[1:] == ["jobs/first/checkpoints/checkpoint-10"]
    form.choose("adapter_path", str(adapter))
    assert form.draft.values["adapter_path"] == adapter
    form.choose("adapter_path", "")
    assert form.draft.values["adapter_path"] is None
    form.set(adapter_path="no/such", method="full")
    assert form.says("adapter_path: method full tunes the base model")


def test_a_machine_without_gpus_offers_none(form: Form) -> None:
    assert form.widget("device").options == ["a GPU where there is one, else the CPU", "CPU"]


def test_gpus_are_chosen_by_number_or_by_how_many(form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (choices, page):
        monkeypatch.setattr(module, "list_slots", lambda settings: ("cpu:0", "cuda:0", "cuda:1"))
    form.at.run()
    offered = form.widget("device").options
    assert offered[2:] == ["a GPU that is free", "2 GPUs that are free", "GPU 0", "GPU 1"]
    form.choose("device", ("cuda", 2))
    assert (form.draft.values["device"], form.draft.values["num_processes"]) == ("cuda", 2)
    form.choose("device", ("cuda:1", 1))
    assert (form.draft.values["device"], form.draft.values["num_processes"]) == ("cuda:1", 1)


def test_devices_of_a_file_that_fit_no_choice_are_shown_and_judged(form: Form) -> None:
    form.set(device="<gpu>", num_processes=3)
    assert form.says("found '<gpu>', expected auto, cpu, cuda") and not form.at.exception
