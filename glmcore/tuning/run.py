"""A run as a process: `accelerate launch -m glmcore.tuning.run JOB.yaml [key=value …]` starts one per GPU.

`python -m glmcore train` calls the same where one process is enough. Exit codes: 0 finished or stopped, 2 an
error of the user's, 130 and 143 ended by Ctrl+C or SIGTERM. While the steps last the first of these is a
request only: the run saves, stops and ends with 0.
"""

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from glmcore.core.errors import ConfigError, GlmcoreError
from glmcore.core.i18n import mark, terminal_language, translate, translate_error
from glmcore.core.notes import Note
from glmcore.core.settings import Settings, load_settings
from glmcore.models.progress import Progress
from glmcore.tuning.ending import ending_lines
from glmcore.tuning.job_config import JobFile, read_job

EXIT_ERROR, EXIT_INTERRUPTED = 2, 130
ENDED_BY_SIGNAL = 128  # a shell adds the number of the signal
FIRST_SPEAKS_SECONDS = 5.0  # in which a launcher has ended the others
ENDED = mark("Ended by {signal}; the same command goes on from the last checkpoint, if there is one.")


def main(argv: Sequence[str] | None = None) -> int:
    """Take part in a run; gives the exit code. Only the first process tells how it goes."""
    language = terminal_language()
    try:
        settings = load_settings()
        if settings.language != "auto":
            language = settings.language
        job_file = read_job(*split_arguments(sys.argv[1:] if argv is None else argv))
        return run_job(job_file, settings, language, _lines_of_stages(language), _tell)
    except GlmcoreError as error:
        if not _is_first():
            time.sleep(FIRST_SPEAKS_SECONDS)  # a fault of all is said once
        _tell(translate_error(error, language))
        return EXIT_ERROR
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def run_job(
    job_file: JobFile, settings: Settings, language: str, progress: Progress, tell: Callable[[str], None]
) -> int:
    """Train in this process, and say on stdout how it ended; gives the exit code.

    Args:
        progress, tell: take what there is to know meanwhile; not called but in the first process.

    Raises:
        GlmcoreError: the run cannot begin or go on.
    """
    if not _is_first():
        progress, tell = lambda stage, fraction: None, lambda text: None

    def say(note: Note) -> None:
        tell(translate_note(note, language))

    for note in job_file.notes:
        say(note)
    with _ended_by_signals(language):
        quiet_libraries()
        from glmcore.tuning.training.train import train

        outcome = train(job_file, settings, progress, say)
        _leave_the_others()
    if _is_first():
        for line in ending_lines(outcome.state, outcome.folder, job_file.config, language):
            print(line)
    return 0


def split_arguments(arguments: Sequence[str]) -> tuple[Path | None, Sequence[str]]:
    """The job file, which may be missing, and what changes it.

    Raises:
        ConfigError: there is neither.
    """
    if not arguments:
        raise ConfigError("No job is named; expected a job file such as configs/demo.yaml, or key=value.")
    first = arguments[0]
    if first.startswith("-") or ("=" in first and not os.path.isfile(first)):
        return None, arguments
    return Path(first), arguments[1:]


def is_launched() -> bool:
    """Whether this process is one of those that a launcher started."""
    return "RANK" in os.environ or "WORLD_SIZE" in os.environ


def translate_note(note: Note, language: str) -> str:
    return translate(note.template, language).format(**note.values)


def quiet_libraries() -> None:
    """Keep the libraries' notes for developers out of the terminal; to be called before they are imported."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # said, so that it does not warn after a fork
    # peft asks transformers 5.23 for a name that transformers 6 will not have.
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


@contextmanager
def _ended_by_signals(language: str) -> Iterator[None]:
    """While this lasts a signal ends the process; the trainer listens itself while its steps last.

    At once, as kill -9 would: what is half is not gone on from, and an exception that comes while a library
    is imported is lost in it (numpy ends in a RecursionError).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, frame: Any) -> None:
        if _is_first():
            text = translate(ENDED, language).format(signal=signal.Signals(number).name)
            os.write(2, f"\n{text}\n".encode())  # stderr may be in the middle of a print
        os._exit(ENDED_BY_SIGNAL + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_the_others() -> None:
    """Not after a fault: who still waits for an answer of the others would hang here."""
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _is_first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _lines_of_stages(language: str) -> Progress:
    """A line per stage: several processes write to this terminal, so that none is written anew."""
    told: list[str] = []

    def show(stage: str, fraction: float | None) -> None:
        if [stage] != told:
            told[:] = [stage]
            _tell(translate(stage, language))

    return show


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
