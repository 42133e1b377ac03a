"""The forms of logs that are read: how each is told, which files belong to it, who parses it."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from glmcore.curves.logs.csv_log import CsvLog, looks_like_csv_log
from glmcore.curves.logs.event_file import EventFile
from glmcore.curves.logs.json_lines import JsonLines
from glmcore.curves.logs.parsing import Parser
from glmcore.curves.logs.text_log import TextLog, looks_like_text_log
from glmcore.curves.metric_names import STEP_KEYS

PEEK_BYTES = 256 << 10
FIRST_LINES = 20
LOOKS, LOOK_BYTES = 8, 4 << 10  # around what looks like a loss: thousands of texts are looked into in seconds
METRICS, TRAINER_LOG, TRAINER_STATE = "metrics.jsonl", "trainer_log.jsonl", "trainer_state.json"
_EVENTS = re.compile(r".*\.tfevents\..+", re.DOTALL)
_ROTATED = re.compile(r"\.(\d{1,4})")
_ENDINGS = (".jsonl", ".ndjson", ".csv", ".tsv", ".log", ".out", ".err", ".txt", "nohup")
_JSON_LINES = re.compile(
    r".*(metric|log|scalar|history|progress|loss).*\.(jsonl|ndjson)", re.IGNORECASE | re.DOTALL
)
_CSV = re.compile(
    r".*(metric|log|scalar|history|progress|result|loss).*\.(csv|tsv)", re.IGNORECASE | re.DOTALL
)
_TEXT = re.compile(
    r".*\.(log|out|err)|(.*log|.*train.*|stdout|stderr|nohup|output)\.txt|nohup", re.IGNORECASE | re.DOTALL
)
_STEP_IN_JSON = re.compile(rb'"(?:' + "|".join(STEP_KEYS).encode() + rb'|epoch)"\s*:\s*"?[-\d]')
_LOSS_IN_TEXT = re.compile(rb"""['"][\w/-]{0,60}loss[\w/-]{0,60}['"] {0,4}:""")
_LOSS_IN_JSON = re.compile(rb'"(?:[\w/]{0,40}[_/])?loss"\s*:\s*"?[-\d]')


class Form(StrEnum):
    """Named as people know them. The order is that of trust where a folder holds several."""

    METRICS = METRICS
    TRAINER_LOG = TRAINER_LOG
    TRAINER_STATE = TRAINER_STATE
    EVENTS = "TensorBoard"
    JSON_LINES = "JSON lines"
    CSV = "CSV"
    TEXT = "text log"


PARSERS: Mapping[Form, Callable[[Mapping[str, Any] | None], Parser]] = {
    Form.METRICS: JsonLines,
    Form.TRAINER_LOG: JsonLines,
    Form.JSON_LINES: JsonLines,
    Form.EVENTS: EventFile,
    Form.CSV: CsvLog,
    Form.TEXT: TextLog,
}

# Events are taken apart by objects of Python, which weigh more than the points.
CHUNK_BYTES: Mapping[Form, int] = {Form.EVENTS: 256 << 10}


@dataclass(frozen=True, slots=True)
class LogRef:
    """A log that was found: its form and where it lies (for TensorBoard, the folder of its event files)."""

    form: Form
    path: Path

    def list_files(self) -> Sequence[Path]:
        """Its files as they are now, in the order they were written."""
        if self.form is Form.EVENTS:
            return _event_files(self.path)
        if self.form is Form.TRAINER_STATE:
            return _trainer_states(self.path)
        return [*_rotated(self.path), self.path]


def form_by_name(name: str) -> Form | None:
    """The form of a file that its name alone tells."""
    if name in (METRICS, TRAINER_LOG, TRAINER_STATE):
        return Form(name)
    return Form.EVENTS if ".tfevents." in name and _EVENTS.fullmatch(name) else None


def may_be_log(name: str) -> bool:
    """Whether a look into a file of this name is worth while, when folders are walked through."""
    if form_by_name(name):
        return True
    is_likely = name.lower().endswith(_ENDINGS)  # told quickly, of a million files too
    return is_likely and any(pattern.fullmatch(name) for pattern in (_JSON_LINES, _CSV, _TEXT))


def form_by_content(path: Path, *, any_name: bool = False) -> Form | None:
    """The form of a file by a look at its beginning and end.

    Args:
        any_name: the file was pointed at, so that its name need not look like a log's.

    Raises:
        OSError: it cannot be read.
    """
    head, tail = _peek(path)
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not head:
        return None
    name = path.name
    beginning = b"\n".join(head.split(b"\n", FIRST_LINES)[:FIRST_LINES])
    if head.startswith(b"{"):
        if any_name and b'"log_history"' in head:
            return Form.TRAINER_STATE
        if (any_name or _JSON_LINES.fullmatch(name)) and _is_json_lines(beginning, any_name=any_name):
            return Form.JSON_LINES
    if (any_name or _CSV.fullmatch(name)) and looks_like_csv_log(beginning):
        return Form.CSV
    if (any_name or _TEXT.fullmatch(name)) and (_has_text_rows(head) or _has_text_rows(tail)):
        return Form.TEXT
    return None


def _has_text_rows(part: bytes) -> bool:
    at = 0
    for _ in range(LOOKS if b"loss" in part else 0):  # told fifty times faster than by the expression
        found = _LOSS_IN_TEXT.search(part, at)
        if found is None:
            return False
        at = found.end() + LOOK_BYTES
        if looks_like_text_log(part[max(0, found.start() - LOOK_BYTES) : at]):
            return True
    return False


def _is_json_lines(beginning: bytes, *, any_name: bool) -> bool:
    """Whether a line names a step, or at least a loss where the file was pointed at."""
    wanted = (_STEP_IN_JSON, _LOSS_IN_JSON) if any_name else (_STEP_IN_JSON,)
    lines = [line for line in beginning.splitlines() if line.lstrip().startswith(b"{")]
    return any(pattern.search(line) for line in lines for pattern in wanted)


def _peek(path: Path) -> tuple[bytes, bytes]:
    with path.open("rb") as file:
        head = file.read(PEEK_BYTES)
        size = os.fstat(file.fileno()).st_size
        file.seek(max(len(head), size - PEEK_BYTES))
        return head, file.read(PEEK_BYTES)


def _event_files(path: Path) -> list[Path]:
    """By name, which begins with the time a file was begun."""
    if os.path.isfile(path):
        return [path]
    return [path / name for name in sorted(_names(path)) if _EVENTS.fullmatch(name)]


def _trainer_states(path: Path) -> list[Path]:
    """That of the folder and those of its checkpoints; the file itself where one was pointed at."""
    if os.path.isfile(path):
        return [path]
    checkpoints = [path / name for name in sorted(_names(path)) if name.startswith("checkpoint-")]
    candidates = [folder / TRAINER_STATE for folder in (path, *checkpoints)]
    return [file for file in candidates if os.path.isfile(file)]


def _rotated(path: Path) -> list[Path]:
    """`log.2`, `log.1` beside a `log`, the oldest first."""
    if not os.path.exists(f"{path}.1"):
        return []
    numbers = [
        int(found[1])
        for name in _names(path.parent)
        if name.startswith(path.name) and (found := _ROTATED.fullmatch(name.removeprefix(path.name)))
    ]
    return [path.with_name(f"{path.name}.{number}") for number in sorted(set(numbers), reverse=True)]


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:  # gone meanwhile; said by whoever reads the files
        return []
