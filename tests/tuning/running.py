"""Tiny models to tune, rows to tune them on, and runs that are broken off."""

import json
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from glmcore.core.settings import Settings
from glmcore.tuning.job_config import read_job
from tests.models.original_folders import make_original
from tests.models.tiny_model import build_model, build_tokenizer

ORIGINALS = ("chatglm", "chatglm2", "chatglm3")
BASES = (*ORIGINALS, "glm", "llama")
METHODS = {
    "lora": {"method": "lora", "lora_rank": 2, "lora_dropout": 0.2},
    "prefix": {"method": "ptuning_v2", "num_virtual_tokens": 3},
    "projected": {"method": "ptuning_v2", "num_virtual_tokens": 3, "prefix_projection": "true"},
    "full": {"method": "full"},
}
RATES = {"lora": 1e-2, "prefix": 5e-2, "projected": 1e-2, "full": 1e-3}
QUIET = {
    "max_input_length": 96,
    "max_output_length": 24,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "log_every_steps": 1,
    "save_every_steps": 2,
    "evaluate_every_steps": 0,
    "validation_share": 0,
    "forgetting_probe": "false",
    "precision": "fp32",
    "device": "cpu",
}
ANSWERS = ("好", "Paris.", "不，谢谢你。", "The capital of France is Paris.", "ab ab ab ab", "ok")

_FOLDERS = TemporaryDirectory(prefix="glmcore-bases-")


@cache
def base_folder(name: str) -> Path:
    """A tiny model; nothing may be written here."""
    folder = Path(_FOLDERS.name) / name
    if name == "glm":  # a vocabulary and template as ChatGLM3's, in today's form
        from glmcore.models.native.convert import convert_folder

        convert_folder(base_folder("chatglm3"), folder)
    elif name == "llama":
        model = build_model()
        model.config.attention_dropout = 0.1
        model.save_pretrained(folder)
        build_tokenizer().save_pretrained(folder)
    else:
        make_original(folder, name)
    return folder


def question(number: int) -> str:
    return f"{number} 你好 " + "what is it? " * (number % 4)


def write_rows(path: Path, count: int = 12, start: int = 0) -> Path:
    """Short and long questions and answers, mixed."""
    rows = [
        {"prompt": question(number), "response": ANSWERS[number % len(ANSWERS)]}
        for number in range(start, start + count)
    ]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_conversations(path: Path, conversations) -> Path:
    """Each a list of texts: a question, its answer, the next question …"""
    with path.open("w", encoding="utf-8") as file:
        for texts in conversations:
            messages = [
                {"role": ("user", "assistant")[index % 2], "content": text}
                for index, text in enumerate(texts)
            ]
            file.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    return path


def job_file(folder: Path, base: str | Path, method: str = "lora", needs="train_file", **values):
    """A job that writes into folder/run; rows are made where none are named."""
    if "train_file" not in values:
        path = folder / "train.jsonl"
        values["train_file"] = path if path.exists() else write_rows(path)
    told = {
        **QUIET,
        "learning_rate": RATES[method],
        **METHODS[method],
        "base_model": base_folder(base) if base in BASES else base,
        "output_dir": folder / "run",
        **values,
    }
    return read_job(None, [f"{name}={value}" for name, value in told.items()], needs)


def run(folder: Path, base: str | Path = "llama", method: str = "lora", said=None, **values):
    """Train; `said` collects the notes."""
    from glmcore.tuning.training.train import train

    settings = Settings(home=folder / "home", allow_hub=False)
    notes = [] if said is None else said
    return train(job_file(folder, base, method, **values), settings, lambda stage, share: None, notes.append)


class Killed(BaseException):
    """What ends a run as nothing in it expects."""


@contextmanager
def killed_after(monkeypatch, batches: int):
    """A run in it breaks off when its model has learnt so many batches; a step may be half done."""
    import pytest

    from glmcore.tuning.training.trainer import TuningTrainer

    done = 0
    original = TuningTrainer.training_step

    def training_step(self, *args, **options):
        nonlocal done
        if done == batches:
            raise Killed
        done += 1
        return original(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(TuningTrainer, "training_step", training_step)
        with pytest.raises(Killed):
            yield


@contextmanager
def watched_tuning(monkeypatch):
    """Takes what the runs in it tune: model and learnt weights as they are in memory."""
    from glmcore.tuning.training import train as training

    seen = []
    original = training.tune

    def tune(*args):
        seen.append(original(*args))
        return seen[-1]

    with monkeypatch.context() as patch:
        patch.setattr(training, "tune", tune)
        yield seen


def evaluate_as(monkeypatch, loss_at) -> None:
    """Every evaluation finds `loss_at(step)`."""
    from glmcore.tuning.training.trainer import TuningTrainer

    def evaluate(self, *args, **options):
        metrics = {"eval_loss": loss_at(self.state.global_step)}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    monkeypatch.setattr(TuningTrainer, "evaluate", evaluate)


def points(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]


def numbers_by_step(folder: Path, *names: str) -> dict[int, set]:
    """Step -> all numbers of these names that were written for it, so that repeated steps show."""
    names = names or (
        "loss",
        "grad_norm",
        "learning_rate",
        "eval_loss",
        "eval_rouge-l",
        "epoch",
        "tokens_seen",
    )
    found: dict[int, set] = {}
    for point in points(folder):
        found.setdefault(point["step"], set()).update((name, point[name]) for name in names if name in point)
    return found


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def checkpoint(folder: Path, step: int) -> Path:
    return folder / "run" / "checkpoints" / f"checkpoint-{step}"


def learnt_weights(path: Path) -> dict:
    """All tensors of a checkpoint that are of the model, by name."""
    import torch
    from safetensors.torch import load_file

    tensors = {}
    for file in sorted(path.iterdir()):
        if file.suffix == ".safetensors":
            tensors |= load_file(file)
        elif file.name == "pytorch_model.bin":
            tensors |= torch.load(file, weights_only=True)
    return tensors


def assert_same_tensors(one: dict, other: dict) -> None:
    import torch

    assert one.keys() == other.keys()
    different = [name for name in one if not torch.equal(one[name], other[name])]
    assert not different
