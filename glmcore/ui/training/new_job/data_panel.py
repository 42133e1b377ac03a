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
from glmcore.ui.training.new_job.fields import NOTHING, Problems, show_field, show_problems, writes
from glmcore.ui.training.new_job.resources import data_preview
from glmcore.ui.training.new_job.titles import TITLES

UPLOAD_KEY = PREFIX + "upload_"  # and the field that the file is for
FAULT_KEY = PREFIX + "upload_fault"
ENCODINGS = ("utf-8", "gb18030", "utf-16")
ROLES = ("prompt_column", "response_column", "history_column", "messages_column")


def show_data(services: Services, filled: Draft, problems: Problems) -> None:
    """Everything about data but the limits of length and number, which are fields like others."""
    files = DataFiles(services.settings)
    known = {str(file.path): file for file in files.list()}
    _choose_file("train_file", files, known, filled, problems)
    look, path = _look(files, filled)
    if look is not None and path is not None:
        _show_encoding(look, filled)
        roles = _show_roles(look, path, filled)
        show_rows(path, str(filled.values["encoding"]), look, roles)
    for name in (*ROLES, "encoding"):  # outside of what is folded away
        show_problems(problems.get(name, ()))
    _show_validation(files, known, filled, problems)
    with st.expander(_("Test rows, text before every question"), key=PREFIX + "more_rows"):
        _choose_file("test_file", files, known, filled, {})
        show_field("source_prefix", {})
    for name in ("test_file", "source_prefix"):
        show_problems(problems.get(name, ()))


def _choose_file(
    name: str, files: DataFiles, known: dict[str, DataFile], filled: Draft, problems: Problems
) -> None:
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
            **writes(name, [_label(path, known) for path in (NOTHING, *known)]),
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
    show_problems(problems.get(name, ()))


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
    try:
        path = files.confined(Path(value))
    except GlmcoreError:  # the form says it
        return None, None
    if not path.exists():  # likewise
        return None, None
    try:
        return data_preview().look(path, str(filled.values["encoding"])), path
    except GlmcoreError as fault:
        st.error(error_text(fault), icon=":material/error:")
        return None, None


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
    if chosen:  # which is what was found then
        by_name = _("by its name")
    options = list(dict.fromkeys([NOTHING, *names, chosen]))
    st.selectbox(
        _(TITLES[name]),
        options,
        index=options.index(chosen),
        format_func=lambda one: by_name if one == NOTHING else one,
        **writes(name, [by_name, *names]),
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


def _show_validation(files: DataFiles, known: dict[str, DataFile], filled: Draft, problems: Problems) -> None:
    """Rows to evaluate on: a share of the training rows, or a file of their own."""
    names = {False: _("a share of the training rows"), True: _("a file of their own")}
    filled.offer("has_validation_file", list(names.values()))
    key = filled.key("has_validation_file")
    has_own = st.segmented_control(
        _("Rows to evaluate on"),
        list(names),
        default=filled.has_validation_file,
        key=key,
        format_func=lambda one: names[one],
        required=True,
        on_change=_take_has_file,
        args=(key,),
    )
    if has_own:
        _choose_file("validation_file", files, known, filled, problems)
    else:
        show_field("validation_share", problems)


def _take_has_file(key: str) -> None:
    if key == draft().key("has_validation_file"):  # as in `take`
        draft().has_validation_file = st.session_state[key]
        if not draft().has_validation_file:
            draft().set(validation_file=None)
