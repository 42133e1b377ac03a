"""What a check finds, made without a model."""

from dataclasses import replace
from pathlib import Path

from glmcore.core.notes import Note
from glmcore.tuning.data.report import DataReport, FileReport, Lengths
from glmcore.tuning.planning.dry_run_report import DryRun
from glmcore.tuning.planning.memory import PARTS, MemoryEstimate
from glmcore.tuning.planning.steps import Steps
from glmcore.tuning.preview import Piece, PreviewRow

MIB = 2**20


def lengths(suggested: int) -> Lengths:
    bins = ((0, 9, 3), (10, 19, 5), (20, 400, 1))
    return Lengths(mean=12.0, median=11, share_99=19, longest=400, suggested_limit=suggested, bins=bins)


def file_report(name: str = "rows.jsonl", num_rows: int = 9, **values) -> FileReport:
    return FileReport(
        file=name,
        sha256="",
        num_rows=num_rows,
        num_examples=num_rows,
        num_tokens=100,
        num_learnt_tokens=40,
        num_cut_turns=0,
        num_cut_answers=0,
        prompts=lengths(24),
        answers=lengths(16),
        limits=(512, 256),
        **values,
    )


def dry_run(num_rows: int = 9, *, problems=(), notes: tuple[Note, ...] = (), **report) -> DryRun:
    parts = dict.fromkeys(PARTS, 10 * MIB)
    memory = MemoryEstimate(
        model="tiny",
        device="cpu",
        free=1000 * MIB,
        tokens=35,
        loading=0,
        checkpoint_bytes=MIB,
        num_trainable=1000,
        num_parameters=100_000,
        **parts,
    )
    pieces = (Piece("<b>ask\n", (1, 2), False), Piece("<script>answer", (3,), True))
    found = DataReport(
        files=(file_report(num_rows=num_rows),), num_training=num_rows, num_validation=1, is_split=True
    )
    return DryRun(
        job="",
        folder=Path("none"),
        notes=notes,
        report=replace(found, **report),
        preview=(PreviewRow(1, pieces, 0, False),),
        steps=Steps(6, 3),
        memory=memory,
        disk_bytes=2 * MIB,
        command="",
        problems=tuple(problems),
    )
