"""What a person does with saved conversations, in a real browser, answered by the real embedded model."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from glmcore.core.messages import GenerationParams
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.history import Conversation, ConversationFilter, HistoryStore, open_history
from glmcore.history.training_sets import list_training_sets
from tests.e2e.dashboard import Dashboard

pytestmark = pytest.mark.browser

OWNER = "local"
ANSWER_SECONDS = 120_000  # milliseconds; a shared machine can be slow
ENGLISH, CHINESE = "What is the capital of France?", "请解释一下微调模型的意思。"
IDEAL = "Paris, on the Seine."
IMPORTED = ("How does a loom work?", "蒸汽机是什么？")
# Pixels of the table: where a row has its box to tick, and how high it is.
BOX_X, ROW_HEIGHT = 16, 35


@pytest.fixture
def history(dashboard: Dashboard) -> Iterator[HistoryStore]:
    store = open_history(f"sqlite:///{dashboard.home / 'glmcore.db'}")
    yield store
    store.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, locale="en-US")
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def test_answers_are_judged_found_again_learnt_from_and_counted(
    dashboard: Dashboard, history: HistoryStore, page: Page
) -> None:
    talk = add_talk(history)
    page.goto(f"{dashboard.url}/chat?c={talk.id}")
    ask(page, ENGLISH)
    wait_for_answers(page, 1)
    ask(page, CHINESE)
    wait_for_answers(page, 2)
    judge_the_first_answer(page)

    page.goto(f"{dashboard.url}/history")
    search(page, "微调")
    expect(marks(page)).to_have_text("微调")
    main(page).get_by_role("link", name="Open at this message").click()
    expect(page).to_have_url(re.compile(rf"/chat\?c={talk.id}&m=\w+"))
    expect(page.get_by_text(CHINESE)).to_be_in_viewport()
    page.go_back()
    search(page, '"capital of France" -微积分')
    expect(marks(page)).to_have_text(["capital of France"])

    make_training_set(page, dashboard.url)
    (made,), problems = list_training_sets(dashboard.home)
    row = json.loads((made.folder / "train.jsonl").read_text(encoding="utf-8"))
    assert not problems and [message["content"] for message in row["messages"]] == [ENGLISH, IDEAL]
    main(page).get_by_role("link", name="Train on it").click()
    expect(page.get_by_label("Name of the job")).to_have_value(f"{made.name}-{made.version}")
    expect(page.get_by_text(f"{made.name}/{made.version}/train.jsonl").first).to_be_visible()

    page.goto(f"{dashboard.url}/history?view=usage")
    for name, number in (("Conversations", 1), ("Answers", 2)):
        metric = page.get_by_test_id("stMetric").filter(has_text=name)
        expect(metric.get_by_test_id("stMetricValue")).to_have_text(str(number))


def test_a_temporary_chat_leaves_nothing_in_the_database(
    dashboard: Dashboard, history: HistoryStore, page: Page
) -> None:
    page.goto(f"{dashboard.url}/chat")
    page.get_by_text("Temporary chat", exact=True).click()
    expect(page.get_by_text("nothing of it is stored")).to_be_visible()
    ask(page, "Write a very long story about a dog.")
    expect(page.get_by_test_id("stChatMessage")).to_have_count(2, timeout=ANSWER_SECONDS)
    page.locator(".st-key-stop button").click()
    expect(page.get_by_text(re.compile("· stopped"))).to_be_visible(timeout=ANSWER_SECONDS)
    assert "c=" not in page.url
    assert history.conversations.count(OWNER, ConversationFilter(shelf=None)) == 0
    assert not history.usage.hours(OWNER)
    page.reload()
    expect(page.get_by_text("What would you like to know?")).to_be_visible()
    assert not any(b"very long story" in path.read_bytes() for path in dashboard.home.glob("glmcore.db*"))


def test_conversations_are_sorted_out_carried_in_and_out_and_never_overwritten_unseen(
    dashboard: Dashboard, history: HistoryStore, page: Page, tmp_path: Path
) -> None:
    talk = add_talk(history, "Old machines")
    page.goto(f"{dashboard.url}/history")
    tag_pin_archive_and_delete_with_undo(page, history)
    kept = history.conversations.get(OWNER, talk.id)
    assert (kept.shelf, kept.is_pinned, history.tags.of(OWNER, talk.id)) == ("open", True, ("museum",))

    rename_in_two_tabs(page, page.context.new_page(), f"{dashboard.url}/history?c={talk.id}")
    assert history.conversations.get(OWNER, talk.id).title == "Looms"

    import_the_good_ones(page, dashboard.url, tmp_path)
    titles = {each.title for each in history.conversations.list(OWNER)}
    assert titles == {"Looms", *IMPORTED}
    exported = json.loads(export_all(page, 2).read_text(encoding="utf-8"))
    assert [talk["title"] for talk in exported["conversations"]] == list(IMPORTED)


# What a hand does.


def add_talk(history: HistoryStore, title: str = "") -> Conversation:
    """An empty conversation, whose answers are short and always the same."""
    params = GenerationParams(temperature=0.0, max_new_tokens=24)
    return history.conversations.create(OWNER, model=EMBEDDED_MODEL, params=params, title=title)


def ask(page: Page, question: str) -> None:
    page.get_by_test_id("stChatInputTextArea").fill(question)
    page.keyboard.press("Enter")


def wait_for_answers(page: Page, count: int) -> None:
    ended = page.get_by_text(re.compile("· (complete|cut at the token limit)"))
    expect(ended).to_have_count(count, timeout=ANSWER_SECONDS)
    expect(page.locator(".st-key-stop button")).to_have_count(0)


def judge_the_first_answer(page: Page) -> None:
    answer = page.get_by_test_id("stChatMessage").nth(1)
    answer.get_by_role("radio", name="Thumbs up").click()
    expect(answer.get_by_role("radio", name="Thumbs up")).to_be_checked()
    answer.locator("[class*='st-key-answer_menu_'] button").click()
    page.get_by_role("menuitem", name="write the ideal answer").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Ideal answer").fill(IDEAL)
    dialog.get_by_role("button", name="Save").click()
    expect(answer).to_contain_text(IDEAL)
    answer.get_by_text("As it was answered").click()
    expect(answer).not_to_contain_text(IDEAL)


def tag_pin_archive_and_delete_with_undo(page: Page, history: HistoryStore) -> None:
    tick(page, "Old machines")
    button(page, "Tags").click()
    page.get_by_role("combobox", name="Add").fill("museum")
    page.keyboard.press("Enter")
    button(page, "Apply").click()
    expect(page.locator(".st-key-history_preview")).to_contain_text("#museum")
    button(page, "Pin").first.click()
    expect(button(page, "Unpin").first).to_be_visible()
    button(page, "Archive").click()
    expect(page.get_by_text("1 conversation archived")).to_be_visible()
    button(page, "Undo").click()
    tick(page, "Old machines")
    button(page, "Delete").first.click()
    expect(page.get_by_text("1 conversation deleted")).to_be_visible()
    assert history.conversations.count(OWNER, ConversationFilter(shelf="deleted")) == 1
    button(page, "Undo").click()
    expect(cell(page, "Old machines")).to_be_attached()


def rename_in_two_tabs(first: Page, second: Page, address: str) -> None:
    """Both see the same title; the one who saves it later is told, and changes nothing."""
    titles = {first: "Looms", second: "Steam engines"}
    for tab in titles:
        tab.goto(address)
        button(tab, "Rename").click()
        expect(tab.get_by_role("textbox", name="Title")).to_have_value("Old machines")
    for tab, title in titles.items():
        tab.get_by_role("textbox", name="Title").fill(title)
        tab.get_by_role("dialog").get_by_role("button", name="Save").click()
        told = tab.get_by_text("was changed in another window meanwhile; nothing was stored")
        expect(told if tab is second else button(tab, "Rename")).to_be_visible()
    second.close()


def search(page: Page, words: str) -> None:
    field = page.get_by_role("searchbox", name="Search")
    field.fill(words)
    field.press("Enter")


def make_training_set(page: Page, url: str) -> None:
    page.goto(f"{url}/history?view=data")
    share = page.get_by_role("spinbutton", name="For evaluation, in %")
    share.fill("0")
    share.press("Tab")
    button(page, "Preview").click()
    expect(page.get_by_text("1 row · 1 answer taught")).to_be_visible()
    name = page.get_by_role("textbox", name="Name of the data set")
    name.fill("capitals")
    name.press("Tab")
    button(page, "Write").click()
    expect(page.get_by_text("capitals, version 1, is written.")).to_be_visible()


def import_the_good_ones(page: Page, url: str, folder: Path) -> None:
    """Two conversations of a file in ShareGPT's form, which has a bad line between them."""
    path = folder / "talks.jsonl"
    lines = [
        json.dumps({"conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": "So."}]})
        for text in IMPORTED
    ]
    path.write_text("\n".join((lines[0], '{"conversations": [{"from": "human"', lines[1])), encoding="utf-8")
    page.goto(f"{url}/history?view=import")
    page.locator("input[type=file]").set_input_files(path)
    expect(page.get_by_text("1 conversation of the file cannot be imported.")).to_be_visible()
    expect(cell(page, "line 2")).to_be_attached()
    button(page, "Import 2 good conversations, leave the rest out").click()
    expect(page.get_by_text("2 conversations were imported. 1 was left out.")).to_be_visible()
    main(page).get_by_role("button", name="Show those with the tag").click()
    expect(page.get_by_text("2 conversations", exact=True)).to_be_visible()


def export_all(page: Page, count: int) -> Path:
    main(page).get_by_text(f"All {count} found").click()
    button(page, "Export").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download", exact=True).click()
    return Path(download.value.path())


def tick(page: Page, title: str) -> None:
    """Tick the only row of the table."""
    expect(cell(page, title)).to_be_attached()
    main(page).get_by_test_id("stDataFrame").click(position={"x": BOX_X, "y": ROW_HEIGHT * 1.5})
    expect(page.get_by_text("1 ticked")).to_be_visible()


def cell(page: Page, content: str) -> Locator:
    """Of a table, which is painted; what is read out is there as elements too."""
    return main(page).locator("[role=gridcell]").filter(has_text=content).first


def main(page: Page) -> Locator:
    return page.get_by_test_id("stMain")


def marks(page: Page) -> Locator:
    return page.locator(".history-snippet mark")


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)
