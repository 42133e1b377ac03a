"""Conversations from a file: chosen, read and looked at before anything is stored, then imported."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.history import HistoryStore
from glmcore.history.carry import ImportPreview, ImportReport, carry_out, read_import
from glmcore.history.tags import checked_tag
from glmcore.jobs.data_files import DataFiles
from glmcore.ui.history.address import reader_zone
from glmcore.ui.history.import_preview import show_numbers, show_problems, show_report, show_samples
from glmcore.ui.history.import_work import ImportWork, Stage, Upload, imports
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, error_text, plural
from glmcore.ui.training.jobs.words import size_text

PREFIX = "import_"
UPLOAD_KEY, FILE_KEY, TAG_KEY = PREFIX + "upload", PREFIX + "file", PREFIX + "tag"
FAULT_KEY = PREFIX + "fault"
TICKET_PARAM = "import"  # in the address, so that a reload finds the import again; and in the session
ENDINGS = (".json", ".jsonl", ".zip")
FOLLOW_SECONDS = 0.5


def show(shared: Services) -> None:
    ticket = st.query_params.get(TICKET_PARAM) or st.session_state.get(TICKET_PARAM, "")
    work = imports().find(ticket)
    if work is None:
        _choose(shared)
        return
    st.session_state[TICKET_PARAM] = st.query_params[TICKET_PARAM] = ticket
    state = work.state
    if state.stage.is_busy:
        st.fragment(_follow, run_every=FOLLOW_SECONDS)(work, state.stage)
        return
    st.markdown("**" + plain(state.name) + "**")
    if state.error is not None:
        st.error(error_text(state.error), icon=":material/error:")
    if state.stage is Stage.READ and state.preview is not None:
        _show_read(work, state.preview)
    if state.stage is Stage.DONE and state.preview is not None and state.report is not None:
        show_report(state.preview, state.report, state.tag)
    st.button(
        _("Choose another file"),
        key=PREFIX + "another",
        icon=":material/folder_open:",
        on_click=_forget,
        args=(ticket,),
    )


def _choose(shared: Services) -> None:
    st.markdown(
        _(
            "Brings conversations in from this program's JSON export, ShareGPT, OpenAI `messages`, ChatGPT "
            "and Open WebUI. The form is found by looking at the file; nothing is stored before you have "
            "seen what is in it."
        )
    )
    limit = int(st.get_option("server.maxUploadSize"))
    st.file_uploader(
        _("A file from your computer: .json, .jsonl, or ChatGPT's .zip"),
        type=[ending.removeprefix(".") for ending in ENDINGS],
        key=UPLOAD_KEY,
        on_change=_take_upload,
        args=(shared.history,),
    )
    st.caption(
        _(
            "Up to {limit} MB, the server's `maxUploadSize`. A larger file is imported in the terminal: "
            "`python -m glmcore history import FILE`.",
            limit=limit,
        )
    )
    _offer_files(shared)
    if fault := st.session_state.pop(FAULT_KEY, None):
        st.error(error_text(fault), icon=":material/error:")


def _offer_files(shared: Services) -> None:
    """Files among the data sets of the server, which may be large."""
    files = DataFiles(shared.settings)
    known = {file.path: file for file in files.list() if file.path.suffix.lower() in ENDINGS}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen: Path | None = st.selectbox(
            _("or a file among the server's data sets"),
            [path for path, file in known.items() if not file.is_shipped],
            index=None,
            key=FILE_KEY,
            format_func=lambda path: f"{known[path].name} · {size_text(known[path].bytes)}",
            placeholder=_("Choose a file"),
        )
        st.button(
            _("Read it"),
            key=PREFIX + "read",
            disabled=chosen is None,
            on_click=_take_file,
            args=(shared.history, files, chosen),
        )


def _follow(work: ImportWork, stage: Stage) -> None:
    state = work.state
    if state.stage is not stage:
        st.rerun()
    name = plain(state.name)
    if state.stage is Stage.IMPORTING and state.preview is not None:
        share = state.num_done / max(1, state.preview.num_conversations)
        st.progress(min(1.0, share), text=_("Importing {name} …", name=name))
    else:
        text = _("Reading {name} …", name=name)
        st.markdown(f":gray[:material/progress_activity: {text}]")
    st.caption(_("It goes on if you leave this page; come back to see how it ended."))


def _show_read(work: ImportWork, preview: ImportPreview) -> None:
    show_numbers(preview)
    show_samples(preview)
    show_problems(preview)
    num_new = preview.num_conversations - preview.num_known
    if num_new <= 0:
        nothing = _("It holds no conversation that can be imported.")
        known = _("All that can be read of it is here already; there is nothing to import.")
        st.info(known if preview.num_known else nothing, icon=":material/info:")
        return
    today = datetime.now(reader_zone()).strftime("%Y-%m-%d")
    st.session_state.setdefault(TAG_KEY, _("imported {day}", day=today))
    st.text_input(
        _("Tag for all of them"),
        key=TAG_KEY,
        help=_("By it you find them again, and can take them away again. Leave it empty for none."),
        width=320,
    )
    if preview.num_problems:
        label = plural(
            "Import {count} good conversation, leave the rest out",
            "Import {count} good conversations, leave the rest out",
            num_new,
        )
    else:
        label = plural("Import {count} conversation", "Import {count} conversations", num_new)
    st.button(
        label, key=PREFIX + "start", type="primary", icon=":material/upload:", on_click=_start, args=(work,)
    )
    if fault := st.session_state.pop(FAULT_KEY, None):
        st.error(error_text(fault), icon=":material/error:")


# What happens before the page is drawn again.


def _take_upload(history: HistoryStore) -> None:
    uploaded = st.session_state.get(UPLOAD_KEY)
    if uploaded is None:
        return
    try:
        upload = Upload(uploaded.name, uploaded.getbuffer())
    except GlmcoreError as fault:
        st.session_state[FAULT_KEY] = fault
        return
    _begin(history, upload.path, uploaded.name, upload)


def _take_file(history: HistoryStore, files: DataFiles, path: Path) -> None:
    try:
        _begin(history, files.confined(path), path.name)
    except GlmcoreError as fault:
        st.session_state[FAULT_KEY] = fault


def _begin(history: HistoryStore, path: Path, name: str, upload: Upload | None = None) -> None:
    def read() -> ImportPreview:
        try:
            return read_import(history, OWNER, path)
        finally:
            if upload is not None:
                upload.remove()

    def carry(
        preview: ImportPreview, skip_problems: bool, tag: str, tell: Callable[[int], None]
    ) -> ImportReport:
        report = carry_out(history, OWNER, preview, skip_problems=skip_problems, on_progress=tell)
        if tag:
            history.tags.add(OWNER, report.ids, tag)
        return report

    st.session_state.pop(TAG_KEY, None)
    ticket = imports().add(ImportWork(name, read, carry))
    st.session_state[TICKET_PARAM] = st.query_params[TICKET_PARAM] = ticket


def _start(work: ImportWork) -> None:
    tag = st.session_state.get(TAG_KEY, "").strip()
    try:
        work.carry_out(skip_problems=True, tag=checked_tag(tag) if tag else "")
    except GlmcoreError as fault:
        st.session_state[FAULT_KEY] = fault


def _forget(ticket: str) -> None:
    imports().forget(ticket)
    st.session_state.pop(TICKET_PARAM, None)
    st.query_params.pop(TICKET_PARAM, None)
