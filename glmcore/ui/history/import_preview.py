"""What a file holds before it is imported, what is wrong in it, and what became of it."""

import csv
import io
from collections.abc import Sequence

import streamlit as st

from glmcore.core.i18n import translate, translate_error
from glmcore.curves.views.names import cell
from glmcore.history import ConversationFilter
from glmcore.history.carry import IMPORT_FORMS, ImportPreview, ImportProblem, ImportReport
from glmcore.ui.history.address import LIST, go
from glmcore.ui.markdown import plain
from glmcore.ui.text import _, language, plural

ROW_PIXELS, MAX_HEIGHT = 35, 250


def show_numbers(preview: ImportPreview) -> None:
    values = (
        (_("Form"), _(IMPORT_FORMS[preview.form])),
        (_("Conversations"), f"{preview.num_conversations:,}"),
        (_("Messages"), f"{preview.num_messages:,}"),
        (_("Already here"), f"{preview.num_known:,}"),
        (_("Problems"), f"{preview.num_problems:,}"),
    )
    with st.container(horizontal=True):
        for label, value in values:
            st.metric(label, value, border=True, width="content")


def show_samples(preview: ImportPreview) -> None:
    if not preview.samples:
        return
    lines = [_("Among them:"), ""]
    lines += [f"- {plain(title) or _('without a title')}" for title in preview.samples]
    st.markdown("\n".join(lines))


def show_problems(preview: ImportPreview) -> None:
    """What cannot be imported and why, as a table and as a file."""
    problems, code = preview.problems, language()
    if not problems:
        return
    import pandas as pd

    said = plural(
        "{count} conversation of the file cannot be imported.",
        "{count} conversations of the file cannot be imported.",
        preview.num_problems,
    )
    if preview.num_problems > len(problems):
        said += " " + _("The first {count} are told.", count=len(problems))
    st.warning(said, icon=":material/warning:")
    rows = [dict(zip(("place", "problem"), problem_texts(each, code), strict=True)) for each in problems]
    st.dataframe(
        pd.DataFrame(rows),
        key="import_problems",
        hide_index=True,
        height=min(MAX_HEIGHT, ROW_PIXELS * (len(rows) + 1) + 3),
        column_config={
            "place": st.column_config.TextColumn(_("Where"), width=130),
            "problem": st.column_config.TextColumn(_("What is wrong"), width="large"),
        },
    )
    st.download_button(
        _("These problems as CSV"),
        lambda: problems_csv(problems, code).encode("utf-8-sig"),  # so that spreadsheets read Chinese
        key="import_problems_csv",
        file_name="import-problems.csv",
        mime="text/csv",
        icon=":material/download:",
        on_click="ignore",
    )


def problems_csv(problems: Sequence[ImportProblem], code: str) -> str:
    written = io.StringIO()
    lines = csv.writer(written)
    lines.writerow(["where", "problem"])
    lines.writerows([cell(text) for text in problem_texts(each, code)] for each in problems)
    return written.getvalue()


def problem_texts(problem: ImportProblem, code: str) -> tuple[str, str]:
    """Where it is and what is wrong, in a language."""
    place = translate(problem.place.template, code).format(**problem.place.values)
    return place, translate_error(problem.error, code)


def show_report(preview: ImportPreview, report: ImportReport, tag: str) -> None:
    """How it ended, and the way to what was imported."""
    said = [
        plural("{count} conversation was imported.", "{count} conversations were imported.", report.imported)
    ]
    if report.known:
        said.append(plural("{count} was here already.", "{count} were here already.", report.known))
    if preview.num_problems:
        said.append(plural("{count} was left out.", "{count} were left out.", preview.num_problems))
    st.success(" ".join(said), icon=":material/check_circle:")
    if tag and report.imported:
        label = _("Show those with the tag {tag}", tag=plain(tag))
        if st.button(label, key="import_show", type="primary", icon=":material/list:"):
            go(LIST, ConversationFilter(shelf=None, tags=(tag,)))
