"""The chat page in a real browser: how much of the engine's rate is seen, and what reruns and bytes cost."""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.report import Measurement, alternate
from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.core.settings import EMBEDDED_MODEL, load_settings
from glmcore.history import HistoryStore, open_history
from tests.e2e.conftest import BROWSER_ARGUMENTS, CHROMIUM
from tests.e2e.dashboard import Dashboard, make_home

QUESTION = "Write a very long story about a dog and a cat who travel around the world."
# A click on the open conversation reruns the page and changes nothing; gives the milliseconds until drawn.
RERUN = """() => new Promise(resolve => {
  const app = document.querySelector("[data-testid=stApp]");
  const button = document.querySelector("[data-testid=stSidebar] [class*='st-key-open_'] button");
  const began = performance.now();
  let started = false;
  new MutationObserver((_, observer) => {
    const running = app.dataset.testScriptState === "running";
    if (running) started = true;
    if (started && !running) {
      observer.disconnect();
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now() - began)));
    }
  }).observe(app, {attributes: true, attributeFilter: ["data-test-script-state"]});
  button.click();
})"""


def measure() -> Iterator[Measurement]:
    from playwright.sync_api import sync_playwright

    folder = Path(tempfile.mkdtemp())
    home = make_home(folder / "home", load_settings().home.resolve())
    history = open_history(f"sqlite:///{home / 'glmcore.db'}")
    dashboard = Dashboard(home)
    dashboard.start()
    try:
        dashboard.wait_until_ready()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_ARGUMENTS)
            page = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US").new_page()
            page.set_default_timeout(120_000)
            yield from _streaming(page, dashboard, history)
            yield _reruns(page, dashboard, history)
    finally:
        dashboard.stop()
        history.close()
        shutil.rmtree(folder)


def _streaming(page: Any, dashboard: Dashboard, history: HistoryStore) -> Iterator[Measurement]:
    sizes: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: sizes.append(len(data))))
    bytes_per_token = {}
    for new_tokens in (128, 512):
        params = GenerationParams(temperature=1.0, top_p=1.0, max_new_tokens=new_tokens)
        conversation = history.conversations.create("local", model=EMBEDDED_MODEL, params=params)
        page.goto(f"{dashboard.url}/chat?c={conversation.id}")
        page.get_by_test_id("stChatInputTextArea").fill(QUESTION)
        page.wait_for_timeout(1000)
        sizes.clear()
        page.keyboard.press("Enter")
        seen_seconds = _watch(page)
        facts = history.messages.path("local", conversation.id)[-1].message.facts
        assert facts is not None and facts.tokens_per_second is not None
        bytes_per_token[facts.completion_tokens] = sum(sizes) / facts.completion_tokens
        seen = facts.completion_tokens / seen_seconds
        detail = (
            f"{seen:.1f} against {facts.tokens_per_second:.1f} tokens/s, {facts.completion_tokens} tokens"
        )
        yield Measurement(
            "tokens seen in a browser / engine", seen / facts.tokens_per_second, detail, at_least=0.9
        )
    (short, small), (long, large) = sorted(bytes_per_token.items())
    detail = f"{small:.0f} bytes/token for {short}, {large:.0f} for {long} tokens"
    yield Measurement("bytes per token, long answer / short answer", large / small, detail, at_most=1.3)


def _watch(page: Any) -> float:
    """Seconds from the first text seen to the last."""
    answer = page.get_by_test_id("stChatMessage").nth(1)
    answer.get_by_test_id("stMarkdown").first.wait_for()
    began = time.perf_counter()
    page.get_by_text(re.compile(r"tokens/s ·")).wait_for()
    return time.perf_counter() - began


def _reruns(page: Any, dashboard: Dashboard, history: HistoryStore) -> Measurement:
    addresses = [f"{dashboard.url}/chat?c={_fill(history, messages)}" for messages in (500, 5)]

    def rerun(address: str) -> float:
        page.goto(address)
        page.get_by_test_id("stChatMessage").first.wait_for()
        page.wait_for_timeout(1500)
        return median(page.evaluate(RERUN) for _ in range(5))

    long, short = alternate(3, lambda: rerun(addresses[0]), lambda: rerun(addresses[1]))
    detail = f"{long:.0f} against {short:.0f} ms in the browser"
    return Measurement("rerun with 500 messages / with 5", long / short, detail, at_most=2.0)


def _fill(history: HistoryStore, num_messages: int) -> str:
    """A conversation of so many messages of a usual length."""
    conversation = history.conversations.create("local", model=EMBEDDED_MODEL)
    params = GenerationParams()
    facts = AnswerFacts(model=EMBEDDED_MODEL, stop_reason=StopReason.END, params=params, completion_tokens=80)
    parent = None
    for number in range(num_messages):
        if number % 2 == 0:
            parent = history.messages.add_question("local", conversation.id, parent, f"Question {number}?").id
        else:
            text = (
                f"Answer {number}. " + "It has **some** Markdown, `code` and a list.\n\n- one\n- two\n\n" * 3
            )
            parent = history.messages.start_answer("local", conversation.id, parent).id
            history.messages.finish_answer("local", parent, text, facts)
    return conversation.id
