"""Examples written to disk as they come, and counted."""

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

from glmcore.tuning.data.lengths import LengthHistogram, suggest_cutoff
from glmcore.tuning.data.report import FileReport, Lengths, dropped_counts
from glmcore.tuning.data.tokens import Example, TooLong

ROWS_AT_ONCE = 1000
HISTOGRAM_BINS = 30


class ExampleFile:
    """An Arrow stream that `datasets.Dataset.from_file` maps into memory."""

    def __init__(self, path: Path) -> None:
        import pyarrow

        self._path = path
        self._waiting: list[Example] = []
        self._schema = pyarrow.schema(
            {
                "number": pyarrow.int64(),
                "ids": pyarrow.list_(pyarrow.int32()),
                "learnt": pyarrow.list_(pyarrow.int32()),  # start and stop of each span
                "earlier": pyarrow.large_string(),
                "prompt": pyarrow.large_string(),
                "answer": pyarrow.large_string(),
            }
        )

    def __enter__(self) -> "ExampleFile":
        import pyarrow

        self._writer: Any = pyarrow.ipc.new_stream(str(self._path), self._schema)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()

    def add(self, example: Example) -> None:
        self._waiting.append(example)
        if len(self._waiting) >= ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        columns = {
            "number": [example.number for example in self._waiting],
            "ids": [example.ids for example in self._waiting],
            "learnt": [[end for span in example.learnt for end in span] for example in self._waiting],
            "earlier": [example.earlier for example in self._waiting],
            "prompt": [example.prompt for example in self._waiting],
            "answer": [example.answer for example in self._waiting],
        }
        self._writer.write_batch(pyarrow.record_batch(columns, schema=self._schema))
        self._waiting = []


class Counts:
    """What is counted while the rows of a file go by."""

    def __init__(self) -> None:
        self.dropped: Counter[str] = Counter()
        self.prompts, self.answers = LengthHistogram(), LengthHistogram()
        self.num_examples = self.num_tokens = self.num_learnt = self.num_cut_turns = self.num_cut_answers = 0

    def add(self, made: Example | TooLong) -> None:
        self.prompts.add(made.whole_prompt_length)
        if isinstance(made, TooLong):
            self.dropped["too_long"] += 1
            return
        self.answers.add(made.whole_answer_length)
        self.num_examples += 1
        self.num_tokens += len(made.ids)
        self.num_learnt += sum(stop - start for start, stop in made.learnt)
        self.num_cut_turns += made.cut_turns > 0
        self.num_cut_answers += made.is_answer_cut

    def report(self, path: Path, sha256: str, limits: tuple[int, int]) -> FileReport:
        return FileReport(
            file=path.name,
            sha256=sha256,
            num_rows=self.dropped["rows"],
            num_examples=self.num_examples,
            num_tokens=self.num_tokens,
            num_learnt_tokens=self.num_learnt,
            num_cut_turns=self.num_cut_turns,
            num_cut_answers=self.num_cut_answers,
            dropped=dropped_counts(self.dropped),
            prompts=_lengths(self.prompts),
            answers=_lengths(self.answers),
            limits=limits,
        )


def _lengths(histogram: LengthHistogram) -> Lengths:
    return Lengths(
        mean=round(histogram.mean, 1),
        median=histogram.percentile(50),
        share_99=histogram.percentile(99),
        longest=histogram.percentile(100),
        suggested_limit=suggest_cutoff(histogram),
        bins=tuple((one.low, one.high, one.count) for one in histogram.bins(HISTOGRAM_BINS)),
    )
