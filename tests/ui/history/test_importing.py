"""A file on its way into the history, as one reader sees it."""

import json
import time

import pytest
from streamlit.testing.v1 import AppTest

from glmcore.ui.history.import_preview import problems_csv
from glmcore.ui.history.import_work import imports
from tests.ui.visits import OWNER, Server


def _main() -> None:
    from glmcore.ui.history import importing
    from glmcore.ui.services import services

    importing.show(services())


def share(text: str) -> str:
    turns = [{"from": "human", "value": text}, {"from": "gpt", "value": "answer"}]
    return json.dumps({"conversations": turns})


GOOD = share("first <script>") + "\n" + share("=second") + "\n"
BROKEN = GOOD + '{"conversations": 5}\n'


@pytest.fixture(autouse=True)
def forget_imports() -> None:
    imports.clear()


def open_view(**query: str) -> AppTest:
    at = AppTest.from_function(_main, default_timeout=20)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception, at.exception
    return at


def upload(at: AppTest, name: str, text: str) -> AppTest:
    at.file_uploader(key="import_upload").set_value((name, text.encode(), "application/json")).run()
    return settle(at)


def ticket_of(at: AppTest) -> str:
    value = at.query_params["import"]
    return value if isinstance(value, str) else value[0]


def settle(at: AppTest) -> AppTest:
    """Wait until nothing is read or imported, and draw once more."""
    work = imports().find(ticket_of(at))
    assert work is not None
    deadline = time.monotonic() + 10
    while work.state.stage.is_busy:
        assert time.monotonic() < deadline, "it does not end"
        time.sleep(0.002)
    at.run()
    assert not at.exception, at.exception
    return at


def press(at: AppTest, key: str) -> AppTest:
    at.button(key=key).click().run()
    assert not at.exception, at.exception
    return at


def titles(server: Server) -> set[str]:
    return {one.title for one in server.conversations()}


def test_a_file_is_shown_before_it_is_imported_and_tagged(server: Server) -> None:
    at = upload(open_view(), "chats.jsonl", GOOD)
    assert [metric.value for metric in at.metric] == ["ShareGPT", "2", "4", "0", "0"]
    assert "first \\<script\\>" in at.markdown[-1].value and titles(server) == set()
    at.text_input(key="import_tag").set_value("old chats")
    settle(press(at, "import_start"))
    assert at.success[0].value == "2 conversations were imported."
    assert titles(server) == {"first <script>", "=second"}
    assert server.services.history.tags.counts(OWNER) == {"old chats": 2}
    press(at, "import_another")
    assert "import" not in at.query_params and at.get("file_uploader")
    upload(at, "chats.jsonl", GOOD)
    assert at.metric[3].value == "2" and "here already" in at.info[0].value


def test_problems_are_told_by_line_and_the_rest_is_imported(server: Server) -> None:
    at = upload(open_view(), "chats.jsonl", BROKEN)
    assert list(at.dataframe[0].value["place"]) == ["line 3"]
    at.text_input(key="import_tag").set_value("x" * 41)
    press(at, "import_start")
    assert "41 characters" in at.error[0].value and titles(server) == set()
    at.text_input(key="import_tag").set_value("")
    ticket = ticket_of(at)
    settle(press(at, "import_start"))
    assert at.success[0].value.endswith("1 was left out.") and len(titles(server)) == 2
    again = open_view(**{"import": ticket})  # a reload
    assert again.success and not server.services.history.tags.counts(OWNER)


def test_what_is_no_history_is_said_in_a_sentence(server: Server) -> None:
    at = upload(open_view(), "chats.json", '{"a": 1}')
    assert "no conversation that can be imported" in at.error[0].value and not at.metric
    assert open_view(**{"import": "unknown"}).get("file_uploader")


def test_a_file_among_the_data_sets_is_read_where_it_lies(server: Server) -> None:
    folder = server.services.settings.home / "datasets" / "uploads"
    folder.mkdir(parents=True)
    (folder / "chats.jsonl").write_text(GOOD)
    (folder / "table.csv").write_text("a,b")
    at = open_view()
    [name] = at.selectbox(key="import_file").options
    assert name.startswith("uploads/chats.jsonl")
    at.selectbox(key="import_file").select_index(0).run()
    settle(press(at, "import_read"))
    assert at.metric[1].value == "2" and (folder / "chats.jsonl").exists()


def test_problems_to_take_along_hold_no_formula(server: Server) -> None:
    at = upload(open_view(), "chats.jsonl", GOOD + '{"=cmd()": 1}\n')
    work = imports().find(ticket_of(at))
    assert work is not None and work.state.preview is not None
    lines = problems_csv(work.state.preview.problems, "zh").splitlines()
    assert len(lines) == 2 and not lines[1].startswith("=")
