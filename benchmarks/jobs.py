"""Two hundred jobs, twenty of them live: what reading their progress costs, and what the page costs."""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from benchmarks.report import Measurement
from glmcore.core.settings import Settings, load_settings
from glmcore.jobs.job import Job, JobState
from glmcore.jobs.progress import ProgressReader
from glmcore.jobs.runner_book import RunnerSeen
from glmcore.jobs.service import JobService, open_jobs
from glmcore.tuning.job_config import DataConfig, JobConfig
from glmcore.tuning.run_folder import write_whole
from tests.e2e.conftest import BROWSER_ARGUMENTS, CHROMIUM
from tests.e2e.dashboard import Dashboard, make_home

NUM_JOBS, NUM_LIVE, NUM_POINTS = 200, 20, 5000
ELSEWHERE = "another-machine"  # whose processes the server does not look for
WATCHED_SECONDS = 20


def measure() -> Iterator[Measurement]:
    folder = Path(tempfile.mkdtemp())
    try:
        home = make_home(folder / "home", load_settings().home.resolve())
        live = fill(home)
        yield _refreshing(home, live)
        yield from _page(home, live)
    finally:
        shutil.rmtree(folder)


def fill(home: Path) -> list[Job]:
    """A home with so many jobs; gives the live ones, which a machine runs that is not this one."""
    rows = home / "rows.jsonl"
    rows.write_text('{"prompt": "one", "response": "two"}\n')
    service = open_jobs(Settings(home=home))
    config = replace(JobConfig(), data=DataConfig(train_file=rows))
    for number in range(NUM_JOBS):
        job = service.submit(config, name=f"run {number}", owner="local")
        claimed = service.queue.claim(
            ELSEWHERE, "bench", lambda queued, _, n=number: (queued[0], (f"cpu:{n}",))
        )
        assert claimed is not None
        write_points(service, job, 0, NUM_POINTS)
        if number < NUM_JOBS - NUM_LIVE:
            ended = service.progress(replace(claimed, state=JobState.FINISHED)).to_dict()
            service.queue.end(claimed, JobState.FINISHED, 0, summary=ended)
    service.queue.book.beat(RunnerSeen("bench", ELSEWHERE, "worker", (), time.time()))
    live = service.queue.live()
    service.close()
    return live


def write_points(service: JobService, job: Job, first: int, count: int) -> None:
    folder = service.folder(job.id)
    with folder.metrics.open("a") as file:
        for step in range(first, first + count):
            file.write(json.dumps({"loss": 2.0 / (step + 1), "step": step, "time": time.time()}) + "\n")
    status = {"state": "running", "pid": 1, "started": time.time(), "updated": time.time()}
    write_whole(folder.status, {**status, "step": first + count, "total": 2 * NUM_POINTS})


def _refreshing(home: Path, live: list[Job]) -> Measurement:
    """After each live run has written a line: reading what was appended, against reading all anew."""
    service = open_jobs(Settings(home=home))
    folders = [service.folder(job.id) for job in live]
    reader = ProgressReader()
    for folder in folders:
        reader.read(folder)
    seconds = []
    for turn in range(10):
        for job in live:
            write_points(service, job, NUM_POINTS + turn, 1)
        began = time.perf_counter()
        for folder in folders:
            reader.read(folder)
        seconds.append(time.perf_counter() - began)
    began = time.perf_counter()
    anew = ProgressReader()
    for folder in folders:
        anew.read(folder)
    whole = time.perf_counter() - began
    service.close()
    one = sorted(seconds)[len(seconds) // 2]
    detail = f"{one * 1e3:.1f} against {whole * 1e3:.0f} ms for {NUM_LIVE} runs of {NUM_POINTS:,} points"
    return Measurement("progress of live runs: appended / all of it", one / whole, detail, at_most=0.2)


def _page(home: Path, live: list[Job]) -> Iterator[Measurement]:
    """Seconds of the server's CPU: the table opened in a new session, and each second of following it."""
    from playwright.sync_api import sync_playwright

    dashboard = Dashboard(home, GLMCORE_PRELOAD="false")
    dashboard.start()
    service = open_jobs(Settings(home=home))
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
            first, _ = _open(browser, dashboard)
            again, page = _open(browser, dashboard)
            detail = f"{NUM_JOBS} jobs, {NUM_LIVE} live; the first one after a start took {first:.2f} s"
            yield Measurement("opening the table of jobs, s of CPU", again, detail, at_most=1.0)
            before = _cpu_seconds(dashboard)
            for turn in range(WATCHED_SECONDS):
                for job in live:
                    write_points(service, job, 2 * NUM_POINTS + turn, 1)
                page.wait_for_timeout(1000)
            used = (_cpu_seconds(dashboard) - before) / WATCHED_SECONDS
            yield Measurement("following it in two sessions, s of CPU a second", used, detail, at_most=0.5)
            browser.close()
    finally:
        service.close()
        dashboard.stop()


def _open(browser: Any, dashboard: Dashboard) -> tuple[float, Any]:
    before = _cpu_seconds(dashboard)
    page = browser.new_context(viewport={"width": 1400, "height": 900}, locale="en-US").new_page()
    page.goto(f"{dashboard.url}/training?view=jobs")
    page.get_by_text(f"{NUM_JOBS} jobs").first.wait_for(timeout=60_000)
    return _cpu_seconds(dashboard) - before, page


def _cpu_seconds(dashboard: Dashboard) -> float:
    times = psutil.Process(dashboard.pid).cpu_times()
    return float(times.user + times.system)
