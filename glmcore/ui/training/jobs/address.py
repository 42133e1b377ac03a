"""Addresses of the training page, and of the curves of jobs."""

from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import streamlit as st

from glmcore.curves.run import run_id
from glmcore.ui.curves.address import PageState, to_query
from glmcore.ui.session import JOB_PARAM, VIEW_PARAM

JOBS, NEW, EVALUATE = "jobs", "new", "evaluate"
CHECKPOINT_PARAM = "checkpoint"


def go(view: str, **more: str) -> NoReturn:
    """Show another view of this page; the address says which, and the browser's "back" leads here again."""
    st.query_params.from_dict({VIEW_PARAM: view, **more})
    st.rerun()


def open_job(job_id: str) -> NoReturn:
    go(JOBS, **{JOB_PARAM: job_id})


def curves_query(folders: Iterable[Path]) -> dict[str, str | list[str]]:
    """What leads to the curves page with these runs."""
    return to_query(PageState(run=tuple(run_id(folder) for folder in folders)))
