"""How long logs take to read, against TensorBoard on the same scalars; how many spikes the drawn points keep.

TensorBoard runs as it comes: with its fast loader, which keeps 1,000 points of a curve, where we keep all.
"""

import json
import random
import shutil
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.report import Measurement, alternate
from glmcore.curves.logs.parsing import Parser
from glmcore.curves.table import PointTable

NUM_RUNS, NUM_STEPS, NUM_SPIKES, DRAWN_POINTS = 20, 20_000, 50, 2_000
NUM_VALUES = NUM_RUNS * NUM_STEPS * 2
TAGS = ("train/loss", "train/learning_rate")
CHUNK_BYTES = 4 << 20
PATIENCE_SECONDS = 300


def measure() -> Iterator[Measurement]:
    with TemporaryDirectory() as folder:
        logs = write_logs(Path(folder))
        events = logs.events
        theirs, ours, foreign = alternate(
            5,
            lambda: seconds_until_served(events),
            lambda: seconds_to_read(logs.metrics),
            lambda: seconds_to_read(logs.trainer_logs),
        )
        for name, seconds in (("metrics.jsonl", ours), ("trainer_log.jsonl", foreign)):
            detail = f"{theirs:.2f} against {seconds:.2f} s for {NUM_VALUES:,} scalars"
            yield Measurement(f"TensorBoard until served / {name}", theirs / seconds, detail, at_least=5.0)

        file = next(events.rglob("*tfevents*"))
        theirs, ours = alternate(3, lambda: accumulated_a_second(file), lambda: read_a_second(file))
        detail = f"{ours:,.0f} against {theirs:,.0f} scalars a second"
        yield Measurement("event file / EventAccumulator", ours / theirs, detail, at_least=5.0)
    visible = num_visible_spikes()
    detail = f"{visible} of {NUM_SPIKES} in 50,000 steps, drawn as {DRAWN_POINTS:,} points"
    yield Measurement("spikes that stay visible", visible / NUM_SPIKES, detail, at_least=1.0)


@dataclass(frozen=True)
class Logs:
    """Folders with the same runs, in three forms."""

    metrics: Path  # our trainer's lines: 2 scalars, step and time
    trainer_logs: Path  # LLaMA-Factory's: these, the epoch, and how far the run is
    events: Path  # TensorBoard's


def write_logs(folder: Path) -> Logs:
    """All runs have the same numbers."""
    from tensorboardX import SummaryWriter

    chance = random.Random(1)
    losses = [3 / (1 + step / 500) + chance.gauss(0, 0.05) for step in range(NUM_STEPS)]
    logs = Logs(folder / "metrics", folder / "trainer_logs", folder / "events")
    for kind in (logs.metrics, logs.trainer_logs):
        (kind / "run-0").mkdir(parents=True)
    with (
        (logs.metrics / "run-0/metrics.jsonl").open("w") as ours,
        (logs.trainer_logs / "run-0/trainer_log.jsonl").open("w") as foreign,
        SummaryWriter(str(logs.events / "run-0")) as writer,
    ):
        for step, loss in enumerate(losses, start=1):
            rate = 5e-5 * (1 - step / NUM_STEPS)
            values = {"loss": loss, "learning_rate": rate, "step": step, "time": 1.79e9 + step}
            ours.write(json.dumps(values) + "\n")
            foreign.write(_line(step, loss, rate))
            for tag, value in zip(TAGS, (loss, rate), strict=True):
                writer.add_scalar(tag, value, step)
    for number in range(1, NUM_RUNS):
        for kind in (logs.metrics, logs.trainer_logs, logs.events):
            shutil.copytree(kind / "run-0", kind / f"run-{number}")
    return logs


def _line(step: int, loss: float, rate: float) -> str:
    values = {
        "current_steps": step,
        "total_steps": NUM_STEPS,
        "loss": round(loss, 4),
        "lr": rate,
        "epoch": round(step / 6000, 4),
        "percentage": round(100 * step / NUM_STEPS, 2),
        "elapsed_time": f"{step // 3600}:{step // 60 % 60:02}:{step % 60:02}",
        "remaining_time": "1:02:03",
    }
    return json.dumps(values) + "\n"


def seconds_to_read(folder: Path) -> float:
    """Until all points of all logs in a folder are in memory; nothing is kept from an earlier reading."""
    from glmcore.curves.library import CurveLibrary

    began = time.perf_counter()
    library = CurveLibrary(None)
    library.find([folder])
    runs = library.refresh()
    seconds = time.perf_counter() - began
    assert sum(len(curve) for run in runs for curve in run.curves.values()) >= NUM_VALUES
    return seconds


def read_log(path: Path, parser: Parser) -> PointTable:
    table, data, at = PointTable(), path.read_bytes(), 0
    while at < len(data):
        block, used = parser.parse(data[at : at + CHUNK_BYTES], at_end=at + CHUNK_BYTES >= len(data))
        table.append(block)
        at += used
    return table


def seconds_until_served(folder: Path) -> float:
    """From the start of TensorBoard until its API gives the last step of every curve."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--load_fast=true", "--host=127.0.0.1"]
    command += [f"--port={port}", f"--logdir={folder}"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while not _is_all_served(port):
                assert server.poll() is None, "TensorBoard ended by itself"
                assert time.perf_counter() - began < PATIENCE_SECONDS, "TensorBoard did not serve all"
                time.sleep(0.02)
            return time.perf_counter() - began
        finally:
            server.terminate()


def _is_all_served(port: int) -> bool:
    wanted = json.dumps([{"plugin": "scalars", "tag": tag} for tag in TAGS])
    body = urllib.parse.urlencode({"requests": wanted}).encode()
    address = f"http://127.0.0.1:{port}/experiment/defaultExperimentId/data/plugin/timeseries/timeSeries"
    with suppress(OSError), urllib.request.urlopen(address, body, timeout=60) as answer:
        runs = [curves.get("runToSeries", {}) for curves in json.load(answer)]
        last = [points[-1]["step"] for curves in runs for points in curves.values() if points]
        return last == [NUM_STEPS] * NUM_RUNS * len(TAGS)
    return False


def accumulated_a_second(path: Path) -> float:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    began = time.perf_counter()
    accumulator = EventAccumulator(str(path), size_guidance={"scalars": 0})
    accumulator.Reload()
    num_values = sum(len(accumulator.Scalars(tag)) for tag in TAGS)
    return num_values / (time.perf_counter() - began)


def read_a_second(path: Path) -> float:
    from glmcore.curves.logs.event_file import EventFile

    began = time.perf_counter()
    table = read_log(path, EventFile())
    return table.num_values / (time.perf_counter() - began)


def num_visible_spikes() -> int:
    from glmcore.curves.views.decimation import decimate

    chance = np.random.default_rng(1)
    steps = np.arange(50_000.0)
    values = 2 + chance.normal(0, 0.05, len(steps))
    spikes = chance.choice(len(steps), NUM_SPIKES, replace=False)
    values[spikes] += 3
    return int(np.isin(spikes, decimate(steps, values, DRAWN_POINTS)).sum())
