"""A link from another page opens the form with data files chosen."""

import pytest

from glmcore.ui.session import VIEW_PARAM
from glmcore.ui.training.new_job.named_files import query_with
from tests.ui.training.new_job.form import Form
from tests.ui.visits import Server


@pytest.fixture
def form(server: Server, monkeypatch: pytest.MonkeyPatch) -> Form:
    return Form(server, monkeypatch)


def follow(form: Form, query: dict[str, str]) -> None:
    for name, value in query.items():
        form.at.query_params[name] = value
    form.at.run()
    assert not form.at.exception


def test_the_files_of_an_address_are_taken_once_and_nothing_else_is_lost(form: Form) -> None:
    folder = form.rows.parent / "客服" / "2"
    folder.mkdir(parents=True)
    for name in ("train", "validation"):
        (folder / f"{name}.jsonl").write_text('{"messages": []}\n')
    form.set(lora_rank=4, prompt_column="q", test_file=str(form.rows))
    files = {"train_file": folder / "train.jsonl", "validation_file": folder / "validation.jsonl"}
    query = query_with(files, form.server.services)
    assert query[VIEW_PARAM] == "new" and query["train_file"] == "客服/2/train.jsonl"
    follow(form, query)
    values = form.draft.values
    assert (values["train_file"], values["validation_file"]) == tuple(files.values())
    assert (values["prompt_column"], values["test_file"], values["lora_rank"]) == (None, None, 4)
    assert form.draft.has_validation_file and form.draft.job_name == "客服-2"
    assert "train_file" not in form.at.query_params
    form.ready().at.run()
    assert form.draft.values["train_file"] == form.rows


def test_a_file_that_is_no_data_set_is_refused_and_the_form_stays_as_it_was(form: Form) -> None:
    form.ready()
    for name in ("gone.jsonl", "../glmcore.db", "/etc/passwd", "a" * 5000, "x\x00y", "<b>{name}</b>"):
        follow(form, {"train_file": name})
        assert form.draft.values["train_file"] == form.rows and form.says("There is no data set"), name
