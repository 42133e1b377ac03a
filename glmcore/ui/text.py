"""The page's language: the reader's choice, at first the browser's."""

from typing import Any

import streamlit as st

from glmcore.core.errors import ConfigError
from glmcore.core.i18n import LANGUAGES, nearest_language, translate, translate_error, translate_plural
from glmcore.ui.markdown import plain
from glmcore.ui.services import settings

LANGUAGE_KEY = "language"


def language() -> str:
    """The code of the language that this session reads."""
    chosen = st.session_state.get(LANGUAGE_KEY)
    if chosen in LANGUAGES:
        return str(chosen)
    try:
        fixed = settings().language
    except ConfigError:  # said by the page, in the browser's language
        fixed = "auto"
    return fixed if fixed in LANGUAGES else nearest_language(st.context.locale)


def _(text: str, **values: Any) -> str:
    """A text of the catalogue in the reader's language, with its {values} put in."""
    translated = translate(text, language())
    return translated.format(**values) if values else translated


def plural(singular: str, plural_form: str, count: int, **values: Any) -> str:
    """The form of a counted text; `{count}` is put in."""
    return translate_plural(singular, plural_form, count, language()).format(count=count, **values)


def error_text(error: BaseException) -> str:
    """The sentence of an error for the reader, as Markdown; names in it are shown as they are."""
    return plain(translate_error(error, language()))


def choose_language() -> None:
    """The language switch; it remembers for the session."""
    st.session_state.setdefault(LANGUAGE_KEY, language())
    st.segmented_control(
        _("Language"),
        list(LANGUAGES),
        key=LANGUAGE_KEY,
        format_func=lambda code: LANGUAGES[code],
        label_visibility="collapsed",
        required=True,
        persist_state="session",
    )
