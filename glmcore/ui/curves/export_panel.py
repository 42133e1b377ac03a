"""What is seen, and all that there is, as files."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import streamlit as st

from glmcore.core.errors import DataError
from glmcore.curves.run import Run
from glmcore.curves.views.export import iter_all_csv, iter_shown_csv
from glmcore.curves.views.view import View
from glmcore.ui.text import _

DRAWN_KEY = "curves_drawn"
LARGEST_TABLE = 512 << 20  # bytes; the server holds it in memory until it is fetched


@dataclass
class Drawn:
    """What a session sees now. Tables are written when they are asked for, and then of this."""

    runs: Sequence[Run] = ()
    view: View = field(default_factory=View)


def drawn() -> Drawn:
    kept: Drawn = st.session_state.setdefault(DRAWN_KEY, Drawn())
    return kept


def show_export() -> None:
    """Buttons for tables. Pictures are saved by the buttons of each chart."""
    seen = drawn()
    st.download_button(
        _("CSV of what is drawn"),
        lambda: file_of(iter_shown_csv(seen.runs, seen.view)),
        file_name="curves-shown.csv",
        mime="text/csv",
        icon=":material/download:",
        help=_("The very points of the charts, in the range zoomed to, raw and smoothed."),
        on_click="ignore",
    )
    st.download_button(
        _("CSV of everything"),
        lambda: file_of(iter_all_csv(seen.runs)),
        file_name="curves-all.csv",
        mime="text/csv",
        icon=":material/download:",
        help=_("Every point of every metric of the runs that are drawn, with what a resume replaced."),
        on_click="ignore",
    )
    st.caption(
        _("Each chart is saved as PNG or SVG by its own buttons. The address of this page is this view.")
    )


def file_of(parts: Iterable[str]) -> bytes:
    """The table whole, as Streamlit wants it."""
    written = bytearray()
    for part in parts:
        written += part.encode("utf-8")
        if len(written) > LARGEST_TABLE:
            raise DataError(
                "The table has more than {size} MB; `python -m glmcore curves --csv` writes it whole.",
                size=LARGEST_TABLE >> 20,
            )
    return bytes(written)
