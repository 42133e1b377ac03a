"""Where a job ran and what it was made of: devices, times, versions, hashes of its data."""

from collections.abc import Iterator
from typing import Any

import streamlit as st

from glmcore.core.errors import NotFoundError
from glmcore.jobs.job import Job
from glmcore.jobs.service import JobService
from glmcore.tuning.run_folder import read_whole
from glmcore.ui.markdown import plain
from glmcore.ui.services import Services
from glmcore.ui.text import _
from glmcore.ui.training.jobs.address import open_job
from glmcore.ui.training.jobs.words import duration_text, kind_names, moment_text, name_text, size_text

MAX_CHARACTERS = 300  # of one value


def show_facts(services: Services, job: Job) -> None:
    jobs = services.jobs
    folder = jobs.folder(job.id)
    results = read_whole(folder.results)
    rows = [*_of_the_job(jobs, job), *_of_the_run(results)]
    rows = [(name, value) for name, value in rows if value]
    st.table(
        {
            _("Fact"): [name for name, _value in rows],
            _("Value"): [plain(value[:MAX_CHARACTERS]) for _name, value in rows],
        },
        border="horizontal",
        hide_index=True,
        hide_header=True,
    )
    _show_family(jobs, job)


def _of_the_job(jobs: JobService, job: Job) -> Iterator[tuple[str, str]]:
    yield _("Id"), job.id
    yield _("Kind"), kind_names()[job.kind]
    yield _("Folder"), str(jobs.folder(job.id).path)
    yield _("Owner"), job.owner
    yield _("Batch"), job.batch
    yield _("Machine"), job.host
    yield _("Devices"), ", ".join(job.devices) or str(job.needs)
    yield _("Attempts"), str(job.attempt)
    yield _("Created"), moment_text(job.created_at)
    yield _("Queued"), moment_text(job.queued_at)
    yield _("Started"), moment_text(job.claimed_at)
    yield _("Ended"), moment_text(job.ended_at)
    yield _("Exit code"), "" if job.exit_code is None else str(job.exit_code)


def _of_the_run(results: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the run wrote at its end; whatever it is, it is shown as text."""
    yield _("Computed on"), str(results.get("device", ""))
    yield _("Seed"), str(results.get("seed", ""))
    seconds, memory = results.get("seconds"), results.get("memory_bytes")
    yield _("Time of the last attempt"), duration_text(seconds) if isinstance(seconds, int | float) else ""
    yield _("Memory"), size_text(memory) if isinstance(memory, int) else ""
    for name, label in (
        ("parameters", _("Parameters")),
        ("trainable_parameters", _("Trainable parameters")),
        ("tokens_seen", _("Tokens seen")),
    ):
        yield label, f"{results[name]:,}" if isinstance(results.get(name), int) else ""
    for name, label in (("versions", _("Versions")), ("data", _("SHA-256 of the data"))):
        entries = results.get(name)
        if isinstance(entries, dict):
            for key, value in entries.items():
                yield f"{label}: {plain(str(key))}", str(value)


def _show_family(jobs: JobService, job: Job) -> None:
    """The job that it was made from, and those made from it."""
    family = jobs.queue.children(job.id)
    if job.parent_id is not None:
        try:
            family.insert(0, jobs.queue.get(job.parent_id))
        except NotFoundError:
            st.caption(_("The job that it was made from is deleted."))
    for other in family:
        label = _("Made from {name}") if other.id == job.parent_id else _("{name} was made from it")
        if st.button(label.format(name=name_text(other)), type="tertiary", key=f"job_family_{other.id}"):
            open_job(other.id)
