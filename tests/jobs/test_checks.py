"""Checks of jobs in their thread: which are done, which are replaced, what is kept of them."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from glmcore.core.errors import DataError
from glmcore.core.settings import EMBEDDED_MODEL, Settings
from glmcore.jobs import checks as checks_module
from glmcore.jobs.checks import FIRST_ROWS, KEPT, CheckState, JobChecks, check_key, first_rows, memory_parts
from glmcore.models.progress import Progress
from glmcore.tuning.job_config import JobConfig, read_job
from glmcore.tuning.planning.dry_run_report import DryRun
from tests.jobs.dry_runs import dry_run

SECONDS = 10.0  # after which a test that waits has failed


class Looks:
    """In place of dry runs: those of a rank that is held wait for `go`."""

    def __init__(self) -> None:
        self.ranks: list[int] = []
        self.configs: list[JobConfig] = []
        self.held: set[int] = set()
        self.go = threading.Event()
        self.began = threading.Semaphore(0)
        self.found: Callable[[], DryRun] = dry_run

    def __call__(self, config: JobConfig, settings: Settings, progress: Progress) -> DryRun:
        self.ranks.append(config.tuning.lora_rank)
        self.configs.append(config)
        progress("Reading the data", 0.5)
        self.began.release()
        if config.tuning.lora_rank in self.held:
            assert self.go.wait(SECONDS)
        progress("Comparing", None)
        return self.found()


@pytest.fixture
def looks() -> Looks:
    return Looks()


@pytest.fixture
def checks(settings: Settings, looks: Looks) -> Iterator[JobChecks]:
    checks = JobChecks(settings, looks)
    yield checks
    looks.go.set()
    checks.close()


def of_rank(config: JobConfig, rank: int) -> JobConfig:
    return replace(config, tuning=replace(config.tuning, lora_rank=rank))


def ended(checks: JobChecks, key: str, seconds: float = SECONDS) -> CheckState:
    deadline = time.monotonic() + seconds
    while (state := checks.state(key)) is None or not state.has_ended:
        assert time.monotonic() < deadline, "a check does not end"
        time.sleep(0.001)
    return state


def test_a_check_tells_its_stage_and_then_its_result(
    checks: JobChecks, looks: Looks, config: JobConfig
) -> None:
    looks.held = {8}
    key = checks.start(config)
    assert looks.began.acquire(timeout=SECONDS)
    state = checks.state(key)
    assert state is not None and (state.stage, state.fraction) == ("Reading the data", 0.5)
    looks.go.set()
    state = ended(checks, key)
    assert state.result is not None and state.error is None and not state.stage
    assert not state.is_partial and state.num_rows == 9
    assert checks.start(config) == key and looks.ranks == [8]


def test_a_newer_request_replaces_one_that_waits_but_not_somebody_elses(
    checks: JobChecks, looks: Looks, config: JobConfig
) -> None:
    looks.held = {1}
    running = checks.start(of_rank(config, 1), asker="me")
    assert looks.began.acquire(timeout=SECONDS)
    replaced = checks.start(of_rank(config, 2), asker="me")
    others = checks.start(of_rank(config, 3), asker="you")
    assert checks.state(replaced) == CheckState(stage=checks_module.WAITING)
    newest = checks.start(of_rank(config, 4), asker="me")
    assert checks.state(replaced) is None
    looks.go.set()
    for key in (running, others, newest):
        assert ended(checks, key).result is not None
    assert sorted(looks.ranks) == [1, 3, 4]


def test_what_two_ask_for_is_done_once(checks: JobChecks, looks: Looks, config: JobConfig) -> None:
    looks.held = {1}
    checks.start(of_rank(config, 1))
    assert looks.began.acquire(timeout=SECONDS)
    keys = {checks.start(of_rank(config, 2), asker=asker) for asker in ("me", "you")}
    last = checks.start(of_rank(config, 3), asker="third")
    looks.go.set()
    ended(checks, last)
    assert len(keys) == 1 and looks.ranks == [1, 2, 3]


def test_an_error_and_a_crash_are_results(checks: JobChecks, looks: Looks, config: JobConfig) -> None:
    def refuse() -> DryRun:
        raise DataError("{path} is broken.", path="rows")

    def crash() -> DryRun:
        raise ZeroDivisionError("oh")

    looks.found = refuse
    assert str(ended(checks, checks.start(of_rank(config, 1))).error) == "rows is broken."
    looks.found = crash
    assert "fault of this program" in str(ended(checks, checks.start(of_rank(config, 2))).error)
    looks.found = dry_run
    assert ended(checks, checks.start(of_rank(config, 3))).result is not None


def test_the_last_results_are_kept_and_one_can_be_forgotten(checks: JobChecks, config: JobConfig) -> None:
    keys = [checks.start(of_rank(config, rank), asker=str(rank)) for rank in range(1, KEPT + 3)]
    ended(checks, keys[-1])
    assert [checks.state(key) is None for key in keys] == [True] * 2 + [False] * KEPT
    checks.forget(keys[-1])
    assert checks.state(keys[-1]) is None


def test_only_what_matters_needs_a_new_check(config: JobConfig) -> None:
    key = check_key(config)
    same = replace(config, training=replace(config.training, learning_rate=0.5))
    same = replace(same, devices=replace(same.devices, seed=1))
    assert check_key(same) == key
    assert check_key(config, all_rows=True) != key
    assert check_key(of_rank(config, 3)) != key
    assert config.data.train_file is not None
    with config.data.train_file.open("a") as file:
        file.write("\n")
    assert check_key(config) != key
    config.data.train_file.unlink()
    assert check_key(config) != key


def test_only_the_first_rows_are_read_unless_all_are_asked_for(
    checks: JobChecks, looks: Looks, config: JobConfig
) -> None:
    ended(checks, checks.start(config))
    ended(checks, checks.start(config, all_rows=True))
    limits = [(one.data.max_train_samples, one.data.max_eval_samples) for one in looks.configs]
    assert limits == [(FIRST_ROWS, FIRST_ROWS), (None, None)]
    short = first_rows(replace(config, data=replace(config.data, max_train_samples=7)))
    assert short.data.max_train_samples == 7


@pytest.mark.parametrize("count", [FIRST_ROWS, 2 * FIRST_ROWS, None])
def test_steps_are_of_all_rows(
    checks: JobChecks, looks: Looks, config: JobConfig, monkeypatch: pytest.MonkeyPatch, count: int | None
) -> None:
    looks.found = lambda: dry_run(FIRST_ROWS)
    monkeypatch.setattr(checks_module, "_count_rows", lambda path, encoding, limit: count)
    state = ended(checks, checks.start(config))
    assert state.result is not None
    assert (state.num_rows, state.is_partial) == (count, count != FIRST_ROWS)
    per_epoch = -(-(count or FIRST_ROWS) // 16)  # 4 batches of 4
    assert state.result.steps.per_epoch == pytest.approx(per_epoch, abs=1)


def test_rows_are_counted_within_the_jobs_limit(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n" + "1,2\n" * 30)
    assert checks_module._count_rows(path, "utf-8", None) == 30
    assert checks_module._count_rows(path, "utf-8", 7) == 7


def test_parts_of_memory_have_names() -> None:
    parts = memory_parts(dry_run())
    assert ("frozen weights", 10 * 2**20) in parts and len(parts) == 8


@pytest.mark.slow
def test_the_demo_would_begin_and_nothing_is_left_of_the_check(
    embedded_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    config, checks = read_job(Path("configs/demo.yaml")).config, JobChecks(Settings(home=embedded_home))
    key = checks.start(config)
    state = ended(checks, key, seconds=120)
    checks.close()
    assert state.result is not None, state
    assert (state.result.steps.total, state.result.memory.model) == (100, EMBEDDED_MODEL)
    assert not state.result.problems and not (embedded_home / "jobs").exists()
