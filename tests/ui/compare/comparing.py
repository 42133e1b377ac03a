"""A visit to the comparison: a base that answers one thing, and an adapter that answers another."""

import json
from pathlib import Path

from streamlit.testing.v1 import AppTest

from glmcore.core.settings import EMBEDDED_MODEL
from tests.fakes import FakeEngine
from tests.sources import ROOT
from tests.ui.visits import Server, Visit

COMPARE_PAGE = ROOT / "pages/compare.py"
ADAPTER = "jobs/demo/checkpoints/checkpoint-100"


def add_checkpoint(server: Server, job: str = "demo", step: int = 100, *, kind: str = "adapter") -> Path:
    """A finished checkpoint of a job, an adapter or a model of its own."""
    folder = Path(server.services.settings.jobs_dir) / job / "checkpoints" / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    if kind == "adapter":
        config = {"peft_type": "LORA", "base_model_name_or_path": EMBEDDED_MODEL}
        (folder / "adapter_config.json").write_text(json.dumps(config))
    else:
        (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "complete.json").write_text("{}")
    return folder


class Comparison(Visit):
    """One browser tab on the page."""

    def __init__(self, server: Server, locale: str = "en-US", **address: str) -> None:
        self.server = server
        self.at = AppTest.from_file(ROOT / "glmcore/ui/router.py", default_timeout=20)
        self.at.context["locale"] = locale
        self.at.switch_page(COMPARE_PAGE)
        for name, value in address.items():
            self.at.query_params[name] = value
        self.at.run()

    @property
    def address(self) -> dict[str, str]:
        return dict(self.at.query_params.items())

    def send(self, text: str) -> "Comparison":
        self.at.chat_input(key="compare_question").set_value(text).run()
        return self

    def ask(self, text: str) -> "Comparison":
        self.send(text).settle()
        return self

    def choose(self, key: str, value: str) -> "Comparison":
        self.at.selectbox(key=f"compare_{key}").set_value(value).run()
        return self

    @property
    def can_ask(self) -> bool:
        return not self.at.chat_input(key="compare_question").disabled

    @property
    def drafted(self) -> str:
        return self.at.chat_input(key="compare_question").proto.value

    def texts(self) -> list[list[str]]:
        """What is stored on the left and on the right."""
        history = self.server.services.history
        ids = [self.address["base"], self.address["tuned"]]
        return [self.server.texts(history.conversations.get("local", one)) for one in ids]


def two_engines(server: Server, left: FakeEngine, right: FakeEngine) -> None:
    """One for the base, the other for what is attached to it."""
    server.engine = left
    server.attach = lambda base, adapter, settings: right


def compared(server: Server, **address: str) -> Comparison:
    """The page with the base on the left and an adapter on the right, each with answers of its own."""
    add_checkpoint(server)
    two_engines(server, FakeEngine(["From the base."]), FakeEngine(["From the tuned."]))
    return Comparison(server, **{"adapter": ADAPTER, **address})
