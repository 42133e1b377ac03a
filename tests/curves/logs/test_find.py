"""Finding runs below folders and behind paths, whatever lies there."""

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from glmcore.curves.logs import find as find_module
from glmcore.curves.logs.find import find_runs, printable
from glmcore.curves.logs.forms import Form
from tests.curves.event_records import losses
from tests.sources import ROOT

LINE = '{"step": 1, "loss": 2.0}\n'
EVENTS = "events.out.tfevents.1.host.1.0"
CONTENTS = {
    "trainer_state.json": '{"log_history": [{"step": 1, "loss": 2.0}]}',
    "train.log": "{'loss': 2.1, 'epoch': 0.1}\n",
    "metrics.csv": "epoch,step,train_loss\n0,9,1.5\n",
}


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.name == EVENTS:
            path.write_bytes(b"".join(losses(2)))
        else:
            path.write_text(CONTENTS.get(path.name, LINE))


def names_and_forms(*paths):
    return {run.name: [str(log.form) for log in run.logs] for run in find_runs(paths).runs}


def counts(found):
    return {note.template: note.values["count"] for note in found.notes}


def test_our_jobs_folder_holds_a_run_in_each_folder(tmp_path):
    make(
        tmp_path,
        "a/metrics.jsonl",
        f"a/tensorboard/{EVENTS}",
        "a/checkpoints/checkpoint-1/trainer_state.json",
        "a/predictions/x/metrics.jsonl",
        "b/metrics.jsonl",
        "b/.hidden/metrics.jsonl",
        "queue/nothing.txt",
    )
    assert names_and_forms(tmp_path) == {"a": ["metrics.jsonl"], "b": ["metrics.jsonl"]}


def test_an_output_folder_of_hugging_face_is_one_run_though_only_checkpoints_have_states(tmp_path):
    make(tmp_path, "out/checkpoint-5/trainer_state.json", "out/checkpoint-10/trainer_state.json")
    make(tmp_path, f"out/runs/Nov01/{EVENTS}", f"out/logs/{EVENTS}")
    assert names_and_forms(tmp_path) == {"out": ["trainer_state.json"]}
    assert names_and_forms(tmp_path / "out") == {"out": ["trainer_state.json"]}
    assert names_and_forms(tmp_path / "out" / "checkpoint-5") == {"checkpoint-5": ["trainer_state.json"]}


def test_a_folder_of_llama_factory_has_two_logs_and_its_own_comes_first(tmp_path):
    make(tmp_path, "sft/trainer_log.jsonl", "sft/trainer_state.json", f"sft/runs/x/{EVENTS}")
    assert names_and_forms(tmp_path) == {"sft": ["trainer_log.jsonl", "trainer_state.json"]}


def test_each_folder_of_event_files_is_a_run(tmp_path):
    make(tmp_path, EVENTS, f"train/{EVENTS}", f"runs/a/{EVENTS}", f"logs/b/{EVENTS}", f"runs/a/2/{EVENTS}")
    assert list(names_and_forms(tmp_path)) == [
        tmp_path.name,
        "train",
        "logs/b",
        "runs/a",
        "runs/a/2",
    ]


def test_a_log_of_lightning_is_named_by_its_folder(tmp_path):
    make(tmp_path, "lightning_logs/version_0/metrics.csv", "lightning_logs/version_1/metrics.csv")
    assert names_and_forms(tmp_path) == {
        "lightning_logs/version_0": ["CSV"],
        "lightning_logs/version_1": ["CSV"],
    }


def test_a_stray_log_hides_no_runs_below_it(tmp_path):
    make(tmp_path, "train.log", "runs/a/metrics.jsonl", "logs/b/metrics.jsonl")
    assert list(names_and_forms(tmp_path)) == [tmp_path.name, "logs/b", "runs/a"]


def test_several_logs_of_a_folder_are_runs_of_the_most_trusted_form(tmp_path):
    make(tmp_path, "run1_log.jsonl", "run2_log.jsonl", "train.log", "metrics.csv")
    assert names_and_forms(tmp_path) == {"run1_log.jsonl": ["JSON lines"], "run2_log.jsonl": ["JSON lines"]}


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("metrics.jsonl", Form.METRICS),
        ("trainer_log.jsonl", Form.TRAINER_LOG),
        ("trainer_state.json", Form.TRAINER_STATE),
        (EVENTS, Form.EVENTS),
        ("mine", Form.JSON_LINES),
        ("metrics.csv", Form.CSV),
        ("train.log", Form.TEXT),
    ],
)
def test_a_file_of_each_form_can_be_pointed_at(tmp_path, name, form):
    make(tmp_path, name)
    found = find_runs([tmp_path / name])
    assert [(run.name, run.path, run.logs[0].form) for run in found.runs] == [(name, tmp_path / name, form)]
    assert found.runs[0].logs[0].list_files() == [tmp_path / name] and not found.notes


def test_data_sets_and_the_project_itself_hold_no_runs(tmp_path):
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    make(tmp_path, "train.jsonl", "test.csv")
    (tmp_path / "test_results.csv").write_text("question,answer\nHow many steps?,42\n")
    (tmp_path / "dialogs.jsonl").write_text('{"prompt": "a", "response": "1", "history": []}\n')
    assert names_and_forms(tmp_path) == {}
    found = find_runs([tmp_path / "configs" / "demo" / "train.jsonl"])
    assert not found.runs and list(counts(found)) == [find_module.NO_LOG]


def test_links_in_circles_end_and_a_run_is_found_once(tmp_path):
    make(tmp_path, "a/metrics.jsonl")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "a")
    (tmp_path / "0self").symlink_to(tmp_path / "0self")
    (tmp_path / "self.log").symlink_to(tmp_path / "self.log")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    found = find_runs([tmp_path, tmp_path / "a", tmp_path / "0self"])
    assert [run.path.resolve() for run in found.runs] == [tmp_path / "a"]
    assert counts(found) == {find_module.NOT_THERE: 1}


def test_folders_named_as_logs_are_searched_and_pipes_are_not_opened(tmp_path):
    make(tmp_path, "exp.log/metrics.jsonl", "metrics.jsonl.d/metrics.csv")
    (tmp_path / "metrics.jsonl").mkdir()
    os.mkfifo(tmp_path / "train.out")
    os.mkfifo(tmp_path / "pipe")
    assert names_and_forms(tmp_path) == {"exp.log": ["metrics.jsonl"], "metrics.jsonl.d": ["CSV"]}
    assert list(counts(find_runs([tmp_path / "pipe"]))) == [find_module.NO_LOG]


def test_what_cannot_be_read_is_counted_with_its_reason(tmp_path, monkeypatch):
    make(tmp_path, "a/metrics.jsonl", "closed/metrics.jsonl", "b/train.log")
    scan, look = os.scandir, find_module.form_by_content

    def refuse(path, *rest, **named):
        if Path(path).name in ("closed", "train.log"):
            raise PermissionError(13, "Permission denied")
        return (look if Path(path).suffix else scan)(path, *rest, **named)

    monkeypatch.setattr(find_module.os, "scandir", refuse)
    monkeypatch.setattr(find_module, "form_by_content", refuse)
    found = find_runs([tmp_path, tmp_path / "b" / "train.log"])
    assert [run.name for run in found.runs] == ["a"] and counts(found) == {find_module.NOT_READABLE: 3}
    assert "Permission denied" in found.notes[0].text


@pytest.mark.parametrize("path", ["nowhere", "a\0b", "x" * 5000, "\udcff"])
def test_a_path_that_leads_nowhere_is_said(tmp_path, path):
    found = find_runs([tmp_path / path])
    assert not found.runs and counts(found) == {find_module.NOT_THERE: 1}


def test_an_empty_folder_and_no_paths_hold_nothing(tmp_path):
    assert find_runs([tmp_path]) == find_runs([]) and not find_runs([]).runs


def test_names_may_hold_anything_and_are_printable_and_unique(tmp_path):
    names = ["<script>alert(1)", "损失 曲线", "a\nb", "a\rb", "\x1b[31m", os.fsdecode(b"x\xff"), "é"]
    names.append(os.fsdecode(b"x\xfe"))
    make(tmp_path, *(f"{name}/metrics.jsonl" for name in names))
    runs = find_runs([tmp_path]).runs
    shown = [run.name for run in runs]
    assert len(set(shown)) == len(names) == len({run.id for run in runs})
    assert {"损失 曲线", "é", "<script>alert(1)"} <= set(shown)
    assert all(printable(name) == name and name.encode() for name in shown)


def test_runs_of_two_folders_with_the_same_name_can_be_told_apart(tmp_path, monkeypatch):
    make(tmp_path, "one/run/metrics.jsonl", "two/run/metrics.jsonl")
    names = names_and_forms(tmp_path / "one", tmp_path / "two")
    assert list(names) == ["run", str(tmp_path / "two" / "run")]
    monkeypatch.chdir(tmp_path / "one" / "run")
    assert list(names_and_forms(Path())) == ["run"]
    assert list(names_and_forms(Path("../../two"))) == ["run"]


def test_limits_are_kept_and_said(tmp_path, monkeypatch):
    make(tmp_path, *(f"{number}/metrics.jsonl" for number in range(8)))
    make(tmp_path, *(f"x/{number}.log" for number in range(8)))
    for name, limit, template in [
        ("MAX_RUNS", 3, find_module.TOO_MANY_RUNS),
        ("MAX_ENTRIES", 5, find_module.TOO_MANY_FILES),
        ("MAX_PEEKS", 4, find_module.TOO_MANY_LOOKS),
    ]:
        with monkeypatch.context() as patch:
            patch.setattr(find_module, name, limit)
            assert counts(find_runs([tmp_path, tmp_path / "x"]))[template] == limit
    make(tmp_path / "/".join("d" for _ in range(20)), "metrics.jsonl")
    assert len(find_runs([tmp_path]).runs) == 16


def fill(folder, count):
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    for number in range(count):
        os.close(os.open(f"model-{number:07}.safetensors", os.O_CREAT, dir_fd=descriptor))
    os.close(descriptor)


def test_a_folder_with_thousands_of_files_is_searched_quickly(tmp_path):
    fill(tmp_path / "many", 5000)
    make(tmp_path, "many/metrics.jsonl")
    began = time.perf_counter()
    assert len(find_runs([tmp_path]).runs) == 1
    assert time.perf_counter() - began < 0.5


@pytest.mark.slow
def test_a_folder_with_a_million_files_is_searched_in_seconds(tmp_path):
    fill(tmp_path / "many", 1_000_000)
    make(tmp_path, "many/metrics.jsonl", "beside/metrics.jsonl")
    began = time.perf_counter()
    found = find_runs([tmp_path])
    seconds = time.perf_counter() - began
    shutil.rmtree(tmp_path / "many")
    print(json.dumps({"files": 1_000_000, "seconds": round(seconds, 2)}))
    assert len(found.runs) == 2 and not found.notes and seconds < 20
