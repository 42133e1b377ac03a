"""Jobs in every state without a process, and the sections about them as one reader sees them."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlit.testing.v1 import AppTest

from glmcore.jobs.job import Job, JobKind, JobState
from glmcore.jobs.runner_book import RunnerSeen
from glmcore.jobs.service import JobService
from glmcore.tuning.job_config import parse_job
from tests.sources import ROOT
from tests.ui.training_runs import write_run

DEVICE = "cpu:0"
OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."


def add_job(
    jobs: JobService,
    name: str,
    state: JobState = JobState.QUEUED,
    *,
    kind: JobKind = JobKind.TRAIN,
    steps: int = 0,
    exit_code: int | None = None,
    note: str = "",
    **values: Any,
) -> Job:
    """A job that came so far; with `steps` it has written curves."""
    settings = {"train_file": str(ROOT / "configs/demo/train.jsonl"), "device": "cpu", **values}
    config = parse_job(settings, name).config
    if kind is JobKind.CALIBRATE:
        job = jobs.calibrate(config, name=name, owner="local")
    else:
        job = jobs.submit(config, name=name, owner="local", note=note)
    if state is JobState.QUEUED:
        return job
    device = f"cuda:{len(jobs.queue.list(archived=None))}"  # one that no other job has
    claimed = jobs.queue.claim("box", "somebody", lambda queued, live: (_same(queued, job), (device,)))
    assert claimed is not None
    if steps:
        text = jobs.folder(job.id).job_file.read_text()
        jobs.folder(job.id).job_file.unlink()
        jobs.folder(job.id).path.rmdir()
        write_run(jobs.folder(job.id).path, steps=steps)
        jobs.folder(job.id).job_file.write_text(text)
    if state.has_ended:
        jobs.queue.end(claimed, state, exit_code, None, jobs.progress(claimed).to_dict())
    return jobs.queue.get(job.id)


def add_checkpoint(jobs: JobService, job: Job, step: int, loss: float, best_step: int) -> Path:
    folder = jobs.folder(job.id).checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "adapter_model.safetensors").write_bytes(b"x" * 2048)
    metrics = {"eval_loss": loss, "eval_runtime": 3.0, "epoch": 1.0}
    marker = {"time": 1_790_000_000.0, "step": step, "best_step": best_step, "metrics": metrics}
    (folder / "complete.json").write_text(json.dumps(marker))
    return folder


def beat(jobs: JobService) -> None:
    jobs.queue.book.beat(RunnerSeen("one", "box", "dashboard", (DEVICE, "cuda:0"), time.time()))


def open_jobs_page(**query: str) -> AppTest:
    at = AppTest.from_function(_main, default_timeout=20)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception
    return at


def open_dialog(draw: Callable[[], None]) -> AppTest:
    """A page that shows a dialog in every run, as the browser does until it is closed."""
    at = AppTest.from_function(_draw, args=(draw,), default_timeout=20).run()
    assert not at.exception, at.exception
    return at


def click(at: AppTest, key: str) -> AppTest:
    at.button(key=key).click().run()
    assert not at.exception, at.exception
    return at


def said(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning, at.error, at.code)
    return "\n".join(str(one.value).replace("\\", "") for kind in kinds for one in kind)


def table(at: AppTest) -> list[dict[str, Any]]:
    return at.dataframe[0].value.to_dict("records") if at.dataframe else []


def keys(at: AppTest) -> set[str | None]:
    return {button.key for button in at.button}


def _same(queued: Any, job: Job) -> Job:
    return next(one for one in queued if one.id == job.id)


def _draw(draw) -> None:  # Streamlit runs its text alone, which knows no names of types
    draw()


def _main() -> None:
    import streamlit as st

    from glmcore.ui.services import services
    from glmcore.ui.session import CHAT_PAGE, COMPARE_PAGE, CURVES_PAGE
    from glmcore.ui.training.jobs import job_page, table

    def training() -> None:
        if st.query_params.get("view", "jobs") != "jobs":
            st.title("another view")
        elif "job" in st.query_params:
            job_page.show(services(), st.query_params["job"])
        else:
            table.show(services())

    pages = [st.Page(training, title="Training", default=True)]
    pages += [st.Page(path, url_path=path.stem) for path in (CHAT_PAGE, CURVES_PAGE, COMPARE_PAGE)]
    st.navigation(pages).run()
