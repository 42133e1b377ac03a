"""Two real processes on the CPU learn as one does from twice as many rows at once."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.sources import ROOT
from tests.tuning.running import METHODS, QUIET, base_folder, read_json, run, write_rows

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]
LAUNCHER = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def told(folder, name, **values):
    """What both runs are told."""
    return {
        **QUIET,
        "train_file": write_rows(folder / "train.jsonl", 12),
        "validation_file": write_rows(folder / "validation.jsonl", 8, start=12),
        "output_dir": folder / name,
        "max_steps": 5,
        "evaluate_every_steps": 2,
        "predict_with_generate": "true",
        "max_new_tokens": 4,
        **values,
    }


def run_in_two(folder, name, **values):
    command = [sys.executable, *LAUNCHER, "-m", "glmcore.tuning.run"]
    environment = {"OMP_NUM_THREADS": "1", "LANGUAGE": "en", "ACCELERATE_USE_CPU": "true"}
    done = subprocess.run(
        [*command, *(f"{name}={value}" for name, value in told(folder, name, **values).items())],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Finished at step 5") == 1  # all but the first process are quiet
    assert done.stderr.count("Loading the weights\n") == 1
    assert "process group" not in done.stderr


def points_of(folder, name):
    lines = (folder / name / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def numbers(points, *names):
    return [(point["step"], name, point[name]) for point in points for name in names if name in point]


def without_dropout(name, folder):
    """The model's folder; a copy that draws nothing by chance where it would."""
    source = base_folder(name)
    config = read_json(source / "config.json")
    if not config.get("attention_dropout"):
        return source
    copy = shutil.copytree(source, folder / name)
    (copy / "config.json").write_text(json.dumps(config | {"attention_dropout": 0.0}))
    return copy


@pytest.mark.parametrize(
    ("base", "method"),
    [
        pytest.param("llama", "full", id="full"),
        pytest.param("llama", "lora", id="lora"),
        pytest.param("chatglm", "prefix", id="prefix"),
    ],
)
def test_two_processes_learn_as_one_with_the_doubled_batch(base, method, tmp_path):
    # Each process draws its own dropout: only without it both ways are the same.
    options = {"base_model": without_dropout(base, tmp_path), "learning_rate": 1e-3}
    if method == "lora":
        options["lora_dropout"] = 0
    sizes = ("per_device_train_batch_size", "per_device_eval_batch_size")
    run(tmp_path, base, method, **told(tmp_path, "one", **options | dict.fromkeys(sizes, 4)))
    run_in_two(tmp_path, "two", **METHODS[method] | options | dict.fromkeys(sizes, 2))
    one, two = points_of(tmp_path, "one"), points_of(tmp_path, "two")
    names = ("loss", "grad_norm", "eval_loss", "tokens_seen", "epoch", "learning_rate")
    assert numbers(two, *names) == [
        (step, name, pytest.approx(value, rel=1e-4)) for step, name, value in numbers(one, *names)
    ]
    assert [step for step, *_ in numbers(one, "loss")] == [1, 2, 3, 4, 5]
    assert [step for step, *_ in numbers(one, "eval_loss")] == [2, 4, 5]
    scores = ("eval_bleu-4", "eval_rouge-l", "eval_num_rows")
    assert numbers(two, *scores) == numbers(one, *scores)
    assert read_json(tmp_path / "two" / "status.json")["state"] == "finished"
