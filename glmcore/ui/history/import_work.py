"""One import on its way: the file is read, looked at by somebody, and imported; each in a thread of its own.

The page follows it by a ticket, so that neither a rerun nor a reload stops it, and a second press starts
nothing anew.
"""

import logging
import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory

import streamlit as st

from glmcore.core.errors import DataError, GlmcoreError, StorageError
from glmcore.history.carry import ImportPreview, ImportReport

KEPT = 20  # imports that nobody works on; each may hold a file in the temporary folder
LONGEST_NAME = 80  # characters

_logger = logging.getLogger(__name__)


class Stage(StrEnum):
    READING = "reading"
    READ = "read"
    IMPORTING = "importing"
    DONE = "done"
    FAILED = "failed"

    @property
    def is_busy(self) -> bool:
        return self in (Stage.READING, Stage.IMPORTING)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportState:
    """How far it is.

    Attributes:
        name: of the file.
        preview: of what was read.
        num_done: conversations of it that are imported, or known.
        tag: that all imported conversations get; empty for none.
        error: why it could not be read, or why the import broke off.
    """

    name: str
    stage: Stage = Stage.READING
    preview: ImportPreview | None = None
    num_done: int = 0
    report: ImportReport | None = None
    tag: str = ""
    error: GlmcoreError | None = None


Read = Callable[[], ImportPreview]
CarryOut = Callable[[ImportPreview, bool, str, Callable[[int], None]], ImportReport]


class ImportWork:
    """For any thread."""

    def __init__(self, name: str, read: Read, carry_out: CarryOut) -> None:
        self._lock = threading.Lock()
        self._read, self._carry_out = read, carry_out
        self._state = ImportState(name=name)
        self._begin(lambda: replace(self._state, stage=Stage.READ, preview=self._read()))

    @property
    def state(self) -> ImportState:
        return self._state

    def carry_out(self, *, skip_problems: bool, tag: str = "") -> None:
        """Import what was read, once; nothing happens when that has begun."""
        with self._lock:
            state, preview = self._state, self._state.preview
            if state.stage is not Stage.READ or preview is None:
                return
            self._state = replace(state, stage=Stage.IMPORTING, tag=tag, num_done=0, error=None)
        self._begin(lambda: self._imported(preview, skip_problems, tag))

    def close(self) -> None:
        """Remove what was read; for one that is not busy."""
        if self._state.preview is not None:
            self._state.preview.close()

    def _imported(self, preview: ImportPreview, skip_problems: bool, tag: str) -> ImportState:
        report = self._carry_out(preview, skip_problems, tag, self._tell)
        preview.close()
        return replace(self._state, stage=Stage.DONE, report=report)

    def _tell(self, num_done: int) -> None:
        self._state = replace(self._state, num_done=num_done)

    def _begin(self, work: Callable[[], ImportState]) -> None:
        threading.Thread(target=self._work, args=(work,), name="history-import", daemon=True).start()

    def _work(self, work: Callable[[], ImportState]) -> None:
        try:
            self._state = work()
        except GlmcoreError as error:
            self._fail(error)
        except Exception as fault:
            _logger.exception("An import broke off")
            broke = DataError(
                "The import broke off, which is a fault of this program: {fault}.", fault=repr(fault)
            )
            self._fail(broke)

    def _fail(self, error: GlmcoreError) -> None:
        """What was read can be imported again: what is here by now is known then."""
        stage = Stage.FAILED if self._state.preview is None else Stage.READ
        self._state = replace(self._state, stage=stage, error=error)


class Imports:
    """The imports of a server, by their tickets."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._works: OrderedDict[str, ImportWork] = OrderedDict()

    def add(self, work: ImportWork) -> str:
        ticket = secrets.token_urlsafe(16)
        with self._lock:
            self._works[ticket] = work
            idle = [key for key, each in self._works.items() if not each.state.stage.is_busy]
            old = [self._works.pop(key) for key in idle[:-KEPT]]
        for each in old:
            each.close()
        return ticket

    def find(self, ticket: str) -> ImportWork | None:
        with self._lock:
            return self._works.get(ticket)

    def forget(self, ticket: str) -> None:
        """Drop an import that is not busy."""
        with self._lock:
            work = self._works.get(ticket)
            if work is None or work.state.stage.is_busy:
                return
            del self._works[ticket]
        work.close()


@st.cache_resource(show_spinner=False)
def imports() -> Imports:
    return Imports()


class Upload:
    """An uploaded file as one on the disk, which `read_import` wants; gone when it was read."""

    def __init__(self, name: str, content: bytes | memoryview) -> None:
        try:
            self._folder = TemporaryDirectory(prefix="glmcore-import-")
            self.path = Path(self._folder.name, _safe_name(name))
            self.path.write_bytes(content)
        except OSError as fault:
            raise StorageError(
                "The uploaded file could not be kept while it is read ({fault}); free some space.",
                fault=fault.strerror or fault,
            ) from fault

    def remove(self) -> None:
        self._folder.cleanup()


def _safe_name(name: str) -> str:
    """The last part of a name, without what a file system could take for something else."""
    return re.sub(r"[^\w.()+-]+", "_", re.split(r"[\\/]", name)[-1])[-LONGEST_NAME:].strip("._") or "file"
