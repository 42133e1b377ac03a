"""Translation: the right language is found, and the catalogues are complete."""

import pytest
from babel.messages.catalog import Message

from glmcore.core.errors import ConfigError
from glmcore.core.i18n import nearest_language, terminal_language, translate, translate_error
from tools import catalogues

TEMPLATE = "stop is {value!r}; expected non-empty texts."


def test_catalogues_are_complete_and_up_to_date() -> None:
    assert catalogues.problems() == []


@pytest.mark.parametrize(
    ("locale", "language"),
    [
        ("zh-CN", "zh"),
        ("zh_TW.UTF-8", "zh"),
        ("ZH", "zh"),
        ("en-GB", "en"),
        ("de", "en"),
        ("C.UTF-8", "en"),
        (None, "en"),
    ],
)
def test_a_locale_finds_the_nearest_language(locale: str | None, language: str) -> None:
    assert nearest_language(locale) == language


def test_the_terminals_variables_are_asked_in_their_usual_order(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    assert terminal_language() == "en"
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert terminal_language() == "zh"
    monkeypatch.setenv("LANGUAGE", "en")
    assert terminal_language() == "en"


def test_an_error_is_said_in_the_readers_language() -> None:
    fault = ConfigError(TEMPLATE, value=("",))
    assert translate_error(fault, "en") == str(fault)
    chinese = translate_error(fault, "zh")
    assert "('',)" in chinese and any("\u4e00" <= letter <= "\u9fff" for letter in chinese)


def test_an_error_that_is_not_ours_keeps_its_text() -> None:
    assert translate_error(OSError("disk"), "zh") == "disk"


def test_a_text_without_translation_stays_english() -> None:
    assert translate("never written anywhere", "zh") == "never written anywhere"


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        (Message("Hello {name}", ""), "no translation"),
        (Message("Hello {name}", "你好"), "placeholders"),
        (Message("Hello {name}", "你好 {name"), "broken braces"),
        (Message("Hello", "你好", flags=["fuzzy"]), "fuzzy"),
        (Message(("{n} file", "{n} files"), ("文件",)), "placeholders"),
    ],
)
def test_a_wrong_translation_is_found(message: Message, fault: str) -> None:
    assert [found for found in catalogues.faults(message) if fault in found]


def test_a_right_translation_has_no_faults() -> None:
    assert not list(
        catalogues.faults(Message(("{n} file of {all}", "{n} files of {all}"), ("{all} 个中的 {n} 个",)))
    )
