"""An original ChatGLM2 folder and a P-tuning adapter of its own, chosen per question in a real browser."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from glmcore.core.messages import GenerationParams
from glmcore.history import open_history
from glmcore.models import Message
from tests.e2e.dashboard import Dashboard
from tests.models.reference import folder_of, loaded_model

pytestmark = pytest.mark.browser

MODEL = "chatglm2-6b"
QUESTION = "你好"
GREEDY = GenerationParams(temperature=0.0, max_new_tokens=24)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Dashboard]:
    shutil.copytree(folder_of(MODEL), tmp_path / "home" / "models" / MODEL)
    server = Dashboard(tmp_path / "home", GLMCORE_MODEL=MODEL, GLMCORE_DTYPE="float32")
    server.start()
    server.wait_until_ready()
    yield server
    server.stop()
    assert "Traceback" not in server.log.read_text(), server.log.read_text()[-3000:]


@pytest.fixture
def page(server: Dashboard, browser: Browser) -> Iterator[Page]:
    history = open_history(f"sqlite:///{server.home / 'glmcore.db'}")
    conversation = history.conversations.create("local", model=MODEL, params=GREEDY)
    history.close()
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.goto(f"{server.url}/chat?c={conversation.id}")
    yield page
    context.close()


def test_base_and_adapter_answer_in_turn(page: Page) -> None:
    adapters = page.get_by_role("combobox", name="Adapter")
    expect(adapters).to_have_value("No adapter")
    ask(page, QUESTION)
    expect(facts(page, f"{MODEL} · transformers · 24 tokens")).to_be_visible()
    expect(page.get_by_test_id("stChatMessage").last).to_contain_text(answer_of("full"))

    adapters.click()
    page.get_by_role("option").filter(has_text="prefix/checkpoint-3000").first.click()
    page.locator(".st-key-regenerate button").first.click()
    expect(facts(page, "checkpoint-3000 · transformers · 24 tokens")).to_be_visible()
    expect(page.get_by_test_id("stChatMessage").last).to_contain_text(answer_of("prefix"))


def ask(page: Page, question: str) -> None:
    page.get_by_test_id("stChatInputTextArea").fill(question)
    page.keyboard.press("Enter")


def facts(page: Page, text: str) -> Locator:
    return page.get_by_text(re.compile(re.escape(text))).last


def answer_of(form: str) -> str:
    """The beginning of the greedy answer that the library gives, up to what a page may show otherwise."""
    import torch

    loaded = loaded_model(MODEL, form)
    prompt = loaded.prompt_ids([Message("user", QUESTION)])
    found = loaded.model.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)
    text = loaded.clean_answer(loaded.decode(found[0, len(prompt) :].tolist()))
    return re.split(r"[\x00-\x1f\ufffd*_`#]", text)[0]
