"""A whole database in another one: equal, findable, or not there at all."""

import dataclasses
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select

from glmcore.core.errors import ConfigError, StorageError
from glmcore.core.messages import GenerationParams
from glmcore.history import ConversationFilter, HistoryStore, copying, open_history
from glmcore.history.copying import HISTORY, Part, copy_database
from glmcore.history.schema import conversations, judgements, messages, metadata
from glmcore.history.whole import whole_conversations
from glmcore.jobs import schema as jobs_schema
from glmcore.jobs.queue import open_queue
from glmcore.storage import Database
from glmcore.storage import copying as table_copying
from tests.history.conftest import OWNER, sqlite_file
from tests.postgres import fresh_database

JOBS = Part(
    ledger=jobs_schema.LEDGER,
    steps=jobs_schema.MIGRATIONS,
    tables=jobs_schema.metadata.sorted_tables,
)
EVERYTHING = ConversationFilter(shelf=None)


def fill(store: HistoryStore, facts) -> None:
    """Conversations in two languages with all that can belong to them."""
    for number, title in enumerate(("Rain", "下雨", "odd \x00 <b>'")):
        made = store.conversations.create(
            OWNER, model="tiny", title=title, params=GenerationParams(temperature=0.1 * (1 + number))
        )
        question = store.messages.add_question(OWNER, made.id, None, f"Why {title}?")
        for text in ("Because.", "因为。" * 1000):
            answer = store.messages.start_answer(OWNER, made.id, question.id)
            store.messages.finish_answer(OWNER, answer.id, text, facts)
        store.messages.start_answer(OWNER, made.id, question.id, content="half")
        store.tags.set(OWNER, made.id, ["weather", f"{number}"])
        values = {"message_id": answer.id, "conversation_id": made.id, "owner": OWNER}
        with store.database.writing() as connection:
            told = {"version": 1, "stars": number, "judged_at": 0.1, "repair": "Clouds."}
            connection.execute(insert(judgements).values(values | told))
    store.presets.save(OWNER, "mine", GenerationParams(), "Be kind.")


@pytest.fixture
def filled(store: HistoryStore, url: str, facts) -> str:
    fill(store, facts)
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield sqlite_file(tmp_path / "copied")
        return
    with fresh_database() as url:
        yield url


def copy(source: str, target: str, **values):
    return copy_database(source, target, [JOBS], values.get("progress", lambda done, total: None))


def everything(url: str) -> list[object]:
    store = open_history(url)
    try:
        with store.database.reading() as connection:
            rows = [sorted(map(repr, connection.execute(select(table)).all())) for table in HISTORY.tables]
        return [list(whole_conversations(store.database, OWNER, EVERYTHING)), rows]
    finally:
        store.close()


def test_copy_equals_its_source_which_is_untouched(filled: str, target: str) -> None:
    before, shown = everything(filled), []
    counts = copy(filled, target, progress=lambda done, total: shown.append((done, total)))
    assert everything(target) == before == everything(filled)
    assert (counts["conversations"], counts["messages"], counts["judgements"]) == (3, 12, 3)
    assert shown[-1] == (sum(counts.values()),) * 2 and "jobs" not in counts  # there are none in the source


def test_copy_goes_on_numbering_messages(filled: str, target: str) -> None:
    copy(filled, target)
    store = open_history(target)
    made = store.conversations.create(OWNER, model="tiny")
    added = store.messages.add_question(OWNER, made.id, None, "And now?")
    with store.database.reading() as connection:
        last = connection.execute(messages.select().order_by(messages.c.sequence.desc())).first()
    store.close()
    assert last is not None and last.id == added.id and last.sequence == 13


@pytest.mark.parametrize(("words", "is_found"), [("because", True), ("下雨", True), ("half", False)])
def test_copy_is_findable(words: str, is_found: bool, filled: str, target: str) -> None:
    copy(filled, target)
    store = open_history(target)
    found = store.search.find(OWNER, ConversationFilter(words=words))
    store.close()
    assert bool(found.hits) is is_found  # a running answer is made findable when it ends


def test_jobs_come_along(filled: str, target: str) -> None:
    queue = open_queue(filled)
    slot = {"host": "here", "device": "cpu:0", "job_id": "a"}
    with Database(filled).writing() as connection:
        connection.execute(jobs_schema.slots.insert().values(slot))
    queue.close()
    assert copy(filled, target)["job_slots"] == 1
    with Database(target).reading() as connection:
        assert dict(connection.execute(jobs_schema.slots.select()).one()._mapping) == slot


def test_there_and_back_is_the_same(filled: str, target: str, tmp_path: Path) -> None:
    back = sqlite_file(tmp_path / "back")
    copy(filled, target)
    copy(target, back)
    assert everything(back) == everything(filled)


def test_target_that_holds_something_is_refused(filled: str, target: str, facts) -> None:
    store = open_history(target)
    store.presets.save("bob", "his", GenerationParams(), "")
    store.close()
    before = everything(target)
    with pytest.raises(StorageError, match="is not empty: its table presets has 1 rows"):
        copy(filled, target)
    assert everything(target) == before


def test_what_ends_early_leaves_nothing_behind(filled: str, target: str) -> None:
    def stop(done: int, total: int) -> None:
        if done > 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(filled, target, progress=stop)
    assert not any(everything(target)[1])
    assert copy(filled, target)["conversations"] == 3


def test_difference_undoes_the_copy(filled: str, target: str, monkeypatch) -> None:
    def spoil(connection: Connection) -> None:
        connection.execute(messages.update().values(content="lost"))

    monkeypatch.setattr(copying, "index_all", spoil)
    with pytest.raises(StorageError, match="of 12 rows sent to the table messages, 12 arrived"):
        copy(filled, target)
    assert not any(everything(target)[1])


def test_batches_are_cut_by_rows_and_by_length(filled: str, target: str, monkeypatch) -> None:
    ends = [0]
    monkeypatch.setattr(table_copying, "ROWS_AT_ONCE", 5)
    monkeypatch.setattr(table_copying, "CHARACTERS_AT_ONCE", 2900)
    copy(filled, target, progress=lambda done, total: ends.append(done))
    sizes = {end - begin for begin, end in pairwise(ends)}
    assert max(sizes) == 5 and len(sizes) > 1  # the long answers end a batch early
    assert everything(target) == everything(filled)


def test_source_of_another_version_is_refused(filled: str, tmp_path: Path) -> None:
    target = sqlite_file(tmp_path / "copied")
    newer = dataclasses.replace(HISTORY, steps=(*HISTORY.steps, lambda connection: None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "HISTORY", newer)
        with pytest.raises(StorageError, match="Start the newest version"):
            copy(filled, target)


def test_source_may_refuse_by_itself(filled: str, tmp_path: Path) -> None:
    def refuse(connection: Connection) -> None:
        assert connection.execute(select(jobs_schema.runners)).all() == []
        raise ConfigError("Not now.")

    target = sqlite_file(tmp_path / "copied")
    open_queue(filled).close()
    with pytest.raises(ConfigError, match="Not now"):
        copy_database(filled, target, [dataclasses.replace(JOBS, check=refuse)], lambda done, total: None)
    assert not any(everything(target)[1])


def test_source_must_be_there_and_another_database(filled: str, tmp_path: Path) -> None:
    absent = tmp_path / "absent.db"
    with pytest.raises(ConfigError, match="there is no such database"):
        copy(f"sqlite:///{absent}", filled)
    assert not absent.exists()
    with pytest.raises(ConfigError, match="to itself"):
        copy(filled, filled)
    (tmp_path / "empty.db").touch()
    with pytest.raises(StorageError, match="holds no history"):
        copy(f"sqlite:///{tmp_path / 'empty.db'}", sqlite_file(tmp_path / "copied"))
    with pytest.raises(ConfigError, match="not a database URL"):
        copy("nonsense", filled)


def test_every_table_of_the_history_is_copied_or_made_anew() -> None:
    left = {table.name for table in metadata.sorted_tables} - {table.name for table in HISTORY.tables}
    assert all(name.startswith("search_") for name in left) and conversations in HISTORY.tables
