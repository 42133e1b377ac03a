"""Texts in English and Chinese through standard gettext catalogues (`glmcore/locale`).

English is the source language; the message ids are the English texts. `tests/core/test_i18n.py`
holds the Chinese catalogue complete. Nothing here keeps a current language: whoever shows a text
knows its reader (`ui.text` the browser, `cli` the terminal).
"""

import gettext
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from glmcore.core.errors import GlmcoreError

LOCALE_DIR = Path(__file__).resolve().parent.parent / "locale"
LANGUAGES: Mapping[str, str] = {"en": "English", "zh": "中文"}
DEFAULT_LANGUAGE = "en"


@cache
def _catalogue(language: str) -> gettext.NullTranslations:
    fallback = language == DEFAULT_LANGUAGE
    return gettext.translation("glmcore", LOCALE_DIR, languages=[language], fallback=fallback)


def translate(text: str, language: str) -> str:
    """The text in the given language of `LANGUAGES`; the text itself where there is no translation."""
    return _catalogue(language).gettext(text) if text else ""  # gettext keeps its header under ""


def translate_plural(singular: str, plural: str, count: int, language: str) -> str:
    return _catalogue(language).ngettext(singular, plural, count)


def translate_error(error: BaseException, language: str) -> str:
    """The sentence of one of our errors in the given language; `str(error)` for any other."""
    if not isinstance(error, GlmcoreError):
        return str(error)
    values = {name: _translate_value(value, language) for name, value in error.values.items()}
    return translate(error.template, language).format(**values)


def _translate_value(value: Any, language: str) -> Any:
    """Words and causes inside a sentence; names and numbers stay as they are."""
    if isinstance(value, BaseException):
        return translate_error(value, language)
    return translate(value, language) if isinstance(value, str) else value


def nearest_language(preferred: str | None) -> str:
    """The supported language for a locale such as `zh-CN`, `zh_TW.UTF-8` or `de`; English when none fits."""
    code = (preferred or "").replace("_", "-").split("-")[0].split(".")[0].lower()
    return code if code in LANGUAGES else DEFAULT_LANGUAGE


def terminal_language() -> str:
    """The language of the terminal, by the usual variables in their usual order."""
    names = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    return nearest_language(next((os.environ[name] for name in names if os.environ.get(name)), None))


def mark(text: str) -> str:
    """Mark a text for the catalogue where it is written; it is translated where it is shown."""
    return text
