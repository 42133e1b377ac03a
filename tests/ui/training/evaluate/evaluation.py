"""Evaluations in every state without a process, and the view of them as one reader sees it."""

from typing import Any

from streamlit.testing.v1 import AppTest

from glmcore.jobs.job import Job, JobKind, JobState
from glmcore.jobs.service import JobService
from tests.jobs.answered import answered_row, results, write_answers
from tests.sources import ROOT
from tests.ui.training.jobs.job_visit import add_checkpoint, add_job

TEST = ROOT / "configs/demo/test.jsonl"
TUNED = [
    answered_row(1, "Where is it?", "In Paris", "It is in Paris", 80),
    answered_row(2, "<b>bold</b> $x$", "客户说的", "<script>alert(1)</script>客户", 20),
    answered_row(3, "third", "three", "", 0),
]
BASE = [answered_row(number, answer="London", score=score) for number, score in ((1, 10), (2, 30), (3, 0))]


def add_training(jobs: JobService, name: str = "letters", steps: tuple[int, ...] = (50, 100)) -> Job:
    """A training that has ended, with checkpoints of which the last is the best."""
    job = add_job(jobs, name, JobState.FINISHED, test_file=str(TEST))
    for step in steps:
        add_checkpoint(jobs, job, step, 1 / step, max(steps))
    return job


def add_evaluation(
    jobs: JobService,
    source: Job,
    step: int,
    state: JobState = JobState.FINISHED,
    *,
    num_tuned: int = 3,
    num_base: int = 3,
    score: float = 40.0,
) -> Job:
    """An evaluation of a checkpoint and the base, that came so far."""
    job = jobs.predict(
        name=f"{source.name} {step}",
        owner="local",
        data_file=TEST,
        checkpoint=f"checkpoint-{step}",
        source=source,
        compare_base=True,
    )
    if state is JobState.QUEUED:
        return job
    device = f"cuda:{len(jobs.queue.list(archived=None))}"  # one that no other job has
    claimed = jobs.queue.claim(
        "box", "somebody", lambda queued, live: (next(one for one in queued if one.id == job.id), (device,))
    )
    assert claimed is not None
    folder, is_whole = jobs.folder(job.id).path, state is JobState.FINISHED
    if num_tuned:
        write_answers(
            folder, f"checkpoint-{step}-aa", TUNED[:num_tuned], results(score) if is_whole else None
        )
    if num_base:
        write_answers(folder, "base-aa", BASE[:num_base], results(13.25) if is_whole else None)
    if state.has_ended:
        jobs.queue.end(claimed, state, 0 if is_whole else 2, None, None)
    return jobs.queue.get(job.id)


def predictions(jobs: JobService) -> list[Job]:
    return jobs.queue.list(kinds=[JobKind.PREDICT])


def open_evaluate(**query: str) -> AppTest:
    at = AppTest.from_function(_main, default_timeout=20)
    at.query_params["view"] = "evaluate"
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception
    return at


def open_drawn(draw: Any, *arguments: Any) -> AppTest:
    """A page that holds one section."""
    at = AppTest.from_function(_draw, args=(draw, arguments), default_timeout=20).run()
    assert not at.exception, at.exception
    return at


def press(at: AppTest, label: str) -> AppTest:
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception, at.exception
    return at


def _draw(draw, arguments) -> None:  # Streamlit runs its text alone, which knows no names of types
    draw(*arguments)


def _main() -> None:
    import streamlit as st

    from glmcore.ui.services import services
    from glmcore.ui.training.evaluate import page

    def training() -> None:
        if st.query_params.get("view") == "evaluate":
            page.show(services())
        else:
            st.title("another view")

    st.navigation([st.Page(training, title="Training", default=True)]).run()
