"""Starting several saved jobs at once: each is queued, and one that is refused does not end the batch."""

import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePath

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.confinement import outside_problems
from glmcore.jobs.templates import ReadJob, Templates
from glmcore.tuning.job_config import JobConfigError
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.session import OWNER
from glmcore.ui.text import _, plural
from glmcore.ui.training.new_job.draft import LONGEST_NAME, PREFIX, new_request_id
from glmcore.ui.training.new_job.launch import show_error
from glmcore.ui.training.new_job.source import ENDINGS, read_upload

OPEN_KEY, REQUEST_KEY = PREFIX + "several_open", PREFIX + "several_request"
TEMPLATES_KEY, FILES_KEY, BATCH_KEY = PREFIX + "several", PREFIX + "several_files", PREFIX + "several_batch"


def show(services: Services) -> None:
    """The templates and files of a batch, and the button that queues them."""
    opened = st.expander(
        _("Start several at once"), icon=":material/playlist_add:", key=OPEN_KEY, on_change="rerun"
    )
    if not opened.open:
        return
    with opened:
        templates = Templates(services.settings)
        names = st.multiselect(_("Templates"), [one.name for one in templates.list()], key=TEMPLATES_KEY)
        files = st.file_uploader(_("Job files"), type=ENDINGS, accept_multiple_files=True, key=FILES_KEY)
        usual = time.strftime("%Y-%m-%d %H:%M")
        batch = st.text_input(
            _("Name of the batch"), key=BATCH_KEY, placeholder=usual, max_chars=LONGEST_NAME
        )
        count = len(names) + len(files)
        request_id = st.session_state.setdefault(REQUEST_KEY, new_request_id())
        clicked = st.button(
            plural("Queue one job", "Queue {count} jobs", count),
            key=f"{PREFIX}queue_{request_id}",
            icon=":material/play_arrow:",
            disabled=not count,
            help=_("In this order. Warnings stop none of them."),
        )
        if clicked:
            _queue_all(services, _read_all(templates, names, files), batch.strip() or usual, request_id)
            st.session_state[REQUEST_KEY] = new_request_id()


Item = tuple[str, ReadJob | GlmcoreError]


def _read_all(templates: Templates, names: Sequence[str], files: Sequence[UploadedFile]) -> Iterator[Item]:
    for name in names:
        try:
            yield name, templates.read(name)
        except GlmcoreError as error:
            yield name, error
    for file in files:
        yield PurePath(file.name).stem, read_upload(file.getvalue(), file.name)


def _queue_all(services: Services, items: Iterable[Item], batch: str, request_id: str) -> None:
    """Queue one after the other, then say what became of each; the same request again makes none twice."""
    queued: list[str] = []
    refused: list[tuple[str, GlmcoreError]] = []
    for number, (name, found) in enumerate(items):
        try:
            if isinstance(found, GlmcoreError):
                raise found
            if problems := [*found.problems, *outside_problems(found.config, services.settings)]:
                raise JobConfigError(problems)
            services.jobs.submit(
                found.config, name=name, owner=OWNER, request_id=f"{request_id}-{number}", batch=batch
            )
            queued.append(name)
        except GlmcoreError as error:
            refused.append((name, error))
    if queued:
        text = plural(
            "One job is queued: {names}.",
            "{count} jobs are queued: {names}.",
            len(queued),
            names=", ".join(map(plain, queued)),
        )
        st.success(text, icon=":material/check:")
    for name, fault in refused:
        st.markdown(_("Not queued: **{name}**", name=plain(name)))
        show_error(fault)
