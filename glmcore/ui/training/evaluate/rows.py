"""The rows of an evaluation: searched, the worst or the best first, one of them in full, all to take away."""

from collections.abc import Iterable, Mapping

import numpy as np
import streamlit as st

from glmcore.core.errors import DataError
from glmcore.jobs.answer_lines import ROW_SCORES, IntArray
from glmcore.jobs.prediction_table import PairedRow, PredictionTable, Side
from glmcore.ui.text import _, plural
from glmcore.ui.training.evaluate.histogram import show_histogram
from glmcore.ui.training.evaluate.row_detail import show_row
from glmcore.ui.training.evaluate.scores import score_texts

PREFIX = "evaluation_"
SEARCH_KEY, FOUND_KEY, PAGE_KEY = PREFIX + "search", PREFIX + "found", PREFIX + "page"
ROWS_OF_A_PAGE = 25
CELL_CHARACTERS = 300
LARGEST_TABLE = 512 << 20  # bytes; the server holds it in memory until it is fetched
FILE_ORDER, WORST, BEST = "file", "worst", "best"


def show_rows(table: PredictionTable, name: str) -> None:
    """All that is seen of the rows; `name` is for the files to download."""
    has_base = table.base is not None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        score = _choose_score()
        side = _choose_side() if has_base else Side.TUNED
    show_histogram(table, score, side)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            _("Search"),
            key=SEARCH_KEY,
            placeholder=_("Words of the question, the label or an answer"),
        )
        names = {WORST: _("Worst first"), BEST: _("Best first"), FILE_ORDER: _("As in the file")}
        order = choose_order(names)
    places = find_places(table, text, score, side, order)
    st.caption(plural("{count} row", "{count} rows", len(places)))
    if not len(places):
        return
    shown = page_of(places, ROWS_OF_A_PAGE)
    rows = table.rows(shown)
    selected = _show_table(table, shown, rows, score)
    if selected is not None:
        show_row(table, int(shown[selected]), rows[selected])
    else:
        st.caption(_("Select a row to see it in full, with the words marked that differ."))
    show_downloads(table, places, name)


def _choose_score() -> str:
    texts = score_texts()
    chosen = st.selectbox(
        _("Score"), ROW_SCORES, key=PREFIX + "score", format_func=lambda name: texts[name].title, width=260
    )
    return str(chosen)


def _choose_side() -> Side:
    names = {Side.DIFFERENCE: _("Difference"), Side.TUNED: _("Tuned"), Side.BASE: _("Base")}
    chosen = st.segmented_control(
        _("Show"),
        list(names),
        default=Side.DIFFERENCE,
        key=PREFIX + "side",
        format_func=names.__getitem__,
        required=True,
    )
    return Side(chosen or Side.DIFFERENCE)


def choose_order(names: Mapping[str, str]) -> str:
    """Args: names: of the three orders, for the reader."""
    chosen = st.segmented_control(
        _("Order"),
        list(names),
        default=WORST,
        key=PREFIX + "order",
        format_func=names.__getitem__,
        required=True,
    )
    return chosen or WORST


def find_places(table: PredictionTable, text: str, score: str, side: Side, order: str) -> IntArray:
    """The rows that hold all words of the text, in an order by a score."""
    places = (
        np.arange(len(table))
        if order == FILE_ORDER
        else table.order(score, side, is_worst_first=order == WORST)
    )
    if not text.strip():
        return places
    # Looked for once, not at every change of the order.
    asked = (str(table.tuned.path), len(table), int((table.partners >= 0).sum()), text)
    kept = st.session_state.get(FOUND_KEY)
    if kept is None or kept[0] != asked:
        with st.spinner(_("Searching")):
            kept = st.session_state[FOUND_KEY] = (asked, table.search(text))
    return places[kept[1][places]]


def page_of(places: IntArray, size: int) -> IntArray:
    """Those of the page that the reader is at."""
    num_pages = -(-len(places) // size)
    if num_pages == 1:
        return places
    if not 1 <= st.session_state.get(PAGE_KEY, 1) <= num_pages:
        st.session_state[PAGE_KEY] = 1
    page = st.number_input(
        _("Page, of {count}", count=num_pages), min_value=1, max_value=num_pages, key=PAGE_KEY, width=160
    )
    first = (int(page) - 1) * size
    return places[first : first + size]


def _show_table(table: PredictionTable, places: IntArray, rows: list[PairedRow], score: str) -> int | None:
    """Which of the rows is selected."""
    import pandas as pd

    sides = (Side.DIFFERENCE, Side.TUNED, Side.BASE) if table.base is not None else (Side.TUNED,)
    texts = ("prompt", "label", *(("base",) if table.base is not None else ()), "tuned")
    frame = pd.DataFrame(
        {"row": [row.number for row in rows]}
        | {f"score {side}": table.scores(score, side)[places] for side in sides}
        | {name: [_short(getattr(row, name)) for row in rows] for name in texts}
    )
    text, number = st.column_config.TextColumn, st.column_config.NumberColumn
    event = st.dataframe(
        frame,
        key=f"{PREFIX}rows_{hash(places.tobytes()) & 0xFFFFFF}",
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        placeholder="",
        column_config={
            "row": number(_("Row"), format="%d", width=60, pinned=True),
            "prompt": text(_("Question"), width="medium"),
            "label": text(_("Label"), width="medium"),
            "base": text(_("Base"), width="medium"),
            "tuned": text(_("Answer") if table.base is None else _("Tuned"), width="medium"),
            f"score {Side.BASE}": number(_("Base"), format="%.2f", width=80),
            f"score {Side.TUNED}": number(_("Tuned"), format="%.2f", width=80),
            f"score {Side.DIFFERENCE}": number(_("Difference"), format="%+.2f", width=90),
        },
    )
    selected = event.selection.rows
    return selected[0] if selected and selected[0] < len(rows) else None


def show_downloads(table: PredictionTable, places: IntArray, name: str) -> None:
    """What was found, in the order in which it is seen."""
    with st.container(horizontal=True):
        st.download_button(
            _("Download CSV"),
            lambda: _file_of(table.iter_csv(places)),
            file_name=f"{name}.csv",
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
            help=_(
                "The rows found, with all scores; a text that begins like a formula gets a quote before it."
            ),
        )
        st.download_button(
            _("Download JSONL"),
            lambda: _file_of(table.iter_jsonl(places)),
            file_name=f"{name}.jsonl",
            mime="application/jsonl",
            icon=":material/download:",
            on_click="ignore",
            help=_("The rows found, with all scores, letter by letter."),
        )


def _file_of(parts: Iterable[str]) -> bytes:
    written = bytearray()
    for part in parts:
        written += part.encode("utf-8")
        if len(written) > LARGEST_TABLE:
            raise DataError(
                "The table has more than {size} MB; take predictions.jsonl of the job's folder, or search "
                "for fewer rows.",
                size=LARGEST_TABLE >> 20,
            )
    return bytes(written)


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= CELL_CHARACTERS else text[:CELL_CHARACTERS] + " …"
