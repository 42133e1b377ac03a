"""The live charts in a real browser: zoom and readout survive new data, and names from logs stay text."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, expect

from tests.e2e import dashboard
from tests.e2e.dashboard import ROOT, Dashboard

pytestmark = pytest.mark.browser

APP = Path(__file__).parent / "curve_charts_app"
HARMLESS_NAMES = {"<img src=x onerror=alert(1)>", '<a href="javascript:alert(2)">run</a>'}
READ = "plots => plots.filter(plot => plot.layout).map(plot => plot.layout.xaxis.range)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    folder = tmp_path_factory.mktemp("charts")
    (folder / ".streamlit").symlink_to(ROOT / ".streamlit")
    shutil.copy(APP / "app.py", folder / "Home.py")
    shutil.copy(APP / "page.py", folder)
    server = Dashboard(folder, PYTHONPATH=str(ROOT))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dashboard, "ROOT", folder)
        server.start()
    yield server
    server.stop()
    assert "Traceback" not in server.log.read_text(), server.log.read_text()[-3000:]


class Charts:
    """The page, and what went wrong on it."""

    def __init__(self, server: Dashboard, browser: Browser, **context: object) -> None:
        self.context = browser.new_context(**({"viewport": {"width": 1500, "height": 900}} | context))
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.hosts: set[str] = set()
        self._server = server
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        self.page.on(
            "request", lambda request: self.hosts.add(re.sub(r"^(\w+:/*[^/]*).*", r"\1", request.url))
        )

    def open(self, query: str = "") -> "Charts":
        self.page.goto(f"{self._server.url}/?{query}")
        expect(self.page.locator("[data-drawn]").first).to_be_visible(timeout=30_000)
        self.page.wait_for_function("document.querySelectorAll('[data-drawn]').length >= 2")
        self.page.wait_for_timeout(700)
        return self

    @property
    def plots(self) -> Locator:
        return self.page.locator(".curve-plot")

    @property
    def readouts(self) -> Locator:
        return self.page.locator(".curve-pointed .curve-readout")

    def told(self) -> list:
        """What Python knows: range, width, refreshes, the point picked last."""
        return json.loads(self.page.get_by_test_id("stText").last.inner_text())

    def ranges(self) -> list[list]:
        return self.plots.evaluate_all(READ)

    def at(self, plot: int, across: float, down: float = 0.5) -> tuple[float, float]:
        box = self.plots.nth(plot).bounding_box()
        assert box is not None
        return box["x"] + box["width"] * across, box["y"] + box["height"] * down

    def drag(self, plot: int, start: float, end: float) -> None:
        self.page.mouse.move(*self.at(plot, start))
        self.page.mouse.down()
        self.page.mouse.move(*self.at(plot, (start + end) / 2), steps=4)
        self.page.mouse.move(*self.at(plot, end), steps=4)
        self.page.mouse.up()

    def wait_for_refreshes(self, count: int) -> None:
        wanted = self.told()[2] + count
        deadline = time.monotonic() + 30
        while self.told()[2] < wanted and time.monotonic() < deadline:
            self.page.wait_for_timeout(100)
        assert self.told()[2] >= wanted

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(message.text)


@pytest.fixture
def charts(server: Dashboard, browser: Browser) -> Iterator[Charts]:
    page = Charts(server, browser)
    yield page
    page.context.close()
    assert not page.problems
    assert {host for host in page.hosts if not host.startswith(("blob:", "data:"))} == {server.url}


def test_zoom_is_shared_and_survives_new_data(charts: Charts) -> None:
    charts.open()
    charts.plots.nth(0).evaluate("plot => plot.querySelector('svg').mine = true")
    charts.drag(0, 0.3, 0.6)
    charts.wait_for_refreshes(4)
    low, high = charts.ranges()[0]
    assert 1500 < low < high < 6000
    assert charts.ranges()[1] == [low, high], "the other chart follows"
    assert charts.told()[0] == [low, high], "Python sends the detail of the range"
    assert charts.plots.nth(0).evaluate("plot => plot.querySelector('svg').mine"), "nodes are kept"
    charts.page.mouse.dblclick(*charts.at(1, 0.5))
    charts.wait_for_refreshes(3)
    assert charts.told()[0] is None
    assert charts.ranges()[0][0] <= 0 and charts.ranges()[0][1] >= 8000


def test_escape_shows_all_again(charts: Charts) -> None:
    charts.open()
    charts.drag(0, 0.3, 0.6)
    charts.wait_for_refreshes(2)
    assert charts.told()[0]
    charts.page.locator(".curve-card").nth(1).focus()
    charts.page.keyboard.press("Escape")
    charts.wait_for_refreshes(3)
    assert charts.told()[0] is None


def test_a_range_from_python_is_applied_at_first_and_can_be_left(charts: Charts) -> None:
    charts.open("range=[2000,3000]")
    assert charts.ranges()[:2] == [[2000, 3000]] * 2
    charts.drag(0, 0.4, 0.7)
    charts.wait_for_refreshes(3)
    low, high = charts.told()[0]
    assert 2000 < low < high < 3000 and charts.ranges()[1] == [low, high]


def test_readouts_of_all_charts_follow_the_pointer_and_new_data(charts: Charts) -> None:
    charts.open("smooth=1")
    charts.page.mouse.move(*charts.at(0, 0.5))
    expect(charts.readouts).to_have_count(4)
    rows = charts.readouts.nth(1).locator(".curve-row")
    expect(rows).to_have_count(5)
    values = [float(text) for text in rows.locator(".curve-value").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    before = charts.readouts.nth(0).locator(".curve-at").inner_text()
    charts.wait_for_refreshes(3)
    after = charts.readouts.nth(0).locator(".curve-at").inner_text()
    assert int(after.replace(",", "")) > int(before.replace(",", "")), "the axis grew below the pointer"
    charts.page.mouse.move(2, 2)
    expect(charts.readouts).to_have_count(0)


def test_keys_move_the_readout(charts: Charts) -> None:
    charts.open("still=1")
    charts.page.locator(".curve-card").nth(0).focus()
    charts.page.keyboard.press("ArrowRight")
    expect(charts.readouts).to_have_count(4)
    before = charts.readouts.nth(0).locator(".curve-at").inner_text()
    for _ in range(10):
        charts.page.keyboard.press("ArrowLeft")
    expect(charts.readouts.nth(0).locator(".curve-at")).not_to_have_text(before)


def test_a_click_on_a_curve_picks_its_point(charts: Charts) -> None:
    charts.open("still=1&smooth=1")
    charts.page.mouse.move(*charts.at(1, 0.5))
    dot = charts.page.locator(".curve-card").nth(1).locator(".curve-dot").first.bounding_box()
    assert dot is not None
    charts.page.mouse.click(dot["x"] + 4, dot["y"] + 4)
    expect(charts.page.get_by_test_id("stText").last).to_contain_text('"chart 1", "id 4"')
    assert 3000 < charts.told()[3][0] < 5000


def test_names_from_logs_stay_text(charts: Charts) -> None:
    charts.open("still=1")
    charts.page.mouse.move(*charts.at(0, 0.5))
    readout = charts.readouts.first
    for name in HARMLESS_NAMES:
        expect(readout.get_by_text(name, exact=True)).to_be_visible()
    expect(readout.get_by_text("a & b &lt;b&gt; <b>c</b>", exact=True)).to_be_visible()
    expect(charts.page.get_by_text("<img src=x onerror=alert(3)>", exact=True)).to_be_visible()
    with charts.page.expect_download() as saved:
        charts.page.get_by_role("button", name="the svg: <img").click()
    picture = Path(saved.value.path()).read_text(encoding="utf-8")
    shown = re.sub("<[^>]*>", "\n", picture).replace("&#60;", "<").replace("&#62;", ">").splitlines()
    assert "<img src=x onerror=alert(3)>" in shown, "the title of the picture"
    assert set(shown) >= HARMLESS_NAMES, "its legend"
    assert charts.page.locator(".curve-charts img, .curve-charts a").count() == 0
    assert not re.search(r"<(img|a|b)\b", picture)


def test_a_chart_is_saved_as_a_picture(charts: Charts) -> None:
    charts.open("still=1")
    with charts.page.expect_download() as saved:
        charts.page.get_by_role("button", name="the png: loss").click()
    assert saved.value.suggested_filename == "loss.png"
    content = Path(saved.value.path()).read_bytes()
    assert content.startswith(b"\x89PNG") and len(content) > 20_000


def test_a_chart_can_be_enlarged(charts: Charts) -> None:
    charts.open("still=1")
    before = charts.plots.nth(0).bounding_box()
    charts.page.get_by_role("button", name="the enlarge: loss").click()
    expect(charts.page.get_by_role("button", name="the shrink: loss")).to_be_visible()
    charts.page.wait_for_timeout(500)
    after = charts.plots.nth(0).locator("svg").first.bounding_box()
    assert before and after and after["height"] > 1.3 * before["height"]


def test_charts_out_of_sight_are_drawn_when_they_come_near(charts: Charts) -> None:
    charts.open("charts=60&still=1&points=50")
    drawn = charts.page.locator("[data-drawn]")
    assert 2 <= drawn.count() < 30
    charts.page.locator(".curve-card").last.scroll_into_view_if_needed()
    expect(charts.page.locator(".curve-card").last).to_have_attribute("data-drawn", "0 None")


def test_a_date_axis_tells_time_as_the_reader_has_it(server: Dashboard, browser: Browser) -> None:
    charts = Charts(server, browser, timezone_id="Asia/Shanghai").open("dates=1&still=1")
    first = 1_760_000_000_000  # 2025-10-09 16:53:20 in Shanghai
    charts.page.mouse.move(*charts.at(0, 0.11))
    assert re.match(r"2025-10-09 (1[6-9]|2[0-3]):", charts.readouts.first.locator(".curve-at").inner_text())
    charts.drag(0, 0.3, 0.6)
    charts.page.wait_for_timeout(1500)
    low, high = charts.told()[0]
    assert first + 1500 * 60_000 < low < high < first + 6000 * 60_000
    starts = charts.plots.evaluate_all(
        "plots => plots.map(plot => Date.parse(plot._fullLayout.xaxis.range[0]))"
    )
    assert [abs(start - low) < 1000 for start in starts] == [True] * 4 and not charts.problems
    charts.context.close()


def test_colours_follow_the_theme(charts: Charts) -> None:
    charts.open("still=1")
    text = charts.plots.nth(0).locator(".xtick text").first
    light = text.evaluate("node => getComputedStyle(node).fill")
    charts.page.emulate_media(color_scheme="dark")
    charts.page.wait_for_timeout(1500)
    dark = text.evaluate("node => getComputedStyle(node).fill")
    assert light == "rgb(29, 35, 48)" and dark == "rgb(228, 232, 240)"


def test_one_sentence_says_that_the_program_did_not_arrive(server: Dashboard, browser: Browser) -> None:
    charts = Charts(server, browser)
    charts.page.route("**/assets/**", lambda route: route.abort())
    charts.page.goto(server.url)
    expect(charts.page.get_by_role("alert").filter(has_text="the failed")).to_be_visible(timeout=30_000)
    charts.context.close()
