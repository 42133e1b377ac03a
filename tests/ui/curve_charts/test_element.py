"""What the charts' element sends to a browser, and what it believes of the answer."""

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from glmcore.api.assets import PLOTLY_URL
from glmcore.ui.curve_charts import LABELS, ChartsState, Picked, element


@dataclass(frozen=True)
class Chart:
    id: str = "loss"
    title: str = "<b>loss</b>"
    traces: list[dict[str, Any]] = field(default_factory=lambda: [{"x": {"dtype": "f8", "bdata": ""}}])
    layout: dict[str, Any] = field(default_factory=dict)
    revision: str = "1"


def page() -> None:
    from glmcore.ui.curve_charts import LABELS, show_charts
    from tests.ui.curve_charts.test_element import Chart

    show_charts(
        [Chart()],
        key="charts",
        labels={name: name.upper() for name in LABELS},
        x_range=(1.0, 2.5),
        height=260,
        is_date_axis=False,
        footnotes={"loss": ["All points."]},
    )


def test_a_message_holds_all_that_the_browser_needs() -> None:
    script = AppTest.from_function(page).run()
    assert not script.exception
    sent = script.get("bidi_component")[0].proto
    message = json.loads(sent.json)
    assert message["plotly"] == PLOTLY_URL and message["range"] == [1.0, 2.5]
    assert message["labels"] == {name: name.upper() for name in LABELS}
    assert message["known"] == {"number": 0, "width": None}
    (chart,) = message["charts"]
    assert (chart["title"], chart["revision"], chart["footnotes"]) == ("<b>loss</b>", "1", ["All points."])
    assert "export default function" in sent.js_content and not sent.isolate_styles


def test_a_zoomed_reader_is_understood() -> None:
    told = {"view": {"number": 3, "x_range": [10, 20.5], "width": 612}, "picked": None}
    assert element._parse_state(told) == ChartsState((10.0, 20.5), 612, None)


def test_a_picked_point_is_understood() -> None:
    told = {"picked": {"x": 5, "chart": "loss", "run": "a"}}
    assert element._parse_state(told) == ChartsState(picked=Picked(5.0, "loss", "a"))


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        {"view": "all"},
        {"view": {"x_range": [2, 1], "width": -5}},
        {"view": {"x_range": [1], "width": True}},
        {"view": {"x_range": ["1", "2"], "width": "600"}},
        {"view": {"x_range": [float("nan"), 1.0], "width": float("inf")}},
        {"view": {"x_range": [0, 10**400], "width": 10**400, "number": -1}},
        {"picked": {"x": 1.0, "chart": "loss"}},
        {"picked": {"x": None, "chart": "loss", "run": "a"}},
        {"picked": [1, 2, 3]},
    ],
)
def test_what_makes_no_sense_counts_as_not_said(told: Any) -> None:
    assert element._parse_state(told) == ChartsState()


def test_the_program_asks_no_other_host() -> None:
    program = "".join(path.read_text(encoding="utf-8") for path in element._FOLDER.glob("*.[jc]s*"))
    assert "import(" in program and "//" in program
    assert not [word for word in ("http:", "https:", "url(", "@import", "innerHTML +=") if word in program]
