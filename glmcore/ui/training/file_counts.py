"""What became of the rows of data files, as a table: of a check before a run, and of the run itself."""

from collections.abc import Sequence

import streamlit as st

from glmcore.tuning.data.report import FileReport
from glmcore.ui.markdown import plain
from glmcore.ui.text import _


def show_counts(files: Sequence[FileReport]) -> None:
    st.table(
        {
            _("File"): [plain(file.file) for file in files],
            _("Rows"): [f"{file.num_rows:,}" for file in files],
            _("Used"): [f"{file.num_examples:,}" for file in files],
            _("Left out"): [f"{sum(file.dropped.values()):,}" for file in files],
            _("Tokens"): [f"{file.num_tokens:,}" for file in files],
            _("of them learnt"): [f"{file.num_learnt_tokens:,}" for file in files],
        },
        border="horizontal",
        hide_index=True,
    )
