"""A job that a press asks for: queued, or all that is wrong with it is said."""

from collections.abc import Callable

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.job import Job
from glmcore.tuning.job_config import JobConfigError
from glmcore.ui.text import error_text


def queued_or_told(queue: Callable[[], Job]) -> Job | None:
    """The job; None where it was refused, and the page says why."""
    try:
        return queue()
    except JobConfigError as error:
        faults: tuple[GlmcoreError, ...] = tuple(error.problems)
    except GlmcoreError as error:
        faults = (error,)
    for fault in faults:
        st.error(error_text(fault), icon=":material/error:")
    return None
