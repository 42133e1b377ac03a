"""The curves page in a real browser: what only a browser shows, on runs of which one is live."""

import csv
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from glmcore.core.notes import Note
from glmcore.curves.alerts.rules import AlertAction
from glmcore.curves.alerts.watch import AlertBook, FiredAlert
from glmcore.curves.remarks import Remarks
from glmcore.curves.run import run_id
from tests.e2e.dashboard import Dashboard
from tests.ui.training_runs import BEGAN, write_run

pytestmark = pytest.mark.browser

STEPS = 6000  # more than are drawn at once


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    home = tmp_path_factory.mktemp("home")
    write_run(home / "jobs/first", steps=STEPS, rate=1e-5)
    write_run(home / "jobs/second", steps=STEPS, rate=2e-5, seed=2)
    write_run(home / "jobs/live", steps=STEPS, rate=4e-5, seed=3, pid=os.getpid())
    server = Dashboard(home, GLMCORE_PRELOAD="false")
    server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log.read_text(), server.log.read_text()[-3000:]


class Curves:
    """The page in a browser that knows nothing yet, and what went wrong on it."""

    def __init__(self, server: Dashboard, browser: Browser, locale: str = "en-US") -> None:
        self.server, self.problems = server, list[str]()
        self._context = browser.new_context(viewport={"width": 1400, "height": 1300}, locale=locale)
        self.page: Page = self._context.new_page()
        self.page.set_default_timeout(30_000)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", self._note)

    def open(self, address: str = "/curves") -> "Curves":
        self.page.goto(self.server.url + address)
        return self.wait()

    def wait(self) -> "Curves":
        expect(self.plot.locator(".main-svg").first).to_be_visible(timeout=30_000)
        return self

    def close(self) -> None:
        self._context.close()
        assert not self.problems

    @property
    def plot(self) -> Locator:
        """The first chart, which is the loss."""
        return self.page.locator(".curve-plot").first

    @property
    def footnote(self) -> Locator:
        return self.page.locator(".curve-notes").first

    def shown_range(self) -> list[float]:
        return self.plot.evaluate("plot => plot.layout.xaxis.range")

    def num_points(self) -> tuple[int, int]:
        """How many of how many points the first chart says to show."""
        shown, total = re.findall(r"\d+", self.footnote.inner_text())[:2]
        return int(shown), int(total)

    def wait_for_refreshes(self, count: int) -> None:
        for _time in range(count):
            clock = self.page.get_by_text(re.compile("looked at"))
            expect(clock).not_to_have_text(clock.inner_text(), timeout=15_000)

    def zoom(self, start: float, end: float) -> None:
        box = self.plot.bounding_box()
        assert box is not None
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + box["width"] * start, y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + box["width"] * (start + end) / 2, y, steps=4)
        self.page.mouse.move(box["x"] + box["width"] * end, y, steps=4)
        self.page.mouse.up()
        expect(self.page).to_have_url(re.compile("zoom="))

    def place_of(self, run: str, number: int) -> tuple[float, float, float]:
        """x of one point of a smoothed curve, and where it is on the screen."""
        found = self.plot.evaluate(
            """(plot, [run, number]) => {
              const trace = plot.card.traces.find(({meta}) => meta.run === run && meta.kind === "smooth");
              const {xaxis, yaxis} = plot._fullLayout;
              const {left, top} = plot.getBoundingClientRect();
              const [x, y] = [trace.x[number], trace.y[number]];
              return [x, left + xaxis._offset + xaxis.d2p(x), top + yaxis._offset + yaxis.d2p(y)];
            }""",
            [run, number],
        )
        return tuple(found)

    def _note(self, message: ConsoleMessage) -> None:
        # Streamlit first looks for its server below the address of the page.
        if message.type == "error" and "404" not in message.text:
            self.problems.append(message.text)


@pytest.fixture
def curves(server: Dashboard, browser: Browser) -> Iterator[Curves]:
    page = Curves(server, browser)
    yield page
    page.close()


def log_more(server: Dashboard, steps: range) -> None:
    """The live run goes on."""
    with (server.home / "jobs/live/metrics.jsonl").open("a") as file:
        for step in steps:
            row = {"loss": 1.0, "step": step, "time": BEGAN + step, "epoch": step / STEPS}
            file.write(json.dumps(row) + "\n")


def test_points_arrive_while_the_zoom_stays_and_its_detail_is_loaded(curves: Curves) -> None:
    curves.open()
    shown, total = curves.num_points()
    assert shown < total / 3
    log_more(curves.server, range(STEPS + 1, STEPS + 51))
    expect(curves.footnote).not_to_contain_text(str(total), timeout=15_000)
    assert curves.num_points()[1] == total + 50

    curves.zoom(0.4, 0.5)
    expect(curves.footnote).not_to_contain_text(str(total + 50))
    shown, inside = curves.num_points()
    assert shown == inside < total / 3, "all points of the range are drawn"
    zoomed = curves.shown_range()
    log_more(curves.server, range(STEPS + 51, STEPS + 101))
    curves.wait_for_refreshes(2)
    assert curves.shown_range() == zoomed
    curves.page.get_by_role("button", name="Reset", exact=True).click()
    expect(curves.page).not_to_have_url(re.compile("zoom="))
    expect(curves.footnote).to_contain_text(str(total + 100))


def test_the_address_gives_the_same_view_to_somebody_else(
    curves: Curves, server: Dashboard, browser: Browser
) -> None:
    curves.open(f"/curves?run={run_id(server.home / 'jobs/first')}&metric=loss&log=1&smooth=0.9")
    curves.page.get_by_role("radio", name="Epoch").click(force=True)
    expect(curves.page).to_have_url(re.compile("axis=epoch"))
    curves.page.wait_for_function("document.querySelector('.curve-plot').layout.xaxis.range[1] < 2")
    curves.zoom(0.3, 0.6)
    expect(curves.page).to_have_url(re.compile("zoom="))
    other = Curves(server, browser, locale="zh-CN")
    other.open(curves.page.url.removeprefix(server.url))
    expect(other.page.get_by_role("heading", name="曲线")).to_be_visible()
    end = time.monotonic() + 20.0  # in which the detail of the range has come to both
    while seen(other) != seen(curves) and time.monotonic() < end:
        other.page.wait_for_timeout(200)
    assert seen(other) == seen(curves)
    other.close()


def seen(curves: Curves) -> list[Any]:
    """What is drawn, and how many points of how many; the sentence has another order in Chinese."""
    look = (
        "plot => [plot.layout.yaxis.type, ...plot.card.traces.map(({x, y, meta}) => [meta.kind, ...x, ...y])]"
    )
    return [curves.shown_range(), sorted(curves.num_points()), curves.plot.evaluate(look)]


def test_a_mark_is_put_on_the_step_of_the_point_that_was_clicked(curves: Curves, server: Dashboard) -> None:
    run = run_id(server.home / "jobs/second")
    curves.open(f"/curves?run={run}&axis=epoch&metric=loss")
    epoch, x, y = curves.place_of(run, 100)
    curves.page.mouse.click(x, y)
    step = curves.page.get_by_role("spinbutton", name="Step")
    expect(step).to_have_value(re.compile(r"^\d+$"))
    clicked = int(step.input_value())
    assert clicked == pytest.approx(epoch * STEPS, abs=STEPS / 200), "a pixel or two"
    curves.page.get_by_role("textbox", name="Mark", exact=True).fill("<b>rate</b> lowered")
    curves.page.get_by_role("button", name="Add the mark").click()
    expect(curves.page.get_by_text("<b>rate</b> lowered")).to_be_visible()
    [mark] = Remarks(server.home / "curves/remarks").of(run).marks
    assert mark.step == clicked
    drawn = "plot => plot.card.traces.filter(({meta}) => meta.kind === 'note').map(({x}) => x[0])"
    curves.page.wait_for_function(f"({drawn})(document.querySelector('.curve-plot')).length > 0")
    assert curves.plot.evaluate(drawn)[0] == pytest.approx(clicked / STEPS, abs=3 / STEPS)


def test_a_table_is_what_is_drawn_after_a_zoom(curves: Curves, server: Dashboard, tmp_path: Path) -> None:
    run = run_id(server.home / "jobs/first")
    curves.open(f"/curves?run={run}&metric=loss")
    curves.page.get_by_role("tab", name="Export").click()
    expect(curves.page.get_by_role("button", name="CSV of what is drawn")).to_be_visible()
    before = curves.num_points()
    curves.zoom(0.4, 0.5)
    expect(curves.footnote).not_to_contain_text(str(before[1]))
    drawn = curves.plot.evaluate(
        "plot => plot.card.traces.filter(({meta}) => meta.kind === 'smooth').map(({x, y}) => [...x, ...y])[0]"
    )
    with curves.page.expect_download() as download:
        curves.page.get_by_role("button", name="CSV of what is drawn").click()
    download.value.save_as(tmp_path / "shown.csv")
    with (tmp_path / "shown.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "loss"]
    assert len(rows) == len(drawn) / 2 < before[0]
    assert [float(row["x"]) for row in rows] == drawn[: len(rows)]
    assert [float(row["smoothed"]) for row in rows] == pytest.approx(drawn[len(rows) :], rel=1e-6)


def test_an_alert_on_the_first_page_leads_to_the_curves_of_its_run(curves: Curves, server: Dashboard) -> None:
    run = run_id(server.home / "jobs/second")
    book = AlertBook(server.home / "curves")
    note = Note("loss became NaN at step {step}.", {"step": 30})
    curves.page.goto(server.url)
    expect(curves.page.get_by_role("heading", name="GLM dashboard")).to_be_visible()
    book.add(FiredAlert(run, "second", "nan", note, 30.0, time.time(), AlertAction.NONE))
    alert = curves.page.get_by_test_id("stAlert").filter(has_text="loss became NaN at step 30.")
    expect(alert).to_be_visible(timeout=15_000)  # without a reload
    curves.page.get_by_test_id("stMain").get_by_role("link", name="Curves").click()
    curves.wait()
    expect(curves.page).to_have_url(re.compile(f"/curves\\?run={run}$"))
    assert curves.plot.evaluate("plot => [...new Set(plot.card.traces.map(({meta}) => meta.run))]") == [run]
    curves.page.get_by_role("button", name="Put aside").first.click()
    expect(alert).to_have_count(0)
    assert book.fired()[0].is_dismissed
