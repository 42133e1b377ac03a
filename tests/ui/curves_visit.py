"""The curves page as one reader sees it, and what stands on it."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.sources import ROOT
from tests.ui.training_runs import write_run
from tests.ui.visits import Server

CURVES = str(ROOT / "pages/curves.py")


def open_page(locale: str = "en-US", **query: str | list[str]) -> AppTest:
    at = AppTest.from_file(ROOT / "glmcore/ui/router.py", default_timeout=20)
    at.context["locale"] = locale
    at.run()
    at.switch_page(CURVES)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    assert not at.exception and not at.error, [*at.exception, *at.error]
    return at


def jobs(server: Server) -> Path:
    return server.services.settings.jobs_dir


def table(at: AppTest) -> list[dict]:
    return at.dataframe[0].value.to_dict("records")


def said(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.info, at.warning, at.code)
    return "\n".join(str(one.value).replace("\\", "") for kind in kinds for one in kind)


def click(at: AppTest, label: str) -> None:
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception and not at.error, [*at.exception, *at.error]


@pytest.fixture
def two_runs(server: Server) -> Server:
    write_run(jobs(server) / "first", rate=1e-3)
    write_run(jobs(server) / "second", rate=2e-3, seed=2)
    return server
