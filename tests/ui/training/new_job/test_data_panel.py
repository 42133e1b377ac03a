"""Data of a new job on the page: uploaded, chosen, its columns corrected, its rows leafed through."""

import json
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from glmcore.jobs.data_files import SHIPPED, DataFiles
from glmcore.ui.text import LANGUAGE_KEY
from glmcore.ui.training.new_job.draft import STATE_KEY, Draft
from glmcore.ui.training.new_job.resources import data_preview
from tests.ui.visits import Server


def draw() -> None:
    import streamlit as st

    from glmcore.jobs.confinement import outside_problems
    from glmcore.ui.services import services
    from glmcore.ui.training.new_job.data_panel import show_data
    from glmcore.ui.training.new_job.draft import draft, fill
    from glmcore.ui.training.new_job.fields import by_field

    if "filled_with" in st.session_state:
        fill(st.session_state.pop("filled_with"), name="")
    problems = draft().to_config(lambda job: outside_problems(job, services().settings))[1]
    show_data(services(), draft(), by_field(problems))


class Panel:
    """One browser tab with the data panel in it."""

    def __init__(self, server: Server) -> None:
        data_preview.clear()
        self.files = DataFiles(server.services.settings)
        self.at = AppTest.from_function(draw, default_timeout=20).run()

    @property
    def draft(self) -> Draft:
        return self.at.session_state[STATE_KEY]

    def upload(self, name: str, content: bytes) -> "Panel":
        self.at.file_uploader(key="new_job_upload_train_file").upload(name, content, "text/plain").run()
        return self

    def choose(self, name: str, value: object) -> "Panel":
        self.at.selectbox(key=self.draft.key(name)).set_value(value).run()
        return self

    def set(self, **values: object) -> "Panel":
        self.draft.set(**values)
        self.at.run()
        return self

    def fill(self, **values: object) -> None:
        """As a template does."""
        self.at.session_state["filled_with"] = values
        self.at.run()

    def click(self, key: str) -> "Panel":
        self.at.button(key=f"new_job_{key}").click().run()
        return self

    def has_own(self, value: bool) -> None:
        """Whether rows to evaluate on are in a file of their own."""
        self.at.button_group(key=self.draft.key("has_validation_file")).set_value(value).run()

    def table(self):
        return self.at.dataframe[0].value

    def says(self, part: str) -> bool:
        assert not self.at.exception
        kinds = (self.at.caption, self.at.error, self.at.warning, self.at.markdown, self.at.expander)
        texts = [str(getattr(one, "value", "") or one.label) for kind in kinds for one in kind]
        return any(part in text.replace("\\", "") for text in texts)


@pytest.fixture
def panel(server: Server) -> Panel:
    return Panel(server)


def lines(*rows: object) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def test_without_data_there_are_files_to_choose_from(panel: Panel) -> None:
    chooser = panel.at.selectbox(key=panel.draft.key("train_file"))
    assert [label.split(" ")[0] for label in chooser.options][2] == "demo/train.jsonl"
    assert not chooser.value and not panel.at.dataframe
    panel.choose("train_file", str(SHIPPED / "train.jsonl"))
    assert panel.draft.values["train_file"] == SHIPPED / "train.jsonl"
    assert panel.says("1–10 of 200 rows") and panel.says("Questions from prompt, answers from response")
    assert len(panel.table()) == 10 and list(panel.table().columns) == ["prompt", "response"]


def test_an_upload_is_kept_and_used(panel: Panel) -> None:
    panel.draft.set(prompt_column="of another file")
    panel.upload("letters.jsonl", lines({"question": "<script>alert(1)</script>", "answer": "**b**"}))
    path = panel.files.uploads / "letters.jsonl"
    assert panel.draft.values["train_file"] == path and path.exists()
    assert panel.draft.values["prompt_column"] is None
    assert panel.table()["question"].tolist() == ["<script>alert(1)</script>"]
    assert panel.at.selectbox(key=panel.draft.key("train_file")).value == str(path)
    assert panel.says("1–1 of one row")


def test_a_broken_upload_is_refused_and_changes_nothing(panel: Panel) -> None:
    panel.upload("letters.jsonl", b'{"question": \n')
    assert panel.says("letters.jsonl, line 1") and panel.draft.values["train_file"] is None
    panel.upload("letters.jsonl", lines({"question": "a", "answer": "b"}))
    assert not panel.at.error and panel.draft.values["train_file"] is not None


def test_a_chinese_file_is_read_in_its_encoding(panel: Panel) -> None:
    text = "问题,回答\n你好,世界\n".encode("gb18030")
    panel.upload("rows.csv", text)
    assert panel.draft.values["encoding"] == "gb18030"
    assert panel.table()["问题"].tolist() == ["你好"] and panel.says("Questions from 问题, answers from 回答")
    panel.choose("encoding", "utf-8")
    assert panel.says("byte 1 is not utf-8") and not panel.at.dataframe
    panel.click("likely_encoding")
    assert panel.draft.values["encoding"] == "gb18030" and panel.at.dataframe


def test_columns_are_found_and_can_be_corrected(panel: Panel) -> None:
    panel.upload("rows.jsonl", lines({"prompt": "a", "letter": "b", "label": "c"}))
    assert panel.says("none is known as response") and panel.says("Which column is what")
    panel.choose("prompt_column", "letter").choose("response_column", "label")
    assert panel.at.selectbox(key=panel.draft.key("prompt_column")).options[0] == "by its name"
    assert panel.says("Questions from letter, answers from label") and not panel.at.warning
    panel.choose("prompt_column", "")
    assert panel.draft.values["prompt_column"] is None
    assert panel.says("Questions from prompt, answers from label")
    assert panel.at.selectbox(key=panel.draft.key("prompt_column")).options[0] == "by its name: prompt"


def test_conversations_are_known(panel: Panel) -> None:
    panel.upload("rows.jsonl", lines({"messages": [{"role": "user", "content": "a"}]}))
    assert panel.says("Conversations from messages")


def test_a_column_that_is_not_there_any_more_stays_to_be_seen(panel: Panel) -> None:
    panel.upload("rows.jsonl", lines({"prompt": "a", "response": "b"}))
    panel.set(prompt_column="gone")
    assert (
        panel.says("no column 'gone'")
        and panel.at.selectbox(key=panel.draft.key("prompt_column")).value == "gone"
    )


def test_rows_are_leafed_through(panel: Panel) -> None:
    panel.upload("rows.jsonl", lines(*({"prompt": f"q{n}", "response": "a"} for n in range(25))))
    assert panel.at.button(key="new_job_rows_back").disabled
    panel.click("rows_next").click("rows_next")
    assert panel.table()["prompt"].tolist() == [f"q{n}" for n in range(20, 25)]
    assert panel.table().index.tolist() == list(range(21, 26))
    assert panel.says("21–25 of 25 rows") and panel.at.button(key="new_job_rows_next").disabled
    panel.click("rows_back")
    assert panel.says("11–20 of 25 rows")
    panel.upload("more.jsonl", lines({"prompt": "new", "response": "a"}))
    assert panel.says("1–1 of one row")


def test_rows_of_other_files_are_not_shown(panel: Panel, tmp_path: Path) -> None:
    path = tmp_path / "secret.csv"
    path.write_text("prompt,response\nkey,12345\n")
    panel.set(train_file=str(path))
    assert panel.says("not among the data sets") and not panel.at.dataframe
    said = [one.value for one in panel.at.markdown]
    path.unlink()
    panel.draft.set(validation_share=0.1)
    panel.at.run()
    assert said == [one.value for one in panel.at.markdown]  # nor whether they are there


def test_validation_is_a_share_or_a_file(panel: Panel) -> None:
    assert panel.at.number_input(key="new_job_validation_share").value == 0.05
    panel.has_own(True)
    panel.choose("validation_file", str(SHIPPED / "validation.jsonl"))
    assert panel.draft.values["validation_file"] == SHIPPED / "validation.jsonl"
    panel.has_own(False)
    assert panel.draft.values["validation_file"] is None


def test_a_template_with_a_validation_file_shows_it(panel: Panel) -> None:
    shown = str(SHIPPED / "validation.jsonl")
    panel.fill(validation_file=shown)
    assert panel.at.selectbox(key=panel.draft.key("validation_file")).value == shown
    panel.fill()
    assert panel.at.button_group(key=panel.draft.key("has_validation_file")).value is False


def test_the_wish_for_a_file_of_their_own_outlives_another_list_of_files(panel: Panel) -> None:
    panel.has_own(True)
    panel.upload("rows.jsonl", lines({"prompt": "a", "response": "b"}))
    assert panel.at.button_group(key=panel.draft.key("has_validation_file")).value is True


def test_a_widget_that_offers_something_else_is_another_one(panel: Panel) -> None:
    """The browser would send the label of what it shows, which is no column of the next file."""
    panel.upload("rows.jsonl", lines({"prompt": "a", "response": "b"}))
    before = {box.key: box.options for box in panel.at.selectbox}
    panel.upload("more.jsonl", lines({"question": "a", "answer": "b"}))
    after = {box.key: box.options for box in panel.at.selectbox}
    panel.at.session_state[LANGUAGE_KEY] = "zh"
    panel.at.run()
    chinese = {box.key: box.options for box in panel.at.selectbox}
    assert len(chinese) == len(after) == len(before) > 5
    assert all(before[key] == after[key] for key in before.keys() & after.keys())
    assert all(after[key] == chinese[key] for key in after.keys() & chinese.keys())


def test_what_is_wrong_with_the_data_stands_at_its_field(panel: Panel) -> None:
    assert "train_file: no file is named" in panel.at.main.children[1].value.replace("\\", "")
    panel.set(validation_share=0)
    assert any("there are no rows to evaluate on" in one.value.replace("\\", "") for one in panel.at.markdown)
