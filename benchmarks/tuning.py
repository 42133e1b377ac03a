"""What tuning costs beside the model itself: a step against a bare PyTorch loop, and preparing many rows."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

from benchmarks.report import Measurement
from glmcore.core.settings import EMBEDDED_MODEL, load_settings
from glmcore.tuning.job_config import JobConfig, read_job

NUM_STEPS, BATCH_ROWS, UNTIMED = 60, 2, 3
NUM_ROWS = int(os.environ.get("BENCH_ROWS", "100000"))
DEMO = Path(__file__).parent.parent / "configs" / "demo" / "train.jsonl"
# The peak of what the process itself holds; pages of files that are mapped into memory are the system's.
PREPARE = """
import sys, threading, time
from pathlib import Path
from glmcore.core.settings import load_settings
from glmcore.models.loading import load_model
from glmcore.tuning.training.base import example_builder
from glmcore.tuning.data.prepared import prepare_training
from glmcore.tuning.job_config import JobConfig, read_job

def held():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if "RssAnon" in line)

peak = [0]
def watch():
    while True:
        peak[0] = max(peak[0], held())
        time.sleep(0.01)

job = read_job(None, [f"train_file={sys.argv[1]}", "max_input_length=256", "validation_share=0.01"]).config
loaded = load_model(job.model.base_model, settings=load_settings())
builder = example_builder(job, loaded)
before = held()
threading.Thread(target=watch, daemon=True).start()
started = time.perf_counter()
data = prepare_training(job.data, builder, loaded.template_hash, 1, Path(sys.argv[2]), lambda *_: None)
print(time.perf_counter() - started, (peak[0] - before) / 1024, len(data.train))
"""


def measure() -> Iterator[Measurement]:
    with TemporaryDirectory() as name:
        yield from _measure_steps(Path(name))


def measure_preparing() -> Iterator[Measurement]:
    with TemporaryDirectory() as name:
        found = {}
        for count in (NUM_ROWS // 5, NUM_ROWS):
            file = _make_rows(Path(name) / f"{count}.jsonl", count)
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", PREPARE, str(file), str(Path(name) / str(count))],
                check=True,
                capture_output=True,
                text=True,
            )
            seconds, mebibytes, _ = map(float, done.stdout.split())
            found[count] = mebibytes
            yield Measurement(
                f"rows/s of {count:,} rows / 3,000", count / seconds / 3000, f"{seconds:.1f} s", at_least=1.0
            )
        few, many = found.values()
        detail = f"{many:.0f} against {few:.0f} MiB over the loaded model"
        yield Measurement("memory of all rows / of a fifth", many / few, detail, at_most=1.5)


def _make_rows(path: Path, count: int) -> Path:
    """The demo's rows again and again, each with a number of its own."""
    rows = [json.loads(line) for line in DEMO.read_text(encoding="utf-8").splitlines()]
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            row = rows[number % len(rows)]
            file.write(json.dumps(row | {"prompt": f"{number} {row['prompt']}"}, ensure_ascii=False) + "\n")
    return path


def _measure_steps(folder: Path) -> Iterator[Measurement]:
    """Both take turns, on rows of one length, so that every step is the same work."""
    from glmcore.tuning.training.run_log import RunLog
    from glmcore.tuning.training.train import train

    rows = [
        {"prompt": f"Customer: where is my parcel, order {number}?", "response": "Topic: delivery\n" * 8}
        for number in range(1000, 1000 + NUM_STEPS * BATCH_ROWS)
    ]
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    job = read_job(
        None,
        [
            f"base_model={EMBEDDED_MODEL}",
            f"train_file={file}",
            f"output_dir={folder / 'run'}",
            f"max_steps={NUM_STEPS}",
            f"per_device_train_batch_size={BATCH_ROWS}",
            "gradient_accumulation_steps=1",
            "log_every_steps=1",
            f"save_every_steps={NUM_STEPS}",
            "validation_share=0",
            "evaluate_every_steps=0",
            "forgetting_probe=false",
            "max_input_length=96",
            "max_output_length=96",
        ],
    )
    turns = _Turns(job.config, folder / "run")
    told = RunLog.on_step_end

    def on_step_end(self: RunLog, *args: Any, **options: Any) -> None:
        told(self, *args, **options)
        turns.take()

    with patch.object(RunLog, "on_step_end", on_step_end):
        train(job, load_settings(), lambda *_: None, lambda _: None)
    ours, bare = turns.ours[UNTIMED:], turns.bare[UNTIMED:]
    # The faster half: what a noisy neighbour adds to a step says nothing about either.
    ours_s, bare_s = (statistics.mean(sorted(times)[: len(times) // 2]) for times in (ours, bare))
    detail = f"{ours_s:.3f} against {bare_s:.3f} s a step, faster half of {len(ours)}"
    yield Measurement("step / bare PyTorch loop", ours_s / bare_s, detail, at_most=1.05)


class _Turns:
    """After each step of the trainer one of a bare loop: the same model, adapter, rows, number format and
    optimizer, and nothing else. Seconds of both.
    """

    def __init__(self, job: JobConfig, run: Path) -> None:
        self.ours: list[float] = []
        self.bare: list[float] = []
        self._job, self._run = job, run
        self._ended: float | None = None
        self._step: Callable[[], None] | None = None

    def take(self) -> None:
        now = time.perf_counter()
        if self._ended is not None:
            self.ours.append(now - self._ended)
        self._step = self._step or _bare_loop(self._job, self._run)
        started = time.perf_counter()
        self._step()
        self._ended = time.perf_counter()
        self.bare.append(self._ended - started)


def _bare_loop(job: JobConfig, run: Path) -> Callable[[], None]:
    """What makes one step, on the rows that the run has prepared."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig, get_peft_model
    from torch.utils.data import DataLoader

    from glmcore.models.loading import load_model
    from glmcore.tuning.training.base import state_of
    from glmcore.tuning.training.batches import Padding, Rows
    from glmcore.tuning.training.precision import base_dtype, choose_precision

    precision = choose_precision(job, state_of(job).device)
    loaded = load_model(job.model.base_model, dtype=base_dtype(job, precision), settings=load_settings())
    lora = LoraConfig(
        r=job.tuning.lora_rank,
        lora_alpha=job.tuning.lora_alpha,
        lora_dropout=job.tuning.lora_dropout,
        target_modules=list(loaded.family.lora_targets),
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(loaded.model, lora).train()
    learnt = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=job.training.learning_rate, weight_decay=0.0)
    examples = Dataset.from_file(str(next((run / "prepared").glob("*/rows.arrow"))))
    batches = iter(DataLoader(Rows(examples), batch_size=BATCH_ROWS, collate_fn=Padding(0)))

    def step() -> None:
        batch = next(batches)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, job.training.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad()

    return step
