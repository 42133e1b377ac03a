"""A run looked at before it runs: what it would learn from, how long, in how much memory, by which command.

The data is really read, the model's weights are not. What the run would be refused for, this is refused for;
what it takes too much of, memory or disk, is said beside the numbers.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from glmcore.core.errors import GlmcoreError, NotEnoughMemoryError
from glmcore.core.settings import Settings
from glmcore.models.places.holders import naming_holders
from glmcore.models.progress import Progress
from glmcore.tuning.data.prepared import prepare_training
from glmcore.tuning.data.report import DataReport
from glmcore.tuning.job_config import JobConfig, JobFile, job_text
from glmcore.tuning.planning.disk import check_disk, checkpoint_bytes
from glmcore.tuning.planning.dry_run_report import DryRun
from glmcore.tuning.planning.launch import launch_command, shown
from glmcore.tuning.planning.memory import MemoryEstimate, check_memory, estimate_memory, longest_row
from glmcore.tuning.planning.outline import Outline, read_outline
from glmcore.tuning.planning.steps import Steps, count_steps
from glmcore.tuning.preview import PreviewRow, preview_rows
from glmcore.tuning.resume import check_folder, held, output_folder
from glmcore.tuning.run_folder import RunFolder
from glmcore.tuning.training.base import example_builder

PREVIEWED = 3  # rows


def dry_run(
    job_file: JobFile, settings: Settings, progress: Progress, overrides: Sequence[str] = ()
) -> DryRun:
    """Look at a run without running it; nothing is kept on the disk.

    Args:
        overrides: what was given beside the job's file, for the command.

    Raises:
        GlmcoreError: the run would be refused.
    """
    job = job_file.config
    folder = output_folder(job, job_file.path, settings)
    _check_folder(job, folder)
    outline = read_outline(job, settings, progress)
    report, preview = _read_data(job, outline, progress)
    steps = count_steps(job, report.num_training)
    estimate = estimate_memory(job, outline, longest_row(report))
    return DryRun(
        job=job_text(job),
        folder=folder.path,
        notes=(*job_file.notes, *outline.loaded.notes),
        report=report,
        preview=preview,
        steps=steps,
        memory=estimate,
        disk_bytes=checkpoint_bytes(job, estimate, steps.total, folder),
        command=shown(*launch_command(job, job_file.path, overrides)),
        problems=_problems(job, estimate, steps, folder, settings.home),
    )


def _check_folder(job: JobConfig, folder: RunFolder) -> None:
    """Whether the run would find its folder free, or its own."""
    check_folder(job, folder)
    if folder.lock.is_file():
        with held(folder):
            return


def _read_data(
    job: JobConfig, outline: Outline, progress: Progress
) -> tuple[DataReport, tuple[PreviewRow, ...]]:
    builder = example_builder(job, outline.loaded)
    with TemporaryDirectory(prefix="glmcore-dry-run-") as folder:
        prepared = prepare_training(
            job.data, builder, outline.loaded.template_hash, job.devices.seed, Path(folder), progress
        )
        return prepared.report, tuple(preview_rows(job.data, builder, PREVIEWED))


def _problems(
    job: JobConfig, estimate: MemoryEstimate, steps: Steps, folder: RunFolder, home: Path
) -> tuple[GlmcoreError, ...]:
    found: list[GlmcoreError] = []
    try:
        check_memory(estimate)
    except NotEnoughMemoryError as problem:
        found.append(naming_holders(problem, home, estimate.device))
    try:
        check_disk(job, estimate, steps.total, folder)
    except GlmcoreError as problem:
        found.append(problem)
    return tuple(found)
