"""Why a job failed: its exit code, the sentence, what that usually means, and the last lines of its log."""

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.failures import ENDED, READ_LINES, SIGNALLED, explain_failure, read_reason
from glmcore.jobs.folder import JobFolder
from glmcore.jobs.job import Job
from glmcore.jobs.log_tail import last_lines
from glmcore.ui.markdown import plain
from glmcore.ui.text import _, error_text


def show_failure(folder: JobFolder, job: Job) -> None:
    lines = last_lines(folder.log, READ_LINES)
    failure = explain_failure(job.exit_code, read_reason(job.reason), lines, job.state)
    sentence = failure.sentence
    if isinstance(sentence, GlmcoreError):  # the run's own
        said = error_text(sentence)
    else:
        said = plain(_(sentence.template, **sentence.values))
    if job.exit_code is not None and sentence.template not in (ENDED, SIGNALLED):  # which tell it
        said += " " + _("(Exit code {code}.)", code=job.exit_code)
    st.error(said, icon=":material/error:")
    if failure.meaning is not None:
        meaning = plain(_(failure.meaning.template, **failure.meaning.values))
        st.info(meaning, icon=":material/lightbulb:")
    if failure.lines:
        with st.expander(_("The last lines of its log"), expanded=True):
            st.code("\n".join(failure.lines), language=None, wrap_lines=True)
