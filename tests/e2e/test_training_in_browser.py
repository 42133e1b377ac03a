"""From a small table to an answer of the tuned model, in a real browser with real processes."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from glmcore.core.settings import Settings
from glmcore.jobs.job import Job, JobState
from glmcore.jobs.service import open_jobs
from tests.e2e.dashboard import Dashboard, make_home

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

STEPS = 12
WAIT = 240_000  # milliseconds for what a model has to compute, on a busy machine


@pytest.fixture
def dashboard(tmp_path: Path, embedded_home: Path) -> Iterator[Dashboard]:
    # A thread each: chat, training and browser share few cores, and waiting threads are in one another's way.
    server = Dashboard(make_home(tmp_path / "home", embedded_home), OMP_NUM_THREADS="1")
    server.start()
    server.wait_until_ready()
    yield server
    server.stop()
    assert "Traceback" not in server.log.read_text(), server.log.read_text()[-3000:]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "colours.csv"
    lines = (f"What colour is thing {n}?,Thing {n} is {'red' if n % 2 else 'blue'}." for n in range(40))
    path.write_text("question,answer\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def page(dashboard: Dashboard, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, locale="en-US")
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


def test_a_table_is_uploaded_learnt_stopped_gone_on_with_judged_and_talked_to(
    dashboard: Dashboard, page: Page, rows: Path
) -> None:
    fill_the_form(page, dashboard.url, rows)
    button(page, "Start").click()
    expect(text(page, rf"step ([3-9]|1\d) of {STEPS}")).to_be_visible(timeout=WAIT)
    address = page.url
    assert "job=colours-" in address

    page.reload()
    expect(text(page, rf"step \d+ of {STEPS}")).to_be_visible(timeout=WAIT)
    button(page, "Stop").click()
    page.get_by_role("dialog").get_by_role("button", name="Stop", exact=True).click()
    button(page, "Resume").wait_for(timeout=WAIT)
    stopped = the_job(dashboard)
    assert stopped.state is JobState.STOPPED and stopped.exit_code == 0
    assert stopped.summary is not None and 3 <= stopped.summary["step"] < STEPS

    button(page, "Resume").click()
    button(page, "Go on").wait_for(timeout=WAIT)
    finished = the_job(dashboard)
    assert finished.summary is not None
    assert (finished.state, finished.attempt, finished.summary["step"]) == (JobState.FINISHED, 2, STEPS)
    expect(page.get_by_role("figure", name=re.compile("^loss"))).to_be_visible()

    evaluate_best(page)
    page.goto(address)
    page.get_by_role("tab", name="Checkpoints").click()
    button(page, "Load into chat").click()
    page.get_by_test_id("stChatInputTextArea").fill("What colour is thing 7?")
    page.keyboard.press("Enter")
    expect(text(page, rf"{finished.id}/checkpoint-{STEPS}.* tokens · ")).to_be_visible(timeout=WAIT)
    expect(page.get_by_test_id("stChatMessage").last).to_contain_text(re.compile("[Tt]hing|colou?r|red|blue"))


def fill_the_form(page: Page, url: str, rows: Path) -> None:
    page.goto(f"{url}/training?view=new")
    name = page.get_by_label("Name of the job")
    name.fill("Colours")
    name.press("Tab")
    button(page, "Upload").first.click()
    page.locator("input[type=file]").first.set_input_files(rows)
    expect(text(page, "Questions from question, answers from answer")).to_be_visible()
    page.keyboard.press("Escape")
    for label, value in {
        "Steps, instead of passes": STEPS,
        "Batch size": 1,
        "Evaluate every … steps": STEPS // 2,
        "Save every … steps": STEPS // 2,
    }.items():
        settle(page)
        field = page.get_by_label(label, exact=True)
        field.fill(str(value))
        field.press("Tab")
    settle(page)
    page.locator(".st-key-new_job_more_evaluation").get_by_text("More").first.click()
    settle(page)  # a click on what is still unfolding meets something else
    page.get_by_text("Forgetting probe", exact=True).click()
    settle(page)
    expect(text(page, f"max_steps: {STEPS}")).to_be_visible()
    expect(text(page, f"save_every_steps: {STEPS // 2}")).to_be_visible()
    expect(text(page, "forgetting_probe: false")).to_be_visible()
    expect(text(page, "It would begin.")).to_be_visible(timeout=WAIT)


def settle(page: Page) -> None:
    """Faster than any hand, an edit that comes while the page is drawn anew would be lost."""
    page.wait_for_timeout(400)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def evaluate_best(page: Page) -> None:
    page.get_by_role("tab", name="Checkpoints").click()
    button(page, "Evaluate").click()
    at_most = page.get_by_label("Rows at most", exact=True)
    at_most.fill("2")
    at_most.press("Tab")
    expect(button(page, "Evaluate")).to_be_enabled()
    button(page, "Evaluate").click()
    expect(text(page, "finished · ")).to_be_visible(timeout=WAIT)
    scores = page.get_by_role("row").filter(has_text="ROUGE-L")
    expect(scores).to_contain_text(re.compile(r"\d+\.\d\d"))


def button(page: Page, name: str) -> Locator:
    return page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True)


def text(page: Page, pattern: str) -> Locator:
    return page.get_by_text(re.compile(pattern)).first


def the_job(dashboard: Dashboard) -> Job:
    jobs = open_jobs(Settings(home=dashboard.home))
    (found,) = (job for job in jobs.queue.list() if job.name == "Colours")
    jobs.close()
    return found
