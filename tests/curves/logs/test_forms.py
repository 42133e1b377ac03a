"""Which form a file is of, and which files belong to a log."""

import os

import pytest

from glmcore.curves.logs import forms as forms_module
from glmcore.curves.logs.forms import Form, LogRef, form_by_content, form_by_name, may_be_log
from tests.sources import ROOT

STATE = '{\n  "epoch": 1.0,\n  "global_step": 2,\n  "log_history": [{"step": 1, "loss": 2.0}]\n}'
TEXT = "loading weights\n{'loss': 2.1, 'learning_rate': 1e-4, 'epoch': 0.1}\n"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("metrics.jsonl", Form.METRICS),
        ("trainer_log.jsonl", Form.TRAINER_LOG),
        ("trainer_state.json", Form.TRAINER_STATE),
        ("events.out.tfevents.17.host.1.0", Form.EVENTS),
        ("a\nb.tfevents.1", Form.EVENTS),
        ("x.tfevents.", None),
        ("my_metrics.jsonl", None),
        ("config.json", None),
    ],
)
def test_some_names_tell_the_form(name, form):
    assert form_by_name(name) is form
    assert form is None or may_be_log(name)


def test_names_tell_whether_a_look_is_worth_while():
    likely = (
        "train.log run.OUT slurm-1.err nohup nohup.txt my_train_1.txt stdout.txt a_metrics.csv history.tsv"
    )
    unlikely = (
        "train.jsonl test.csv readme.txt requirements.txt model.safetensors config.json logo.png a.log.gz log"
    )
    assert all(map(may_be_log, [*likely.split(), "eval-progress.ndjson", "损失 log\n.jsonl"]))
    assert not any(map(may_be_log, unlikely.split()))


@pytest.mark.parametrize(
    ("name", "text", "form"),
    [
        ("my_log.jsonl", '{"step": 1, "loss": 2}\n', Form.JSON_LINES),
        ("my_log.jsonl", '\n\ufeff{"_step": "1", "loss": 2}\n', None),
        ("my_log.jsonl", '\ufeff\n  {"config": {}}\n  {"epoch": 0.5, "loss": 2}\n', Form.JSON_LINES),
        ("dialog.jsonl", '{"prompt": "step: 1", "response": "2"}\n', None),
        ("dialog.jsonl", '{"loss": 1}\n', None),
        ("metrics.csv", "epoch,step,train_loss\n0,9,1.5\n", Form.CSV),
        ("results.csv", "question,answer\nwhat,1\n", None),
        ("train.log", TEXT, Form.TEXT),
        ("train.log", "x" * 600_000 + "\n" + TEXT, Form.TEXT),
        ("train.log", "nothing of the kind\n", None),
        ("train.log", "", None),
        ("train.log", " \n\n", None),
        ("train.log", "\0" * 5000, None),
    ],
)
def test_a_look_into_a_file_tells_its_form(tmp_path, name, text, form):
    (tmp_path / name).write_text(text)
    assert form_by_content(tmp_path / name) is form


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ('{"step": 1, "loss": 2}\n', Form.JSON_LINES),
        ('{"train/loss": 2.5}\n{"train/loss": 2.4}\n', Form.JSON_LINES),
        ('{"prompt": "loss", "answer": 3}\n', None),
        ("step;loss\n1;2\n", Form.CSV),
        (TEXT, Form.TEXT),
        (STATE, Form.TRAINER_STATE),
        (STATE.replace("\n", ""), Form.TRAINER_STATE),
        ('{"a": [' + "1," * 300_000 + "1]}", None),
        ("{" * 100_000, None),
    ],
)
def test_a_file_that_is_pointed_at_need_not_be_named_as_a_log(tmp_path, text, form):
    (tmp_path / "anything").write_text(text)
    assert form_by_content(tmp_path / "anything", any_name=True) is form


@pytest.mark.parametrize("name", ["train", "test", "validation"])
def test_data_sets_are_no_logs(name):
    path = ROOT / "configs" / "demo" / f"{name}.jsonl"
    assert not may_be_log(path.name) and form_by_content(path, any_name=True) is None


def test_older_files_of_a_rotated_log_come_first(tmp_path):
    for name in ("log", "log.1", "log.2", "log.10", "log.old", "log.1.gz", "log2.1", "other.1", "log.99999"):
        (tmp_path / name).write_text("")
    files = LogRef(Form.TEXT, tmp_path / "log").list_files()
    assert [path.name for path in files] == ["log.10", "log.2", "log.1", "log"]
    assert [path.name for path in LogRef(Form.TEXT, tmp_path / "alone").list_files()] == ["alone"]


def test_event_files_of_a_folder_are_one_log_in_the_order_of_their_names(tmp_path):
    for name in ("events.out.tfevents.2.a", "events.out.tfevents.1.b", "other.txt"):
        (tmp_path / name).write_text("")
    log = LogRef(Form.EVENTS, tmp_path)
    assert [path.name[-3:] for path in log.list_files()] == ["1.b", "2.a"]
    alone = tmp_path / "events.out.tfevents.2.a"
    assert LogRef(Form.EVENTS, alone).list_files() == [alone]


def test_states_are_those_of_the_run_and_of_its_checkpoints(tmp_path):
    folder = tmp_path / "named.json"
    for name in ("checkpoint-10", "checkpoint-9", "checkpoint-empty", "other"):
        (folder / name).mkdir(parents=True)
    for name in ("checkpoint-10", "checkpoint-9", "other"):
        (folder / name / "trainer_state.json").write_text("{}")
    found = LogRef(Form.TRAINER_STATE, folder).list_files()
    assert [path.parent.name for path in found] == ["checkpoint-10", "checkpoint-9"]
    assert LogRef(Form.TRAINER_STATE, found[0]).list_files() == [found[0]]


@pytest.mark.parametrize("form", [Form.EVENTS, Form.TRAINER_STATE, Form.TEXT])
def test_a_folder_that_is_gone_or_closed_holds_nothing(tmp_path, form, monkeypatch):
    gone = tmp_path / "gone" / "log"
    assert LogRef(form, gone).list_files() == ([gone] if form is Form.TEXT else [])
    (tmp_path / "log").write_text("")
    (tmp_path / "log.1").write_text("")
    monkeypatch.setattr(
        forms_module.os, "listdir", lambda _: (_ for _ in ()).throw(PermissionError(13, "no"))
    )
    closed = tmp_path / "log" if form is Form.TEXT else tmp_path
    assert LogRef(form, closed).list_files() == ([closed] if form is Form.TEXT else [])


def test_all_forms_but_the_state_have_a_parser():
    assert set(forms_module.PARSERS) == set(Form) - {Form.TRAINER_STATE}
    assert all(make({"file_stem": os.sep}).memory for make in forms_module.PARSERS.values())
