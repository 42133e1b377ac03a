"""Around every page: faults in one sentence, bugs under a number that the log knows."""

import logging
import re

import pytest

from glmcore.core.errors import StorageError
from glmcore.ui import chat_page, overview_page
from tests.ui.visits import Server, Visit


def test_bug_is_a_number_on_the_page_and_a_traceback_in_the_log(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(services: object) -> None:
        raise KeyError("secret detail")

    monkeypatch.setattr(overview_page, "show_models", fail)
    with caplog.at_level(logging.ERROR, "glmcore.ui"):
        visit = Visit(server, page="overview")
    said = visit.at.error[0].value
    number = re.search(r"under number (\w{8})\.", said.replace("\\", ""))
    assert number is not None and "secret" not in said and not visit.at.exception
    logged = [record for record in caplog.records if number[1] in record.getMessage()]
    assert logged and logged[0].exc_info is not None


@pytest.mark.parametrize(("page", "module"), [("overview", overview_page), ("chat", chat_page)])
def test_services_that_cannot_be_had_are_said_and_asked_for_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, page: str, module: object
) -> None:
    calls = []

    def services():
        calls.append(1)
        if len(calls) <= (2 if page == "chat" else 1):
            raise StorageError("{place} is locked.", place="the_db")
        return server.services

    monkeypatch.setattr(module, "services", services)
    if page == "chat":
        calls.append(1)  # the chat page is run once
    visit = Visit(server, page=page)
    assert visit.says("the_db is locked.") and len(visit.at.error) == 1
    visit.at.run()
    assert not visit.at.error


def test_faulty_page_still_offers_the_language(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overview_page, "show_models", lambda services: 1 / 0)
    visit = Visit(server, page="overview")
    assert visit.at.segmented_control(key="language").value == "en"
    assert len(visit.at.error) == 1
