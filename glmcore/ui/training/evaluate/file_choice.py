"""The rows of an evaluation: a file of the job, one of the data sets, or one that is uploaded now."""

from dataclasses import replace
from pathlib import Path

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.data_files import DataFiles
from glmcore.jobs.text_encoding import guess_encoding
from glmcore.tuning.data.rows import read_names
from glmcore.tuning.job_config import JobConfig
from glmcore.tuning.job_config.checks import ENDINGS
from glmcore.ui.services import Services
from glmcore.ui.text import _, error_text

FILE_KEY, UPLOAD_KEY, FAULT_KEY = "evaluate_file", "evaluate_upload", "evaluate_fault"


def choose_file(services: Services, config: JobConfig) -> tuple[Path | None, bool]:
    """The file to answer, None where there is none at all; and whether it is what was chosen before."""
    files = DataFiles(services.settings)
    names: dict[Path, str] = {}
    for path, text in (
        (config.data.test_file, _("Test rows of the job: {name}")),
        (config.data.validation_file, _("Validation rows of the job: {name}")),
    ):
        if path is not None and path.is_file():
            names.setdefault(path, text.format(name=path.name))
    for file in files.list():
        names.setdefault(file.path, file.name)
    named = st.session_state.get(FILE_KEY)
    if named not in names:
        st.session_state.pop(FILE_KEY, None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen: Path | None = st.selectbox(
            _("Rows to answer"),
            list(names),
            key=FILE_KEY,
            format_func=lambda path: names.get(path, path.name),
            help=_("Questions with the right answers; the model sees the questions only."),
        )
        with st.popover(_("Upload"), icon=":material/upload_file:"):
            st.file_uploader(
                _("A file of rows"),
                type=[ending.removeprefix(".") for ending in ENDINGS],
                key=UPLOAD_KEY,
                on_change=_take_upload,
                args=(files,),
            )
    if fault := st.session_state.pop(FAULT_KEY, None):
        st.error(error_text(fault), icon=":material/error:")
    return chosen, named in (None, chosen)


def _take_upload(files: DataFiles) -> None:
    uploaded = st.session_state.get(UPLOAD_KEY)
    if uploaded is None:
        return
    try:
        st.session_state[FILE_KEY] = files.save(uploaded.name, uploaded)
    except GlmcoreError as error:
        st.session_state[FAULT_KEY] = error


def fitting(config: JobConfig, file: Path) -> JobConfig:
    """Columns that another file does not have are found by their usual names instead."""
    data = config.data
    if file in (data.test_file, data.validation_file, data.train_file):
        return config
    try:
        encoding = guess_encoding(file)
    except OSError:  # said by the checks
        return config
    there = {*read_names(file, encoding), None}
    return replace(
        config,
        data=replace(
            data,
            encoding=encoding,
            prompt_column=data.prompt_column if data.prompt_column in there else None,
            response_column=data.response_column if data.response_column in there else None,
            history_column=data.history_column if data.history_column in there else None,
            messages_column=data.messages_column if data.messages_column in there else None,
        ),
    )
