"""The view of usage as one reader sees it."""

import time
from datetime import date

from streamlit.testing.v1 import AppTest

from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history.usage import record
from glmcore.ui.history.usage_days import Counts
from glmcore.ui.history.usage_view import daily_csv
from tests.ui.visits import OWNER, Server


def _main() -> None:
    import streamlit as st

    from glmcore.ui.history import usage_view
    from glmcore.ui.services import services
    from glmcore.ui.session import CHAT_PAGE

    def usage() -> None:
        usage_view.show(services())

    st.navigation([st.Page(usage, default=True), st.Page(CHAT_PAGE)]).run()


def open_view() -> AppTest:
    at = AppTest.from_function(_main, default_timeout=20)
    at.run()
    assert not at.exception, at.exception
    return at


def add_answers(server: Server, model: str, days_ago: float = 0.0, count: int = 1) -> None:
    facts = AnswerFacts(
        model=model,
        stop_reason=StopReason.END,
        params=GenerationParams(),
        prompt_tokens=20,
        completion_tokens=1000,
        seconds=90.0,
    )
    with server.services.history.database.writing() as connection:
        for _number in range(count):
            record(connection, OWNER, "a conversation", facts, time.time() - days_ago * 86400)


def test_without_answers_it_leads_to_the_chat(server: Server) -> None:
    at = open_view()
    assert "Nothing was answered" in at.info[0].value
    assert not at.metric


def test_totals_charts_and_table_tell_the_same(server: Server) -> None:
    add_answers(server, "<b>glm</b>", count=2)
    add_answers(server, "tiny", days_ago=3)
    add_answers(server, "old", days_ago=60)
    at = open_view()
    assert [metric.value for metric in at.metric][1:4] == ["3", "60", "3,000"]
    table = at.dataframe[0].value
    assert list(table["model"]) == ["<b>glm</b>", "tiny"] and list(table["answers"]) == [2, 1]
    assert len(at.get("plotly_chart")) == 4
    assert "&lt;b&gt;glm" in at.get("plotly_chart")[0].proto.spec.replace("\\u003c", "<")
    at.segmented_control(key="usage_period").set_value(0).run()
    assert at.metric[1].value == "4" and not at.exception
    add_answers(server, "old", days_ago=300)
    at.run()
    assert any("Monday" in caption.value for caption in at.caption)


def test_a_table_to_take_along_holds_no_formula() -> None:
    days = {date(2026, 11, 22): {("=cmd", "中文"): Counts(1, 2, 3, 4, 5.0)}}
    assert daily_csv(days).splitlines()[1] == "2026-11-22,'=cmd,中文,1,2,3,4,5.0"
