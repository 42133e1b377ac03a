"""What a dry run found, and that as text for a terminal in its reader's language."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glmcore.core.errors import GlmcoreError
from glmcore.core.i18n import mark, translate, translate_error
from glmcore.core.notes import Note
from glmcore.models.places.devices import GIB
from glmcore.tuning.data.report import DataReport, FileReport
from glmcore.tuning.planning.memory import PARTS, MemoryEstimate
from glmcore.tuning.planning.steps import Steps
from glmcore.tuning.preview import PreviewRow, shown_pieces

HEADINGS = {
    "job": mark("The job"),
    "data": mark("The data"),
    "preview": mark("The first rows; ⟦what stands in brackets⟧ is learnt"),
    "run": mark("The run"),
    "memory": mark("Memory in GiB, with rows of {tokens} tokens"),
    "command": mark("The command"),
    "problems": mark("It would not begin"),
}
ROWS = mark("{file}: {rows} rows, {examples} examples, {tokens} tokens, {learnt} of them learnt")
LENGTHS = mark(
    "tokens of a prompt: {prompt_mean:.0f} on average, {prompt_longest} at most; of an answer: "
    "{answer_mean:.0f} on average, {answer_longest} at most"
)
SETS = mark("{training} examples to learn, {validation} to evaluate on")
LEARNT = mark("{learnt:,} of {all:,} parameters learn ({share:.3f} %)")
STEPS = mark("{total} steps, {per_epoch} per pass over the data")
DISK = mark("checkpoints take up to {size:.2f} GiB of the disk, in {folder}")
LONGEST_SHOWN = 1000  # characters of a previewed row


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What is known before a run; with `problems` it would not begin."""

    job: str  # resolved, as a file
    folder: Path
    notes: tuple[Note, ...]
    report: DataReport
    preview: tuple[PreviewRow, ...]
    steps: Steps
    memory: MemoryEstimate
    disk_bytes: int  # of the checkpoints
    command: str
    problems: tuple[GlmcoreError, ...] = ()

    def text(self, language: str) -> str:
        """For a terminal."""
        return "\n".join(_lines(self, language))


def _lines(run: DryRun, language: str) -> Iterator[str]:
    """Headings and what stands under them."""

    def say(template: str, **values: Any) -> str:
        return translate(template, language).format(**values)

    yield f"== {say(HEADINGS['job'])}"
    yield run.job.rstrip()
    yield from ("! " + say(note.template, **note.values) for note in run.notes)
    yield f"\n== {say(HEADINGS['data'])}"
    for file in run.report.files:
        yield say(ROWS, **_counts(file))
        yield "  " + say(LENGTHS, **_lengths(file))
    yield say(SETS, training=run.report.num_training, validation=run.report.num_validation)
    yield from ("! " + say(note.template, **note.values) for note in run.report.notes)
    yield f"\n== {say(HEADINGS['preview'])}"
    for row in run.preview:
        text = shown_pieces(row.pieces)
        yield f"{row.number}: {text[:LONGEST_SHOWN]}{'…' if len(text) > LONGEST_SHOWN else ''}"
    yield f"\n== {say(HEADINGS['run'])}"
    learnt, total = run.memory.num_trainable, run.memory.num_parameters
    yield say(LEARNT, learnt=learnt, all=total, share=100 * learnt / total)
    yield say(STEPS, total=run.steps.total, per_epoch=run.steps.per_epoch)
    yield say(DISK, size=run.disk_bytes / GIB, folder=run.folder)
    yield f"\n== {say(HEADINGS['memory'], tokens=run.memory.tokens)}"
    for name, size in run.memory.parts.items():
        yield f"{size / GIB:9.2f}  {say(PARTS[name])}"
    yield say(run.memory.verdict.template, **run.memory.verdict.values)
    yield f"\n== {say(HEADINGS['command'])}"
    yield run.command
    if run.problems:
        yield f"\n== {say(HEADINGS['problems'])}"
        yield from (translate_error(problem, language) for problem in run.problems)


def _counts(file: FileReport) -> dict[str, Any]:
    return {
        "file": file.file,
        "rows": file.num_rows,
        "examples": file.num_examples,
        "tokens": file.num_tokens,
        "learnt": file.num_learnt_tokens,
    }


def _lengths(file: FileReport) -> dict[str, Any]:
    return {
        "prompt_mean": file.prompts.mean,
        "prompt_longest": file.prompts.longest,
        "answer_mean": file.answers.mean,
        "answer_longest": file.answers.longest,
    }
