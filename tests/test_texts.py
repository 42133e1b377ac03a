"""Every text on a page goes through translation: no plain literal reaches a Streamlit call."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources import called_name, parse, python_files, short

# Streamlit calls that show their first argument, or one of these keywords.
SHOWING = """
    button title header subheader caption markdown write text info warning error success toast status spinner
    metric text_input text_area number_input slider select_slider selectbox multiselect radio checkbox toggle
    pills badge segmented_control popover expander dialog chat_input form_submit_button download_button
    link_button file_uploader date_input progress
"""
SHOWN_KEYWORDS = {"label", "help", "placeholder", "body", "title", "caption", "text", "page_title"}
NOT_TEXT = {"GLM dashboard"}  # a name in every language
OWN_LOG = {"log", "logger", "_log", "_logger", "logging"}
UI_FILES = python_files("Home.py", "pages/*.py", "glmcore/ui/**/*.py")


def literal_text(node: ast.expr) -> str:
    """What an expression says in plain letters; empty for a call such as `_("…")`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    elif isinstance(node, ast.JoinedStr):
        text = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
    elif isinstance(node, ast.BinOp):
        text = literal_text(node.left) + literal_text(node.right)
    elif isinstance(node, ast.IfExp):
        text = literal_text(node.body) + literal_text(node.orelse)
    else:
        return ""
    text = re.sub(r":(material/)?[\w-]+:|:[\w-]+\[|&\w+;", "", text)  # icons, colours, entities
    return text if re.search(r"[^\W\d_]{2}", text) and text not in NOT_TEXT else ""


def untranslated(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every literal that is shown without translation."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        if isinstance(call.func.value, ast.Name) and call.func.value.id in OWN_LOG:
            continue
        shown = [key.value for key in call.keywords if key.arg in SHOWN_KEYWORDS]
        if called_name(call) in SHOWING.split():
            shown += call.args[:1]
        yield from ((call.lineno, text) for value in shown if (text := literal_text(value)))


@pytest.mark.parametrize("path", UI_FILES, ids=short)
def test_page_shows_translated_texts_only(path: Path) -> None:
    found = list(untranslated(parse(path)))
    assert not found, "\n".join(f"{short(path)}:{line}: wrap in _(): {text!r}" for line, text in found)


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ('st.button("Stop")', 1),
        ('col.slider(_("Seed"), help="a number")', 1),
        ('st.caption(f"{n} tokens")', 1),
        ('st.warning("gone" if lost else _("here"))', 1),
        ('st.button(_("Stop"), icon=":material/stop:")', 0),
        ('st.markdown(f":gray[{text}] · **{n}**")', 0),
        ('st.button(":material/edit:", key="edit", help=_("Edit"))', 0),
        ('log.info("started")', 0),
    ],
)
def test_plain_literals_are_recognised(code: str, count: int) -> None:
    assert len(list(untranslated(ast.parse(code)))) == count
