"""The view "New job" as a visitor meets it: the real services, without the panels that other tests draw."""

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from glmcore.jobs.job import Job
from glmcore.ui.training.new_job import page
from glmcore.ui.training.new_job.draft import STATE_KEY, Draft
from tests.ui.visits import Server


def draw() -> None:
    import streamlit as st

    from glmcore.ui.services import services
    from glmcore.ui.training.new_job.page import show

    if st.query_params.get("view") == "new":
        show(services())


class Form:
    """One browser tab with the form in it."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(page, "show_check", lambda services, config, filled: None)
        monkeypatch.setattr(page, "show_data", lambda services, filled, problems: None)
        self.server = server
        self.rows = server.services.settings.home / "datasets" / "rows.jsonl"
        self.rows.parent.mkdir(exist_ok=True)
        self.rows.write_text('{"prompt": "q", "response": "a"}\n')
        self.at = AppTest.from_function(draw, default_timeout=20)
        self.at.query_params["view"] = "new"
        self.at.run()

    @property
    def draft(self) -> Draft:
        return self.at.session_state[STATE_KEY]

    @property
    def jobs(self) -> list[Job]:
        return self.server.services.jobs.queue.list()

    def set(self, **values: object) -> "Form":
        """As if the widgets were changed so."""
        self.draft.set(**values)
        self.at.run()
        return self

    def ready(self) -> "Form":
        """With data, so that it could start."""
        return self.set(train_file=str(self.rows))

    def leave_and_return(self) -> "Form":
        """By way of another view: Streamlit forgets the widgets that are not drawn."""
        for view in ("jobs", "new"):
            self.at.query_params["view"] = view
            self.at.run()
        return self

    def widget(self, name: str):  # of whatever kind
        pattern = re.compile(f"new_job_{name}(_\\d+)?")
        return next((one for one in self.at.main if pattern.fullmatch(getattr(one, "key", None) or "")), None)

    def choose(self, name: str, value: object) -> "Form":
        self.widget(name).set_value(value).run()
        return self

    def click(self, name: str) -> "Form":
        button = next(one for one in self.at.button if (one.key or "").startswith(f"new_job_{name}"))
        button.click().run()
        return self

    def button(self, name: str):
        return next((one for one in self.at.button if (one.key or "").startswith(f"new_job_{name}")), None)

    def says(self, part: str) -> bool:
        kinds = (self.at.markdown, self.at.caption, self.at.error, self.at.warning, self.at.info)
        kinds += (self.at.success, self.at.code)
        return any(part in str(one.value).replace("\\", "") for kind in kinds for one in kind)

    def add_template(self, name: str, *lines: str) -> Path:
        folder = self.server.services.settings.home / "templates"
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.yaml"
        path.write_text("\n".join([f"# About {name}.", "", *lines, ""]))
        return path
