"""What a person does with the dashboard, in a real browser, answered by the real embedded model."""

import re
import signal
import time

import pytest
from playwright.sync_api import Browser, Page, expect

from glmcore.core.messages import GenerationParams
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.history import open_history
from tests.e2e.dashboard import Dashboard

pytestmark = pytest.mark.browser

LONG_QUESTION = "Explain in three paragraphs how a bicycle works."
# The other one is sometimes answered in three seconds, before a server can be killed in the middle of it.
ENDLESS_QUESTION = "Write a very long story about a dog and a cat who travel around the world."
# After its shutdown uvicorn ends itself with the signal that it got.
ENDED_BY_SIGTERM = (0, -signal.SIGTERM)
ANSWER_SECONDS = 120_000  # milliseconds; a shared machine can be slow


@pytest.fixture
def page(browser: Browser) -> Page:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    context.close()


def open_greedy_chat(dashboard: Dashboard, page: Page) -> None:
    """An empty conversation whose answers are short and always the same."""
    history = open_history(f"sqlite:///{dashboard.home / 'glmcore.db'}")
    params = GenerationParams(temperature=0.0, max_new_tokens=24)
    conversation = history.conversations.create("local", model=EMBEDDED_MODEL, params=params)
    history.close()
    page.goto(f"{dashboard.url}/chat?c={conversation.id}")


def ask(page: Page, question: str) -> None:
    page.get_by_test_id("stChatInputTextArea").fill(question)
    page.keyboard.press("Enter")


def last_answer(page: Page) -> str:
    """Its text alone: what stands below it, or while it is waited for, comes and goes."""
    message = page.get_by_test_id("stChatMessage").last
    blocks = message.locator("[data-testid=stMarkdown] [data-testid=stMarkdownContainer]").all_inner_texts()
    return " ".join(" ".join(blocks).split())


def wait_for_growth(page: Page, seen: int) -> int:
    """Wait until the last answer is longer than `seen` characters."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if len(last_answer(page)) > seen:
            return len(last_answer(page))
        time.sleep(0.05)
    raise AssertionError("no more text came")


def wait_until_answered(page: Page) -> None:
    expect(page.get_by_text(re.compile("· (complete|cut at the token limit)"))).to_be_visible(
        timeout=ANSWER_SECONDS
    )
    expect(stop_button(page)).to_have_count(0)


def stop_button(page: Page):
    return page.locator(".st-key-stop button")


def test_answer_streams_survives_reload_and_restart_and_another_is_stopped(dashboard: Dashboard, page: Page):
    # 1. The first page leads into the chat.
    page.goto(dashboard.url)
    expect(page.get_by_role("heading", name="GLM dashboard")).to_be_visible()
    expect(page.get_by_text("ready")).to_be_visible()
    page.get_by_role("button", name="Start a chat").click()

    # 2. Text arrives in several steps.
    ask(page, LONG_QUESTION)
    expect(page).to_have_url(re.compile(r"/chat\?c=\w+"))
    page.get_by_test_id("stChatMessage").nth(1).wait_for()
    length = wait_for_growth(page, 0)
    for _step in range(3):
        length = wait_for_growth(page, length)

    # 3. Reloaded in the middle, it goes on and ends.
    page.reload()
    expect(stop_button(page)).to_be_visible()
    wait_for_growth(page, length)
    expect(page.get_by_text(re.compile(r"\d+ tokens · first after"))).to_be_visible(timeout=ANSWER_SECONDS)
    expect(stop_button(page)).to_have_count(0)

    # 4. Another one is stopped; its text stays.
    page.locator(".st-key-new_chat button").click()
    expect(page.get_by_text("What would you like to know?")).to_be_visible()
    ask(page, "Tell me everything you know about the history of France, in many paragraphs.")
    page.get_by_test_id("stChatMessage").nth(1).wait_for()
    wait_for_growth(page, 40)
    stop_button(page).click()
    expect(page.get_by_text(re.compile(r"· stopped"))).to_be_visible()
    expect(stop_button(page)).to_have_count(0)
    kept = last_answer(page)
    assert len(kept) > 40

    # 5. Both are in the sidebar after the server was restarted.
    assert dashboard.stop() in ENDED_BY_SIGTERM
    dashboard.start()
    page.goto(dashboard.url + "/chat")
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_role("button", name=re.compile("Explain in three paragraphs"))).to_be_visible()
    sidebar.get_by_role("button", name=re.compile("Tell me everything")).click()
    expect(page.get_by_text(re.compile(r"· stopped"))).to_be_visible()
    assert last_answer(page) == kept


def test_killed_server_keeps_the_text_so_far_and_the_answer_can_be_continued(
    dashboard: Dashboard, page: Page
):
    page.goto(dashboard.url + "/chat")
    ask(page, ENDLESS_QUESTION)
    page.get_by_test_id("stChatMessage").nth(1).wait_for()
    wait_for_growth(page, 60)
    time.sleep(2.5)  # the text so far is stored about once a second
    dashboard.kill()

    history = open_history(f"sqlite:///{dashboard.home / 'glmcore.db'}")
    conversation = history.conversations.list("local")[0]
    stored = history.messages.path("local", conversation.id)[-1].message
    history.close()
    assert len(stored.content) > 20

    dashboard.start()
    dashboard.wait_until_ready()
    page.goto(f"{dashboard.url}/chat?c={conversation.id}")
    expect(page.get_by_text("Interrupted: the server ended")).to_be_visible()
    assert stored.content.split()[0].strip("*#") in last_answer(page)
    page.locator(".st-key-continue button").click()
    expect(stop_button(page)).to_be_visible()
    wait_for_growth(page, len(stored.content) + 20)
    stop_button(page).click()
    expect(page.get_by_text("2/2")).to_be_visible()


def test_versions_edits_and_titles(dashboard: Dashboard, page: Page):
    open_greedy_chat(dashboard, page)
    ask(page, "What is the capital of France?")
    wait_until_answered(page)
    assert "Paris" in last_answer(page)
    page.locator(".st-key-regenerate button").first.click()
    expect(page.get_by_text("2/2")).to_be_visible(timeout=ANSWER_SECONDS)
    wait_until_answered(page)

    page.locator("[class*='st-key-edit_'] button").first.click()
    page.get_by_label("Edit your question").fill("What is the capital of Spain?")
    page.get_by_role("button", name="Ask again").click()
    expect(page.get_by_test_id("stChatMessage").first).to_contain_text("Spain")
    expect(page.get_by_test_id("stChatMessage").first).to_contain_text("2/2")
    wait_until_answered(page)
    page.locator("[class*='st-key-previous_'] button").first.click()
    expect(page.get_by_test_id("stChatMessage").first).to_contain_text("France")

    page.locator(".st-key-conversation_menu button").first.click()
    page.get_by_role("option", name="Rename").or_(page.get_by_role("menuitem", name="Rename")).first.click()
    page.get_by_label("Title").fill("Capitals")
    page.get_by_role("dialog").get_by_role("button", name="Save").click()
    expect(page.get_by_test_id("stSidebar").get_by_role("button", name="Capitals")).to_be_visible()


def test_html_is_shown_and_never_run_and_the_page_speaks_chinese(dashboard: Dashboard, browser: Browser):
    context = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
    page = context.new_page()
    page.set_default_timeout(30_000)
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    open_greedy_chat(dashboard, page)
    expect(page.get_by_text("新对话").first).to_be_attached()
    ask(page, "<script>alert(1)</script><img src=x onerror=alert(2)>")
    question = page.get_by_test_id("stChatMessage").first
    expect(question).to_contain_text("<script>alert(1)</script>")
    assert question.locator("script, img[src='x']").count() == 0
    expect(page.get_by_text(re.compile("token/秒"))).to_be_visible(timeout=ANSWER_SECONDS)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 390, f"the page is {width} px wide on a phone"
    assert alerts == []
    context.close()
