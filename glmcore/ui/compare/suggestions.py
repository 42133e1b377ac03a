"""Questions to begin with: those of a tuning job's own test rows, which it has not learnt."""

import streamlit as st

from glmcore.core.errors import GlmcoreError
from glmcore.jobs.data_files import DataFiles
from glmcore.jobs.data_preview import LONGEST_VALUE, DataPreview
from glmcore.jobs.service import JobService
from glmcore.tuning.job_config import DataConfig
from glmcore.ui.services import Services

MOST = 4
ROWS = 12  # looked at for them


def suggested_questions(services: Services, name: str) -> list[str]:
    """The first questions of the data of the job that a checkpoint is of; none where there is no such job.

    Only data sets are looked at: see `data_files`.
    """
    parts = name.split("/")
    if len(parts) != 4 or parts[0] != "jobs":
        return []
    try:
        return _questions(services, _data_of(services.jobs, parts[1]))
    except GlmcoreError:  # the job, its file or its columns have gone
        return []


def _data_of(jobs: JobService, job_id: str) -> DataConfig:
    return jobs.config_of(jobs.queue.get(job_id)).data


def _questions(services: Services, data: DataConfig) -> list[str]:
    file = data.test_file or data.validation_file
    if file is None:
        return []
    path = DataFiles(services.settings).confined(file)
    preview = _preview()
    columns = preview.look(path, data.encoding).roles(data, path)
    names = [name for name in (columns.prompt, columns.prompt_input) if name]  # none: whole conversations
    rows = preview.rows(path, data.encoding, 0, ROWS).rows
    parts = [[row.values.get(name) or "" for name in names] for row in rows]
    whole = [part for part in parts if part and part[0].strip() and max(map(len, part)) < LONGEST_VALUE]
    asked = dict.fromkeys("\n".join(filter(None, part)) for part in whole)
    return [data.source_prefix + text for text in list(asked)[:MOST]]


@st.cache_resource(show_spinner=False)
def _preview() -> DataPreview:
    return DataPreview()
