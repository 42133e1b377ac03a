"""Data files that an address names for the form, as a link from another page does."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import streamlit as st

from glmcore.core.errors import DataError
from glmcore.jobs.data_files import DataFiles
from glmcore.ui.services import Services
from glmcore.ui.session import VIEW_PARAM
from glmcore.ui.training.jobs.address import NEW
from glmcore.ui.training.new_job.data_panel import ROLES
from glmcore.ui.training.new_job.draft import draft

FIELDS = ("train_file", "validation_file", "test_file")  # of a job, and parts of the address


def query_with(files: Mapping[str, Path], services: Services) -> dict[str, str]:
    """What leads to the form with these files, by field, out of the data sets of the home folder."""
    folder = DataFiles(services.settings).folder
    return {VIEW_PARAM: NEW} | {field: str(path.relative_to(folder)) for field, path in files.items()}


def take_named(services: Services) -> None:
    """Let the form have the files that the address names, once; what else was filled in stays."""
    named = {field: st.query_params.pop(field) for field in FIELDS if field in st.query_params}
    if not named:
        return
    files = DataFiles(services.settings)
    known = {str(file.path): file.path for file in files.list()}
    values: dict[str, Any] = {**dict.fromkeys((*FIELDS, *ROLES)), "encoding": "utf-8"}
    for field, name in named.items():
        path = known.get(str(files.folder / name))
        if path is None:
            draft().refusals = (
                DataError("There is no data set {name!r} (any more); choose another file.", name=name),
            )
            return
        values[field] = str(path)
    filled = draft()
    filled.set(**values)
    filled.has_validation_file = values["validation_file"] is not None
    filled.versions["has_validation_file"] += 1
    if not filled.name:
        filled.name = "-".join(Path(named.get("train_file", "")).parent.parts)
        filled.versions["name"] += 1
