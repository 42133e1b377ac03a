"""What the sessions that write jobs share: data files as they were read, checks and their thread."""

from pathlib import Path

import streamlit as st

from glmcore.core.settings import Settings
from glmcore.jobs.checks import JobChecks
from glmcore.jobs.data_preview import DataPreview


@st.cache_resource(show_spinner=False)
def data_preview() -> DataPreview:
    return DataPreview()


def job_checks(settings: Settings) -> JobChecks:
    """The checks of a home folder."""
    return _checks(settings.home, settings)


@st.cache_resource(show_spinner=False, on_release=JobChecks.close)
def _checks(home: Path, _settings: Settings) -> JobChecks:
    return JobChecks(_settings)
