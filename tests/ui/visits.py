"""The dashboard in this process: the real services on a fresh SQLite file around a fake engine.

A visit to it is one browser tab as Streamlit's AppTest plays it: it sees a page when its run has ended.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.components.v2.component_manager import BidiComponentManager
from streamlit.testing.v1 import AppTest

from glmcore.chat import model_host
from glmcore.core.messages import AnswerFacts, ChatRequest, GenerationParams, StopReason
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.history import Conversation, StoredMessage
from glmcore.server import services as server_services
from glmcore.ui import services as services_module
from tests.fakes import FakeEngine
from tests.sources import ROOT

OWNER = "local"
CHAT_PAGE, OVERVIEW_PAGE = ROOT / "pages/chat.py", ROOT / "pages/overview.py"


class Server:
    """The services, with the engine that every model gets."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.build: Callable[..., FakeEngine] = lambda entry, settings, progress: self.engine
        self.attach: Callable[..., FakeEngine] = lambda base, adapter, settings: self.engine

    @property
    def services(self) -> services_module.Services:
        return services_module.services()

    @property
    def requests(self) -> list[ChatRequest]:
        return self.engine.requests

    def load_model(self, name: str = EMBEDDED_MODEL) -> None:
        self.services.models.engine(name)

    def wait_for_answers(self) -> None:
        deadline = time.monotonic() + 5
        while self.services.answers.num_running():
            assert time.monotonic() < deadline, "an answer does not end"
            time.sleep(0.002)

    # What is stored.

    def conversations(self) -> list[Conversation]:
        return self.services.history.conversations.list(OWNER)

    def path(self, conversation: Conversation | None = None) -> list[StoredMessage]:
        """The shown branch, of the latest conversation by default."""
        conversation = conversation or self.conversations()[0]
        return [entry.message for entry in self.services.history.messages.path(OWNER, conversation.id)]

    def texts(self, conversation: Conversation | None = None) -> list[str]:
        return [message.content for message in self.path(conversation)]

    def add_conversation(self, *turns: str, **values: object) -> Conversation:
        """A stored conversation of questions and answers in turn."""
        history = self.services.history
        conversation = history.conversations.create(OWNER, **{"model": EMBEDDED_MODEL, **values})
        parent = None
        for place, text in enumerate(turns):
            if place % 2:
                parent = self.add_answer(conversation, parent, text)
            else:
                parent = history.messages.add_question(OWNER, conversation.id, parent, text).id
        return history.conversations.get(OWNER, conversation.id)

    def add_answer(
        self, conversation: Conversation, parent: str, text: str, reason: StopReason = StopReason.END
    ) -> str:
        messages = self.services.history.messages
        facts = AnswerFacts(model=EMBEDDED_MODEL, stop_reason=reason, params=GenerationParams())
        answer_id = messages.start_answer(OWNER, conversation.id, parent).id
        messages.finish_answer(OWNER, answer_id, text, facts)
        return answer_id


class Visit:
    """One browser tab."""

    def __init__(
        self,
        server: Server,
        conversation: Conversation | None = None,
        *,
        page: str = "chat",
        locale: str = "en-US",
    ) -> None:
        self.server = server
        self.at = AppTest.from_file(ROOT / "glmcore/ui/router.py", default_timeout=20)
        self.at.context["locale"] = locale
        if conversation is not None:
            self.at.query_params["c"] = conversation.id
        self.at.run()
        if page == "chat":
            self.at.switch_page(CHAT_PAGE)
            if conversation is not None:
                self.at.query_params["c"] = conversation.id
            self.at.run()

    @property
    def conversation_id(self) -> str | None:
        return self.at.query_params.get("c")

    def settle(self) -> "Visit":
        """Wait until every answer is stored and draw the page once more."""
        self.server.wait_for_answers()
        self.at.run()
        return self

    def ask(self, text: str) -> "Visit":
        self.at.chat_input(key="question").set_value(text).run()
        return self.settle()

    def click(self, key: str) -> "Visit":
        self.at.button(key=key).click().run()
        return self.settle()

    def click_label(self, label: str) -> "Visit":
        next(button for button in self.at.button if button.label == label).click().run()
        return self.settle()

    def has(self, key: str) -> bool:
        return any(button.key == key for button in self.at.button)

    def set_slider(self, name: str, value: float) -> "Visit":
        self.at.slider(key=f"param_{name}").set_value(value).run()
        return self

    def shown(self) -> list[str]:
        """What the page says, in order of kinds, without the signs that keep names from being Markdown."""
        kinds = (self.at.title, self.at.subheader, self.at.markdown, self.at.text, self.at.caption)
        kinds += (self.at.error, self.at.warning, self.at.code)
        return [str(element.value).replace("\\", "") for kind in kinds for element in kind]

    def says(self, part: str) -> bool:
        return any(part in text for text in self.shown())

    def labels(self) -> list[str]:
        return [button.label.replace("\\", "") for button in self.at.button]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in [name for name in os.environ if name.startswith("GLMCORE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GLMCORE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)  # away from a developer's glmcore.toml
    monkeypatch.setattr(model_host, "_release_memory", lambda: None)  # imports torch
    # Each AppTest would look for components in every installed package, which takes longer than the page.
    monkeypatch.setattr(BidiComponentManager, "discover_and_register_components", lambda self, **_: None)
    running = Server()

    def host(settings):
        return model_host.ModelHost(
            settings,
            lambda *arguments: running.build(*arguments),
            lambda *arguments: running.attach(*arguments),
        )

    monkeypatch.setattr(server_services, "ModelHost", host)
    forget_services()
    yield running
    running.services.close()
    forget_services()


def forget_services() -> None:
    services_module.services.clear()
    services_module.settings.clear()
