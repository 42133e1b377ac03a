"""What a job was queued with: its file, and the command that does the same without the queue."""

import streamlit as st

from glmcore.jobs.commands import command_of
from glmcore.jobs.job import Job
from glmcore.tuning.planning.launch import shown
from glmcore.ui.services import Services
from glmcore.ui.text import _


def show_config(services: Services, job: Job) -> None:
    st.download_button(
        _("Download YAML"),
        data=job.config,
        file_name=f"{job.id}.yaml",
        mime="application/yaml",
        icon=":material/download:",
        key="job_config_download",
        on_click="ignore",
    )
    st.caption(_("The command that it runs:"))
    st.code(_command(services, job), language="bash", wrap_lines=True)
    st.code(job.config, language="yaml")


def _command(services: Services, job: Job) -> str:
    """As one would type it in the folder of the project."""
    argv, environment = command_of(job, services.jobs.folder(job.id))
    environment.pop("PYTHONPATH", None)  # says where the project is, for those who are elsewhere
    return shown(argv, environment)
