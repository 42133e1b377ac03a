"""The two forms of the log."""

import json
import logging
from collections.abc import Iterator

import pytest

from glmcore.api.measures.log_form import OUR_LOGS, JsonForm, TextForm, configure_logging
from glmcore.api.measures.request_record import RequestRecord, current_request
from glmcore.core.settings import Settings


@pytest.fixture(autouse=True)
def loggers_put_back() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in OUR_LOGS]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture
def in_a_request() -> Iterator[None]:
    token = current_request.set(RequestRecord("r1"))
    yield
    current_request.reset(token)


def entry(message: str, fault: BaseException | None = None, **fields: object) -> logging.LogRecord:
    info = (type(fault), fault, None) if fault else None
    record = logging.LogRecord("glmcore.http", logging.INFO, "", 0, message, (), info)
    record.fields = fields
    return record


def test_json_is_one_object_per_line(in_a_request: None) -> None:
    line = JsonForm().format(entry("Zwei\nZeilen", status=200, text="问\u2028"))
    values = json.loads(line)
    assert values.pop("time").endswith("+00:00") and "\n" not in line and line.isascii()
    assert values == {
        "level": "info",
        "logger": "glmcore.http",
        "message": "Zwei\nZeilen",
        "request_id": "r1",
        "status": 200,
        "text": "问\u2028",
    }


def test_json_has_the_traceback() -> None:
    values = json.loads(JsonForm().format(entry("Failed", ValueError("a bug"))))
    assert "ValueError: a bug" in values["exception"] and "request_id" not in values


def test_text_is_for_people_and_no_value_begins_a_line(in_a_request: None) -> None:
    line = TextForm().format(entry("GET / 200", user="Zoë\nroot", status=200))
    assert line.endswith(' INFO glmcore.http [r1]: GET / 200 user="Zoë\\nroot" status=200')


def test_text_has_the_traceback() -> None:
    assert TextForm().format(entry("Failed", ValueError("a bug"))).endswith("\nValueError: a bug")


def test_the_settings_choose_and_a_second_call_replaces(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(Settings())
    configure_logging(Settings(log_format="json"))
    logging.getLogger("glmcore.test").info("said once")
    logging.getLogger("uvicorn").info("said by uvicorn")  # servers of other tests have changed those below it
    first, second = capsys.readouterr().err.splitlines()
    assert (json.loads(first)["message"], json.loads(second)["logger"]) == ("said once", "uvicorn")
