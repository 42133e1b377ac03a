"""What runs on which device, what waits in which order, and who looks after it."""

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from glmcore.jobs.job import Job, Needs, StopWish
from glmcore.jobs.progress import JobProgress
from glmcore.jobs.runner_book import RunnerSeen
from glmcore.jobs.service import JobService
from glmcore.ui.markdown import plain
from glmcore.ui.text import _, plural
from glmcore.ui.training.jobs import actions
from glmcore.ui.training.jobs.address import open_job
from glmcore.ui.training.jobs.words import duration_text, name_text, share_done, state_text

SILENT_SECONDS = 45.0  # without a sign of life a runner is gone; it gives one every 10 seconds
MAX_RUNNING, MAX_WAITING = 8, 12  # listed; the table below has all, and each costs a millisecond
ROWS_WITHOUT_SCROLLING, LIST_HEIGHT = 5, 210  # pixels


def show_queue(
    jobs: JobService, live: Sequence[Job], queued: Sequence[Job], progress: Mapping[str, JobProgress]
) -> None:
    """Two lists side by side; nothing where nothing runs or waits."""
    show_runners(working(jobs.queue.runners()), live, is_needed=bool(live or queued))
    if not live and not queued:
        return
    running, waiting = st.columns(2)
    with running:
        title = _("Running")
        st.markdown(f"**{title}** :gray[{len(live)}]")
        with _list_of(len(live)):
            for job in live[:MAX_RUNNING]:
                _show_running(job, progress[job.id])
            _show_rest(len(live) - MAX_RUNNING)
    with waiting:
        title = _("Waiting")
        st.markdown(f"**{title}** :gray[{len(queued)}]")
        with _list_of(len(queued)):
            for place, job in enumerate(queued[:MAX_WAITING]):
                _show_waiting(jobs, job, place, len(queued))
            _show_rest(len(queued) - MAX_WAITING)


def working(seen: Sequence[RunnerSeen]) -> list[RunnerSeen]:
    """Those that gave a sign of life lately."""
    now = time.time()
    return [runner for runner in seen if now - runner.seen_at < SILENT_SECONDS]


def show_runners(runners: Sequence[RunnerSeen], live: Sequence[Job], *, is_needed: bool) -> None:
    """The devices of each machine and what holds them; a warning where nobody would start a job."""
    if not runners:
        if is_needed:
            st.warning(
                _(
                    "Nobody looks after the jobs: what waits is not started, and what runs is not watched. "
                    "Start the dashboard anew, or a worker: `python -m glmcore jobs work`."
                ),
                icon=":material/person_off:",
            )
        return
    for host in sorted({runner.host for runner in runners}):
        here = [runner for runner in runners if runner.host == host]
        devices = sorted({device for runner in here for device in runner.devices}, key=_device_order)
        holders = {device: job for job in live if job.host == host for device in job.devices}
        parts = [
            f"{plain(device)} {f'**{name_text(holders[device])}**' if device in holders else _('free')}"
            for device in devices
        ]
        who = plural("{count} runner", "{count} runners", len(here))
        st.caption(f":material/memory: {plain(host)} · {' · '.join(parts)} · {who}")


def needs_text(needs: Needs) -> str:
    if needs.index is not None:
        return f"{needs.kind}:{needs.index}"
    if needs.kind == "cpu":
        return _("CPU")
    return plural("{count} GPU", "{count} GPUs", needs.count)


def _list_of(count: int) -> DeltaGenerator:
    """A place for so many rows that leaves the table below in sight."""
    height: int | Literal["content"] = LIST_HEIGHT if count > ROWS_WITHOUT_SCROLLING else "content"
    return st.container(height=height, border=False, gap="xxsmall")


def _show_running(job: Job, progress: JobProgress) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        _open_button(job)
        share = share_done(progress)
        facts = [state_text(job, progress), *map(plain, job.devices)]
        if share is not None:
            facts.append(f"{100 * share:.0f} %")
        if progress.eta_seconds is not None:
            facts.append(_("{time} to go", time=duration_text(progress.eta_seconds)))
        st.caption(" · ".join(facts), width="content")


def _show_waiting(jobs: JobService, job: Job, place: int, count: int) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.caption(f"{place + 1}.", width="content")
        _open_button(job)
        st.caption(needs_text(job.needs), width="content")
        buttons = (
            ("up", ":material/arrow_upward:", _("Earlier"), place > 0, actions.move_up),
            ("down", ":material/arrow_downward:", _("Later"), place < count - 1, actions.move_down),
        )
        for name, icon, help_text, is_possible, move in buttons:
            if st.button(
                icon,
                key=f"jobs_{name}_{job.id}",
                help=help_text,
                type="tertiary",
                disabled=not is_possible,
            ):
                actions.tried(partial(move, jobs, job))
                st.rerun()
        if st.button(
            ":material/close:",
            key=f"jobs_cancel_{job.id}",
            help=_("Take it out of the queue"),
            type="tertiary",
        ):
            actions.tried(lambda: actions.stop(jobs, job, StopWish.SAVE))
            st.rerun()


def _open_button(job: Job) -> None:
    if st.button(name_text(job), key=f"jobs_open_{job.id}", type="tertiary"):
        open_job(job.id)


def _show_rest(count: int) -> None:
    if count > 0:
        st.caption(_("and {count} more", count=count))


def _device_order(device: str) -> tuple[str, int]:
    kind, _colon, number = device.partition(":")
    return kind, int(number) if number.isdecimal() else 0
