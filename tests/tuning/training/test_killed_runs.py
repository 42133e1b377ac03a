"""Real processes ended at any moment: what is on disk is enough to go on as if nothing had happened."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from glmcore.tuning.checkpoints import last_checkpoint
from glmcore.tuning.run_folder import RunFolder, read_whole
from tests.sources import ROOT
from tests.tuning.running import (
    assert_same_tensors,
    checkpoint,
    learnt_weights,
    numbers_by_step,
    points,
    read_json,
    run,
    write_rows,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.usefixtures("one_thread")]

STEPS = 60
OPTIONS = {"max_steps": STEPS, "save_every_steps": 3, "keep_checkpoints": 2, "evaluate_every_steps": 5}


def start(folder, base, method, **values):
    from glmcore.tuning.job_config import write_job
    from tests.tuning.running import job_file

    job = folder / "job.yaml"
    write_job(job_file(folder, base, method, **values).config, job)
    return subprocess.Popen(
        [sys.executable, "-m", "glmcore.tuning.run", str(job)],
        cwd=ROOT,
        env=os.environ | {"GLMCORE_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for_step(process, folder, step):
    """Until a run is so far; its pid tells it from an earlier one."""
    for _ in range(6000):
        status = read_whole(RunFolder(folder / "run").status)
        if status.get("pid") == process.pid and status.get("state") == "running" and status["step"] >= step:
            return
        if process.poll() is not None:
            raise AssertionError(process.stdout.read())
        time.sleep(0.02)
    raise AssertionError("the run never came so far")


@pytest.fixture
def folders(tmp_path):
    """Of an unbroken run, and of one to break; with equal data."""
    made = []
    for name in ("whole", "broken"):
        folder = tmp_path / name
        folder.mkdir()
        write_rows(folder / "train.jsonl", 40)
        write_rows(folder / "validation.jsonl", 4, start=50)
        made.append((folder, OPTIONS | {"validation_file": folder / "validation.jsonl"}))
    return made


@pytest.mark.parametrize("base, method", [("llama", "lora"), ("chatglm", "prefix")])
def test_a_run_that_is_killed_again_and_again_ends_as_one_that_was_not(base, method, folders):
    (whole, whole_options), (broken, options) = folders
    assert run(whole, base, method, **whole_options).state == "finished"
    chance = random.Random(7)
    kills, chosen = 0, []
    for attempt in range(6):
        before = last_checkpoint(RunFolder(broken / "run"))
        with start(broken, base, method, **options) as process:
            if attempt % 3 == 2:  # while it is still making itself ready
                time.sleep(chance.uniform(0.2, 6.0))
            else:
                wait_for_step(process, broken, (before.step if before else 0) + chance.randint(0, 8))
                time.sleep(chance.uniform(0.0, 0.2))
            if process.poll() is None:
                process.kill()
                kills += 1
        after = last_checkpoint(RunFolder(broken / "run"))
        if after is not None:
            chosen.append(after.step)
            assert learnt_weights(after.path)
    assert kills >= 5
    assert chosen == sorted(chosen)
    if read_json(broken / "run" / "status.json")["state"] != "finished":  # the last kill may come after all
        with start(broken, base, method, **options) as process:
            text = process.stdout.read()
            assert process.wait() == 0, text
    expected, found = (
        numbers_by_step(whole, "loss", "eval_loss"),
        numbers_by_step(broken, "loss", "eval_loss"),
    )
    assert found == expected
    assert_same_tensors(learnt_weights(checkpoint(broken, STEPS)), learnt_weights(checkpoint(whole, STEPS)))
    assert read_json(broken / "run" / "status.json")["state"] == "finished"
    left = {path.name for path in (broken / "run" / "checkpoints").iterdir()}
    kept = {path.name for path in (whole / "run" / "checkpoints").iterdir()}
    assert left == kept


def test_sigterm_saves_and_ends_in_good_order(folders):
    (whole, whole_options), (broken, options) = folders
    options = options | {"save_every_steps": 1000}
    with start(broken, "llama", "lora", **options) as process:
        wait_for_step(process, broken, 4)
        process.send_signal(signal.SIGTERM)
        text = process.stdout.read()
        assert process.wait() == 0, text
    status = read_json(broken / "run" / "status.json")
    assert status["state"] == "stopped"
    assert last_checkpoint(RunFolder(broken / "run")).step == status["step"] >= 4
    for folder, values in ((broken, options), (whole, whole_options)):
        assert run(folder, "llama", "lora", **values).state == "finished"
    assert numbers_by_step(broken, "loss") == numbers_by_step(whole, "loss")


def test_sigterm_while_it_makes_itself_ready_ends_it(folders):
    _, (broken, options) = folders
    with start(broken, "llama", "lora", **options) as process:
        for _ in range(3000):
            if read_whole(RunFolder(broken / "run").status).get("state") == "preparing":
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        text = process.stdout.read()
        code = process.wait()
    assert code in (0, 143), text  # 0: it was quick enough to begin
    assert read_json(broken / "run" / "status.json")["state"] in ("preparing", "failed", "stopped")
    assert run(broken, "llama", "lora", **options).state == "finished"


def test_two_processes_never_share_a_folder(folders):
    _, (broken, options) = folders
    options = options | {"max_steps": 100_000, "save_every_steps": 1000}
    with start(broken, "llama", "lora", **options) as process:
        wait_for_step(process, broken, 1)
        with start(broken, "llama", "lora", **options) as other:
            text = other.stdout.read()
            assert other.wait() == 2
        assert "in use by another run" in text
        process.send_signal(signal.SIGTERM)
        text = process.stdout.read()
        assert process.wait() == 0, text
    losses = [point["step"] for point in points(broken) if "loss" in point]
    assert losses == list(range(1, len(losses) + 1))


def test_a_stop_request_reaches_a_process(folders):
    _, (broken, options) = folders
    with start(broken, "llama", "lora", **options) as process:
        wait_for_step(process, broken, 3)
        RunFolder(broken / "run").stop_request.write_text('{"save": true}')
        text = process.stdout.read()
        assert process.wait() == 0, text
    assert read_json(broken / "run" / "status.json")["state"] == "stopped"
    assert run(broken, "llama", "lora", **options).state == "finished"
