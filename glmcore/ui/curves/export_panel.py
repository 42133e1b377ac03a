"""What is seen, and all that there is, as files."""

from collections.abc import Iterable, Sequence
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

import streamlit as st

from glmcore.curves.run import Run
from glmcore.curves.views.export import iter_all_csv, iter_shown_csv
from glmcore.curves.views.view import View
from glmcore.ui.text import _

BYTES_IN_MEMORY = 16 << 20  # a longer table waits in a file for its download


def show_export(runs: Sequence[Run], view: View) -> None:
    """Tables are written when their button is clicked. Pictures are saved by the buttons of each chart."""
    st.download_button(
        _("CSV of what is drawn"),
        lambda: _file(iter_shown_csv(runs, view)),
        file_name="curves-shown.csv",
        mime="text/csv",
        icon=":material/download:",
        help=_("The very points of the charts, in the range zoomed to, raw and smoothed."),
        on_click="ignore",
    )
    st.download_button(
        _("CSV of everything"),
        lambda: _file(iter_all_csv(runs)),
        file_name="curves-all.csv",
        mime="text/csv",
        icon=":material/download:",
        help=_("Every point of every metric of the runs that are drawn, with what a resume replaced."),
        on_click="ignore",
    )
    st.caption(
        _("Each chart is saved as PNG or SVG by its own buttons. The address of this page is this view.")
    )


def _file(parts: Iterable[str]) -> BinaryIO:
    file = SpooledTemporaryFile(BYTES_IN_MEMORY)  # noqa: SIM115 - whoever downloads it closes it
    for part in parts:
        file.write(part.encode("utf-8"))
    file.seek(0)
    return cast(BinaryIO, file)
