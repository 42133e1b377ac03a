"""The language of the pages: the reader's choice, else the fixed one, else the browser's."""

import pytest

from glmcore.core.errors import GlmcoreError
from glmcore.ui.text import _, error_text, plural
from tests.ui.visits import OVERVIEW_PAGE, Server, Visit, forget_services


@pytest.mark.parametrize(
    ("locale", "title"),
    [
        ("zh-CN", "您想了解什么？"),
        ("zh", "您想了解什么？"),
        ("de-DE", "What would you like to know?"),
        (None, "What would you like to know?"),
    ],
)
def test_browser_chooses_at_first(server: Server, locale: str | None, title: str) -> None:
    visit = Visit(server, locale=locale)
    assert visit.at.subheader[0].value == title


@pytest.mark.parametrize("page", ["overview", "chat"])
def test_every_page_is_chinese_for_a_chinese_browser(server: Server, page: str) -> None:
    conversation = server.add_conversation("你好", "您好！")
    server.load_model()
    chinese = Visit(server, conversation if page == "chat" else None, page=page, locale="zh-CN")
    english = Visit(server, conversation if page == "chat" else None, page=page)
    same = {text for text in chinese.shown() + chinese.labels() if text} & set(
        english.shown() + english.labels()
    )
    allowed = {"你好", "您好！", "GLM dashboard", "**SmolLM2-135M-Instruct**"}
    assert {text for text in same if not text[0].isdigit()} <= allowed
    assert not chinese.at.exception


def test_setting_overrides_the_browser(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLMCORE_LANGUAGE", "zh")
    forget_services()
    assert Visit(server, locale="en-US").at.subheader[0].value == "您想了解什么？"


def test_switch_changes_the_language_at_once_and_for_other_pages(server: Server) -> None:
    visit = Visit(server)
    visit.at.segmented_control(key="language").set_value("zh").run()
    assert visit.at.subheader[0].value == "您想了解什么？"
    visit.at.switch_page(OVERVIEW_PAGE).run()
    assert "模型" in visit.shown()
    visit.at.segmented_control(key="language").set_value("en").run()
    assert "Models" in visit.shown()


def test_broken_settings_are_said_in_the_browsers_language(server: Server, monkeypatch) -> None:
    monkeypatch.setenv("GLMCORE_DEVICE", "toaster")
    forget_services()
    visit = Visit(server, page="overview", locale="zh-CN")
    assert visit.says("GLMCORE_DEVICE 的值是 'toaster'")
    monkeypatch.delenv("GLMCORE_DEVICE")
    visit.at.run()
    assert not visit.at.error


def test_texts_get_their_values(server: Server) -> None:
    assert _("Delete {name}", name="X") == "Delete X"
    assert plural("{count} token", "{count} tokens", 1) == "1 token"
    assert plural("{count} token", "{count} tokens", 2) == "2 tokens"


def test_names_in_an_error_are_no_markdown(server: Server) -> None:
    error = GlmcoreError("{path} is missing.", path="/a/__x__/![p](http://x/y.png)")
    assert error_text(error) == r"\/a\/\_\_x\_\_\/\!\[p\]\(http\:\/\/x\/y\.png\) is missing\."
