"""Data files as token ids on disk: read, tokenised and written in one pass, in memory that does not grow.

What was prepared once is taken again, as when a run goes on, while nothing that it depends on has changed.
"""

import errno
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from glmcore.core.errors import DataError, StorageError
from glmcore.core.i18n import mark
from glmcore.core.messages import Message
from glmcore.models.progress import Progress
from glmcore.tuning.data.columns import Columns, find_columns
from glmcore.tuning.data.conversations import Conversation, read_conversation
from glmcore.tuning.data.example_file import Counts, ExampleFile
from glmcore.tuning.data.near_duplicates import DuplicateCounter
from glmcore.tuning.data.report import DataReport, FileReport
from glmcore.tuning.data.rows import iter_rows, read_names
from glmcore.tuning.data.tokens import Example, ExampleBuilder, TooLong
from glmcore.tuning.job_config.fields import DataConfig
from glmcore.tuning.run_folder import read_whole, write_whole

if TYPE_CHECKING:
    from datasets import Dataset

READING = mark("Reading the data")
COMPARING = mark("Comparing training and validation rows")
ROWS_FILE, REPORT_FILE = "rows.arrow", "report.json"
ROWS_AT_ONCE = 1000
VERSION = 2  # of what is written; another number makes old files useless
SETTINGS = (  # of the job, that the examples of a file depend on
    "prompt_column",
    "response_column",
    "history_column",
    "messages_column",
    "source_prefix",
    "encoding",
    "max_input_length",
    "max_output_length",
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Examples of a run: ids, learnt spans, and the texts of the last question and answer."""

    train: "Dataset"
    validation: "Dataset | None"
    report: DataReport


def prepare_training(
    data: DataConfig, builder: ExampleBuilder, template_hash: str, seed: int, folder: Path, progress: Progress
) -> Prepared:
    """The training and validation rows of a job.

    Args:
        template_hash: of the prompts and the vocabulary.
        folder: where prepared rows are kept.

    Raises:
        DataError: a file is missing or broken, or nothing in it can be learnt.
        StorageError: the disk is full.
    """
    assert data.train_file is not None  # `check_job` says it
    work = _Work(data, builder, template_hash, folder, progress)
    train, of_train = work.prepare(data.train_file, data.max_train_samples)
    files = [of_train]
    validation, is_split = None, False
    if data.validation_file:
        validation, of_validation = work.prepare(data.validation_file, data.max_eval_samples)
        files.append(of_validation)
    elif data.validation_share and (picked := _picked(train, data.validation_share, seed)):
        chosen = set(picked)
        validation = train.select(picked[: data.max_eval_samples])
        train = train.select([index for index in range(len(train)) if index not in chosen])
        is_split = True
    report = DataReport(
        files=tuple(files),
        num_training=len(train),
        num_validation=len(validation) if validation else 0,
        is_split=is_split,
    )
    return Prepared(train, validation, _compared(report, train, validation, progress))


def prepare_test(
    data: DataConfig, builder: ExampleBuilder, template_hash: str, folder: Path, progress: Progress
) -> "tuple[Dataset, FileReport]":
    """The rows that `predict` answers. Raises as `prepare_training`."""
    if data.test_file is None:
        raise DataError("The job names no test_file; set one, e.g. test_file=questions.jsonl.")
    work = _Work(data, builder, template_hash, folder, progress)
    return work.prepare(data.test_file, data.max_predict_samples)


def iter_examples(
    data: DataConfig, builder: ExampleBuilder, path: Path, limit: int | None, dropped: Counter[str]
) -> Iterator[Example | TooLong]:
    """What becomes of the rows of a file, in their order; counts those that are left out."""
    columns = find_columns(read_names(path, data.encoding), data, path)
    builder = replace(builder, learns_last_only=columns.history is not None)
    return builder.build(_iter_conversations(data, columns, path, limit, dropped))


def _iter_conversations(
    data: DataConfig, columns: Columns, path: Path, limit: int | None, dropped: Counter[str]
) -> Iterator[tuple[int, Sequence[Message]]]:
    for row in iter_rows(path, data.encoding, limit):
        dropped["rows"] += 1
        where = f"{path}: row {row.number}"
        found = read_conversation(row.values, columns, data.source_prefix, where)
        if isinstance(found, Conversation):
            yield row.number, found.messages
        else:
            dropped[found.value] += 1


@dataclass(frozen=True, slots=True)
class _Work:
    data: DataConfig
    builder: ExampleBuilder
    template_hash: str
    folder: Path
    progress: Progress

    def prepare(self, path: Path, limit: int | None) -> "tuple[Dataset, FileReport]":
        """The examples of a file, from an earlier run where they are the same."""
        from datasets import Dataset

        next(iter_rows(path, self.data.encoding, 1))  # says what is wrong with a file that is none
        sha256 = _sha256(path)
        target = self.folder / self._key(sha256, limit)
        if not read_whole(target / REPORT_FILE):
            shutil.rmtree(target, ignore_errors=True)  # of a process that was killed
            try:
                target.mkdir(parents=True)
                report = self._write(path, limit, sha256, target / ROWS_FILE)
                write_whole(target / REPORT_FILE, report.to_dict())
            except OSError as fault:
                raise _disk_fault(target, fault) from fault
        report = FileReport.from_dict(read_whole(target / REPORT_FILE))
        return Dataset.from_file(str(target / ROWS_FILE)), replace(report, file=path.name)

    def _key(self, sha256: str, limit: int | None) -> str:
        """A name that tells whether prepared rows are still right."""
        settings = {name: getattr(self.data, name) for name in SETTINGS}
        made = [VERSION, sha256, limit, self.template_hash, settings]
        return hashlib.sha256(json.dumps(made).encode()).hexdigest()[:16]

    def _write(self, path: Path, limit: int | None, sha256: str, target: Path) -> FileReport:
        """Write the examples of a file and say what became of its rows."""
        counts = Counts()
        examples = iter_examples(self.data, self.builder, path, limit, counts.dropped)
        with ExampleFile(target) as file:
            for made in examples:
                counts.add(made)
                if isinstance(made, Example):
                    file.add(made)
                if counts.num_examples % ROWS_AT_ONCE == 0:
                    self.progress(READING, None)
        if not counts.num_examples:
            raise DataError(
                "{path}: nothing in it can be learnt: of {rows} rows {dropped} were left out as empty, "
                "{long} as longer than max_input_length {limit}. Set the columns, or the limit.",
                path=path,
                rows=counts.dropped["rows"],
                dropped=sum(counts.dropped.values()) - counts.dropped["rows"] - counts.dropped["too_long"],
                long=counts.dropped["too_long"],
                limit=self.data.max_input_length,
            )
        return counts.report(path, sha256, (self.data.max_input_length, self.data.max_output_length))


def _picked(examples: "Dataset", share: float, seed: int) -> list[int]:
    """Examples for validation: the same for the same rows and seed; those of one text stay together."""
    keys = np.empty(len(examples), dtype=np.uint64)
    number, key = -1, 0
    for index, (of_row, text) in enumerate(_iter_texts(examples)):
        if of_row != number:  # a conversation's examples stay together
            number, key = of_row, _hash(f"{seed}\n{text}")
        keys[index] = key
    distinct = np.unique(keys)
    wanted = min(max(1, round(share * len(distinct))), len(distinct) - 1)
    return [int(index) for index in np.flatnonzero(np.isin(keys, distinct[:wanted]))]


def _compared(
    report: DataReport, train: "Dataset", validation: "Dataset | None", progress: Progress
) -> DataReport:
    """With the rows that are there twice, or nearly so in both data sets."""
    progress(COMPARING, None)
    counter = DuplicateCounter()
    for number, text in _iter_texts(validation) if validation else ():
        counter.add_validation(number, text)
    for number, text in _iter_texts(train):
        counter.add_training(number, text)
    found = counter.count()
    return replace(
        report,
        num_duplicates=found.in_training,
        num_near_duplicates=found.near,
        near_duplicates=found.examples,
    )


def _iter_texts(examples: "Dataset") -> Iterator[tuple[int, str]]:
    """Row number and text of each example."""
    names = ["number", "earlier", "prompt", "answer"]
    for batch in examples.select_columns(names).iter(ROWS_AT_ONCE):
        for number, *parts in zip(*(batch[name] for name in names), strict=True):
            yield number, "\n".join(part for part in parts if part)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _disk_fault(target: Path, fault: OSError) -> StorageError:
    if fault.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(
            "The disk of {folder} is full, so the rows cannot be prepared there; free some space, or set "
            "output_dir to a folder on another disk.",
            folder=target,
        )
    return StorageError(
        "{folder} cannot be written: {fault}; set output_dir to a folder that can be.",
        folder=target,
        fault=fault.strerror or fault,
    )
