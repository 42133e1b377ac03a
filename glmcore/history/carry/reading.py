"""Reads a file to be imported and tells what is in it; the store is only looked at."""

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from glmcore.core.errors import DataError, GlmcoreError
from glmcore.core.notes import Note
from glmcore.history.carry.fields import Fields
from glmcore.history.carry.files import MAX_BYTES, opened
from glmcore.history.carry.fingerprints import fingerprint, hashes_of
from glmcore.history.carry.forms import READERS, form_of
from glmcore.history.carry.items import Item, iter_items
from glmcore.history.carry.known import Known
from glmcore.history.carry.spool import Arrived, Batch, Spool
from glmcore.history.carry.turns import OWN_KEY
from glmcore.history.store import HistoryStore

NUM_SAMPLES = 5
TOLD_PROBLEMS = 1_000


@dataclass(frozen=True, slots=True)
class ImportProblem:
    """Why something of a file cannot be taken; `place` is a line, or the number of a conversation."""

    place: Note
    error: GlmcoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPreview:
    """What a file holds.

    Attributes:
        form: a key of `IMPORT_FORMS`.
        num_conversations: that can be taken; `num_known` of them are here already.
        num_empty: others, in which nothing is said; they are passed over.
        samples: some of the titles.
        problems: the first ones of `num_problems`.
        spool: what was read, for `carry_out`.
    """

    form: str
    num_conversations: int
    num_messages: int
    num_known: int
    num_empty: int
    samples: tuple[str, ...]
    problems: tuple[ImportProblem, ...]
    num_problems: int
    spool: Spool = field(repr=False)

    def close(self) -> None:
        """Give the space on the disk back at once; it cannot be carried out any more."""
        self.spool.close()


def read_import(
    store: HistoryStore,
    owner: str,
    path: Path,
    *,
    max_bytes: int = MAX_BYTES,
    spool_folder: Path | None = None,
) -> ImportPreview:
    """Read a file of any form of `IMPORT_FORMS`, or a .zip with one.

    Args:
        spool_folder: for what was read, until the preview is let go; by default the system's own.

    Raises:
        DataError: nothing in the file can be taken, or it is too large.
    """
    reading = _Reading(store, owner, Spool(spool_folder))
    with opened(path, max_bytes) as (name, pieces):
        for item in iter_items(name, pieces):
            reading.take(item)
    reading.look_for_known()
    if reading.form is None:
        raise _nothing_found(path.name, reading.problems)
    return ImportPreview(
        form=reading.form,
        num_conversations=reading.spool.num_conversations,
        num_messages=reading.spool.num_messages,
        num_known=reading.num_known,
        num_empty=reading.num_empty,
        samples=tuple(reading.samples),
        problems=tuple(reading.problems),
        num_problems=reading.num_problems,
        spool=reading.spool,
    )


class _Reading:
    """What has been found so far."""

    def __init__(self, store: HistoryStore, owner: str, spool: Spool) -> None:
        self._store, self._known, self._batch = store, Known(owner), Batch()
        self.spool = spool
        self.form: str | None = None
        self.num_known = self.num_empty = self.num_problems = 0
        self.samples: list[str] = []
        self.problems: list[ImportProblem] = []

    def take(self, item: Item) -> None:
        try:
            arrived = self._read(item)
        except DataError as fault:
            self.num_problems += 1
            if len(self.problems) < TOLD_PROBLEMS:
                self.problems.append(ImportProblem(item.place, fault))
            return
        if not arrived.whole.messages and not item.is_ours:
            self.num_empty += 1
            return
        self._batch.add(arrived, self.spool.add(arrived))
        if self._batch.is_full:
            self.look_for_known()
        title = arrived.whole.conversation.title
        if len(self.samples) < NUM_SAMPLES and title not in self.samples:
            self.samples.append(title)

    def look_for_known(self) -> None:
        """Count those that are here already, of the conversations since this was last called."""
        with self._store.database.reading() as connection:
            self.num_known += self._known.fates(connection, self._batch.conversations).count("known")
        self._batch = Batch()

    def _read(self, item: Item) -> Arrived:
        if item.fault is not None:
            raise item.fault
        of = Fields(item.value)
        form = "json" if item.is_ours else form_of(of)
        if form is None:
            raise DataError(
                "found an object with {names}; expected a conversation with messages, conversations, "
                "mapping or chat.",
                names=", ".join(repr(name[:20]) for name in islice(of.values, 5)) or "{}",
            )
        self.form = self.form or form
        whole = READERS[form](of)
        said = fingerprint(hashes_of(whole.messages))
        return Arrived(whole, said, has_own_id=item.is_ours or of.values.get(OWN_KEY) is not None)


def _nothing_found(name: str, problems: list[ImportProblem]) -> DataError:
    if not problems:
        return DataError("{name} is empty; choose a file with conversations.", name=name)
    return DataError(
        "{name} has no conversation that can be imported: {fault} Expected an export of this program, "
        "ShareGPT, OpenAI messages, ChatGPT or Open WebUI.",
        name=name,
        fault=problems[0].error,
    )
