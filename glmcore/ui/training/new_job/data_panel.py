"""The data of a new job: its files, chosen or uploaded, what their columns are for, and their rows."""

from pathlib import Path
from typing import Any

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.data_files import DataFile, DataFiles
from glmcore.jobs.data_preview import FileLook
from glmcore.tuning.data.columns import Columns
from glmcore.tuning.job_config import DataConfig
from glmcore.tuning.job_config.checks import ENDINGS
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.text import _, error_text
from glmcore.ui.training.jobs.words import size_text
from glmcore.ui.training.new_job.data_rows import show_rows
from glmcore.ui.training.new_job.draft import PREFIX, Draft, draft
from glmcore.ui.training.new_job.fields import NOTHING, show_field, writes
from glmcore.ui.training.new_job.resources import data_preview
from glmcore.ui.training.new_job.titles import TITLES

UPLOAD_KEY = PREFIX + "upload_"  # and the field that the file is for
FAULT_KEY = PREFIX + "upload_fault"
OWN_KEY = PREFIX + "has_validation_file_"
ENCODINGS = ("utf-8", "gb18030", "utf-16")
ROLES = ("prompt_column", "response_column", "history_column", "messages_column")


def show_data(services: Services, filled: Draft) -> None:
    """Everything about data but the limits of length and number, which are fields like others."""
    files = DataFiles(services.settings)
    known = {str(file.path): file for file in files.list()}
    _choose_file("train_file", files, known, filled)
    look, path = _look(files, filled)
    if look is not None and path is not None:
        _show_encoding(look, filled)
        roles = _show_roles(look, path, filled)
        show_rows(path, str(filled.values["encoding"]), look, roles)
    _show_validation(files, known, filled)
    with st.expander(_("Test rows, text before every question"), key=PREFIX + "more_rows"):
        _choose_file("test_file", files, known, filled)
        show_field("source_prefix", {})


def _choose_file(name: str, files: DataFiles, known: dict[str, DataFile], filled: Draft) -> None:
    """One of the files that are there, or a new one from the reader's disk."""
    value = filled.values[name]
    chosen = _listed(str(value), known) if value is not None else NOTHING
    with st.container(horizontal=True, vertical_alignment="bottom"):
        options = list(dict.fromkeys([NOTHING, chosen, *known]))
        st.selectbox(
            _(TITLES[name]),
            options,
            index=options.index(chosen),
            format_func=lambda path: _label(path, known),
            **writes(name),
        )
        with st.popover(_("Upload"), icon=":material/upload:", key=f"{PREFIX}popover_{name}"):
            st.file_uploader(
                _("A file of rows from your computer"),
                type=[ending.removeprefix(".") for ending in ENDINGS],
                key=UPLOAD_KEY + name,
                on_change=_take_upload,
                args=(name, files),
            )
    fault: tuple[str, GlmcoreError] | None = st.session_state.get(FAULT_KEY)
    if fault is not None and fault[0] == name:
        st.error(error_text(fault[1]), icon=":material/error:")


def _listed(path: str, known: dict[str, DataFile]) -> str:
    """A path as the list has it: job files name the demo's from the folder of the program."""
    found = str(Path(path).absolute())
    return found if found in known else path


def _label(path: str, known: dict[str, DataFile]) -> str:
    if path == NOTHING:
        return _("Choose a file, or upload one")
    file = known.get(path)
    return path if file is None else f"{file.name} · {size_text(file.bytes)}"


def _take_upload(name: str, files: DataFiles) -> None:
    """Keep an upload and let the job use it; before the page is drawn again."""
    st.session_state.pop(FAULT_KEY, None)
    upload = st.session_state[UPLOAD_KEY + name]
    if upload is None:  # taken away again: the file stays among the others
        return
    try:
        path = files.save(upload.name, upload)
    except GlmcoreError as fault:
        st.session_state[FAULT_KEY] = (name, fault)
        return
    values: dict[str, Any] = {name: str(path)}
    if name == "train_file":  # its columns are its own
        values |= dict.fromkeys(ROLES)
        values["encoding"] = data_preview().look(path, "utf-8").likely_encoding
    draft().set(**values)


def _look(files: DataFiles, filled: Draft) -> tuple[FileLook | None, Path | None]:
    """What the training file shows, if it is one that this page may show."""
    value = filled.values["train_file"]
    if value is None:
        return None, None
    if not Path(value).exists():  # the form says it
        return None, None
    try:
        path = files.confined(Path(value))
        look = data_preview().look(path, str(filled.values["encoding"]))
    except GlmcoreError as fault:
        st.info(error_text(fault), icon=":material/visibility_off:")
        return None, None
    return look, path


def _show_encoding(look: FileLook, filled: Draft) -> None:
    """Where reading failed, why; and the encoding that would do, with a way to it."""
    encoding = str(filled.values["encoding"])
    if look.fault is not None:
        st.error(error_text(look.fault), icon=":material/error:")
    if look.likely_encoding == encoding or (look.fault is None and look.columns):
        return
    st.button(
        _("It looks like {encoding}: read it so", encoding=plain(look.likely_encoding)),
        key=PREFIX + "likely_encoding",
        icon=":material/translate:",
        on_click=filled.set,
        kwargs={"encoding": look.likely_encoding},
    )


def _show_roles(look: FileLook, path: Path, filled: Draft) -> Columns | None:
    """What is read from which column, as found by its name and as somebody corrected it."""
    names = [column.name for column in look.columns]
    chosen = {name: filled.values[name] for name in (*ROLES, "encoding")}
    roles: Columns | None = None
    if names:
        try:
            roles = look.roles(DataConfig(**chosen), path)
        except GlmcoreError as fault:
            st.warning(error_text(fault), icon=":material/warning:")
    with st.expander(_roles_text(roles), key=PREFIX + "roles", icon=":material/view_column:"):
        for column, name in zip((*st.columns(2), *st.columns(2)), ROLES, strict=True):
            with column:
                _choose_column(name, names, roles, filled)
        _choose_encoding(filled)
    return roles


def _choose_column(name: str, names: list[str], roles: Columns | None, filled: Draft) -> None:
    found = getattr(roles, name.removesuffix("_column")) if roles else None
    chosen = filled.values[name] or NOTHING
    by_name = _("by its name: {name}", name=found) if found else _("none")
    options = list(dict.fromkeys([NOTHING, *names, chosen]))
    st.selectbox(
        _(TITLES[name]),
        options,
        index=options.index(chosen),
        format_func=lambda one: by_name if one == NOTHING else one,
        **writes(name),
    )


def _choose_encoding(filled: Draft) -> None:
    value = str(filled.values["encoding"])
    options = ENCODINGS if value in ENCODINGS else (*ENCODINGS, value)
    st.selectbox(_(TITLES["encoding"]), options, index=options.index(value), **writes("encoding"))


def _roles_text(roles: Columns | None) -> str:
    """In one line, for who need not open it."""
    if roles is None:
        return _("Which column is what")
    if roles.messages:
        return _("Conversations from {column}", column=plain(roles.messages))
    return _(
        "Questions from {prompt}, answers from {response}",
        prompt=plain(" + ".join(filter(None, (roles.prompt, roles.prompt_input)))),
        response=plain(roles.response or ""),
    )


def _show_validation(files: DataFiles, known: dict[str, DataFile], filled: Draft) -> None:
    """Rows to evaluate on: a share of the training rows, or a file of their own."""
    key = f"{OWN_KEY}_{filled.versions['validation_file']}"  # a draft filled anew begins with what it says
    names = {False: _("a share of the training rows"), True: _("a file of their own")}
    has_own = st.segmented_control(
        _("Rows to evaluate on"),
        list(names),
        default=filled.values["validation_file"] is not None,
        key=key,
        format_func=lambda one: names[one],
        required=True,
        on_change=_drop_validation_file,
        args=(key,),
    )
    if has_own:
        _choose_file("validation_file", files, known, filled)
    else:
        show_field("validation_share", {})


def _drop_validation_file(key: str) -> None:
    if not st.session_state[key]:
        draft().set(validation_file=None)
