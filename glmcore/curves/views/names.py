"""Names of runs, metrics and values from strangers, made fit for JSON, Plotly and spreadsheets."""

import html

LONGEST_NAME = 200  # characters; the whole name is in the table of runs
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def encodable(text: str) -> str:
    """The text without halves of surrogate pairs, which file names can hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode("utf-8")


def short_name(text: str) -> str:
    """A name of bounded length. It is not escaped: who puts it into a page does that."""
    text = encodable(text)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"


def plotly_text(text: str) -> str:
    """A name for the labels of Plotly, which reads some HTML tags in them."""
    return html.escape(short_name(text), quote=False)


def cell(text: str) -> str:
    """A name for a cell of a CSV file, which no spreadsheet takes for a formula."""
    text = encodable(text)
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
