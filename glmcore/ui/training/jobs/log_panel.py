"""The end of a job's log, which costs what was appended since the last look."""

import os
from pathlib import Path
from typing import Literal

import streamlit as st

from glmcore.jobs.job import Job
from glmcore.jobs.log_tail import LogTail
from glmcore.ui.services import Services
from glmcore.ui.text import _
from glmcore.ui.training.jobs.words import size_text

LIVE_SECONDS = 2.0
TAIL_KEY, FOLLOW_KEY = "job_log_tail", "job_log_follow"
SHOWN_LINES, LINES_WITHOUT_SCROLLING, HEIGHT = 300, 16, 460  # the last in pixels
MAX_DOWNLOAD_BYTES = 64 << 20  # of the end of the log


def show_log(services: Services, job: Job) -> None:
    path = services.jobs.folder(job.id).log
    with st.container(horizontal=True, vertical_alignment="center"):
        follows = st.toggle(
            _("Follow"),
            value=True,
            key=FOLLOW_KEY,
            persist_state="session",
            help=_("Show what is appended, and stay at the end."),
        )
        st.download_button(
            _("Download"),
            data=lambda: read_end(path, MAX_DOWNLOAD_BYTES),
            file_name=f"{job.id}.log.txt",
            mime="text/plain",
            icon=":material/download:",
            key="job_log_download",
            on_click="ignore",
            disabled=not path.is_file(),
        )
    every = LIVE_SECONDS if follows and not job.state.has_ended else None
    st.fragment(_show_lines, run_every=every)(path, bool(follows))


def _show_lines(path: Path, follows: bool) -> None:
    tail = st.session_state.get(TAIL_KEY)
    if tail is None or tail.path != path:
        tail = st.session_state[TAIL_KEY] = LogTail(path)
    lines = tail.read()
    if not lines:
        st.info(_("Nothing was printed yet."), icon=":material/article:")
        return
    height: int | Literal["content"] = HEIGHT if len(lines) > LINES_WITHOUT_SCROLLING else "content"
    with st.container(height=height, border=False, autoscroll=follows):
        st.code("\n".join(lines[-SHOWN_LINES:]), language=None, wrap_lines=True)
    try:
        size = size_text(path.stat().st_size)
    except OSError:
        return
    st.caption(_("The last {count} lines of {size}.", count=min(len(lines), SHOWN_LINES), size=size))


def read_end(path: Path, most: int) -> bytes:
    """The last bytes of a file; none where it has gone."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            return file.read(most)
    except OSError:
        return b""
