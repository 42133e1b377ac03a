"""A job from a request: read, checked as a whole, kept within the folders that pages may use, queued."""

import json
from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from glmcore.api.bounds import ID_CHARACTERS
from glmcore.core.errors import ConfigError
from glmcore.core.notes import Note
from glmcore.core.settings import Settings
from glmcore.jobs.confinement import outside_problems
from glmcore.jobs.job import Job
from glmcore.jobs.job_table import NAME_CHARACTERS, NOTE_CHARACTERS
from glmcore.jobs.service import JobService
from glmcore.jobs.templates import ReadJob, read_job_text
from glmcore.tuning.job_config import JobConfig, JobConfigError, check_files, check_job
from glmcore.tuning.job_config.file_values import LARGEST_FILE

MOST_KEYS = 200  # of a job file; there are not half as many
MOST_TEXTS = 1000  # of one value

# Judged as those of a file are.
ConfigValue = str | bool | int | float | Annotated[list[str], Field(max_length=MOST_TEXTS)] | None


class SubmitJob(BaseModel):
    """A job file, as `config` or as `yaml`, and what the job is called.

    `config` holds names and values of a job file, such as `{"train_file": "…", "method": "lora"}`; a file it
    names lies in the data sets of the server. The same `request_id` again gives the job that was made first.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=NAME_CHARACTERS)]
    config: Annotated[dict[str, ConfigValue], Field(max_length=MOST_KEYS)] | None = None
    yaml: Annotated[str, Field(max_length=LARGEST_FILE)] | None = None
    request_id: Annotated[str, Field(min_length=1, max_length=ID_CHARACTERS)] | None = None
    note: Annotated[str, Field(max_length=NOTE_CHARACTERS)] = ""
    batch: Annotated[str, Field(max_length=NAME_CHARACTERS)] = ""


def submit(jobs: JobService, wanted: SubmitJob, owner: str, request_id: str | None) -> tuple[Job, list[Note]]:
    """Queue the job, and tell what looks odd about it.

    Raises:
        ConfigError: the request does not say one thing; as JobConfigError all that is wrong with the job.
        StorageError: its folder cannot be made.
    """
    if None not in (request_id, wanted.request_id) and request_id != wanted.request_id:
        raise ConfigError("The header Idempotency-Key and request_id differ; send one of them.")
    found = _read(wanted)
    # Where it writes is for the server to say, so nobody is told whether there is such a folder.
    config = replace(found.config, saving=replace(found.config.saving, output_dir=None))
    if problems := _problems(found, config, jobs.settings):
        raise JobConfigError(problems)
    job = jobs.submit(
        config,
        name=wanted.name,
        owner=owner,
        request_id=request_id or wanted.request_id,
        batch=wanted.batch,
        note=wanted.note,
    )
    return job, [*found.notes, *check_job(config)[1]]


def _read(wanted: SubmitJob) -> ReadJob:
    """The job as far as it can be read; both forms take the way of a file, where each value is judged."""
    if (wanted.config is None) == (wanted.yaml is None):
        raise ConfigError("A job comes as config or as yaml, not both; send one of them.")
    if wanted.yaml is not None:
        return read_job_text(wanted.yaml, "yaml")
    return read_job_text(json.dumps(wanted.config), "config")


def _problems(found: ReadJob, config: JobConfig, settings: Settings) -> list[ConfigError]:
    """All that is wrong; of a field that names what no page may use, nothing else is said."""
    if found.problems and not any("place" in problem.values for problem in found.problems):
        return list(found.problems)  # the text is no job file, so nothing is known of its fields
    problems = [*found.problems, *outside_problems(config, settings)]
    said = {_field(problem) for problem in problems}
    more = [*check_job(config)[0], *check_files(config)]
    return problems + [problem for problem in more if _field(problem) not in said]


def _field(problem: ConfigError) -> str:
    return getattr(problem.values.get("place"), "key", "")
