"""Keys in the database: made, found by their secret, revoked; what is kept of them and what is not."""

import logging
import re
import threading
import time
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, inspect, make_url, text

from glmcore.core.errors import DataError, NotFoundError, StorageError
from glmcore.keys import Key, Right
from glmcore.keys import store as module
from glmcore.keys.schema import api_keys, metadata
from glmcore.keys.store import KeyStore, open_keys
from glmcore.storage import Database
from tests.postgres import only_sqlite


def wait_until_used(keys: KeyStore) -> Key:
    """The only key, once its use was written."""
    deadline = time.monotonic() + 5
    while (key := keys.list()[0]).last_used_at is None:
        assert time.monotonic() < deadline, "its use is not written"
        time.sleep(0.002)
    return key


def used_at(keys: KeyStore, key: Key) -> float | None:
    return next(one.last_used_at for one in keys.list() if one.id == key.id)


def settle(keys: KeyStore) -> None:
    """Wait until what was noted so far is written: the use of a new key comes after it."""
    last, _ = keys.make("last")
    keys.note_use(last)
    deadline = time.monotonic() + 5
    while used_at(keys, last) is None:
        assert time.monotonic() < deadline, "uses are not written"
        time.sleep(0.002)


def raw_text(url: str) -> str:
    """Everything that the table holds, as text."""
    parsed = make_url(url)
    engine = create_engine(parsed)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM api_keys")).all()
    engine.dispose()
    return repr(rows)


def test_a_key_is_found_by_its_secret_as_it_was_made(keys: KeyStore) -> None:
    made, secret = keys.make(
        "nightly",
        user="ann",
        rights={Right.CHAT, Right.JOBS},
        requests_per_minute=60,
        answers_at_once=2,
        stores_chats=True,
    )
    assert keys.find(secret) == made == keys.list()[0]
    assert (made.user, made.rights, made.stores_chats) == ("ann", {Right.CHAT, Right.JOBS}, True)
    assert (made.requests_per_minute, made.answers_at_once, made.revoked_at) == (60, 2, None)


def test_a_key_without_more_said_may_chat_without_limits_and_stores_nothing(keys: KeyStore) -> None:
    made, _ = keys.make("plain")
    assert (made.user, made.rights) == ("local", {Right.CHAT})
    assert (made.requests_per_minute, made.answers_at_once, made.stores_chats) == (0, 0, False)


def test_secrets_are_long_differ_and_can_stand_in_a_header_and_a_shell(keys: KeyStore) -> None:
    made = [keys.make("one")[1] for _ in range(20)]
    assert len(set(made)) == 20
    assert all(re.fullmatch(r"glm-[A-Za-z0-9_-]{43}", secret) for secret in made)


def test_the_database_holds_no_secret(keys: KeyStore, url: str) -> None:
    made, secret = keys.make("one")
    assert made.hint == secret[-4:]
    assert secret not in raw_text(url) and secret[4:20] not in raw_text(url)
    assert secret not in repr(keys.list())


@pytest.mark.parametrize("wrong", ["", "glm-", "\ud800", "\x00", "ä" * 5000, "' OR 1=1 --"])
def test_another_secret_finds_nothing(wrong: str, keys: KeyStore) -> None:
    keys.make("one")
    assert keys.find(wrong) is None


def test_neither_the_hash_nor_a_changed_secret_opens(keys: KeyStore, url: str) -> None:
    _, secret = keys.make("one")
    hashed = re.search(r"[0-9a-f]{64}", raw_text(url))
    assert hashed is not None and keys.find(hashed.group()) is None
    assert keys.find(secret.swapcase()) is None and keys.find(secret + " ") is None


def test_the_newest_key_comes_first(keys: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for seconds in (1.0, 3.0, 2.0):
        monkeypatch.setattr(module.time, "time", lambda seconds=seconds: seconds)
        keys.make(f"at {seconds:.0f}")
    assert [key.name for key in keys.list()] == ["at 3", "at 2", "at 1"]


def test_a_revoked_key_is_found_no_more_but_still_listed(keys: KeyStore) -> None:
    made, secret = keys.make("one")
    other, other_secret = keys.make("other")
    revoked = keys.revoke(made.id)
    assert revoked.revoked_at is not None and keys.find(secret) is None
    assert keys.find(other_secret) == other
    assert {key.id: key.revoked_at for key in keys.list()} == {made.id: revoked.revoked_at, other.id: None}


def test_revoking_again_changes_nothing(keys: KeyStore) -> None:
    made, _ = keys.make("one")
    first = keys.revoke(made.id)
    assert keys.revoke(made.id) == first


def test_only_a_whole_id_is_revoked(keys: KeyStore) -> None:
    made, secret = keys.make("one")
    for wrong in (made.id[:-1], "", "%", "\x00"):
        with pytest.raises(NotFoundError, match="There is no key"):
            keys.revoke(wrong)
    assert keys.find(secret) is not None


def test_once_made_a_key_counts_as_made_for_good(keys: KeyStore) -> None:
    assert not keys.any_made()
    made, _ = keys.make("one")
    assert keys.any_made()
    keys.revoke(made.id)
    assert keys.any_made()


def test_what_one_process_revokes_is_revoked_for_the_other(keys: KeyStore, url: str) -> None:
    made, secret = keys.make("one")
    other = open_keys(url)
    assert other.find(secret) is not None
    keys.revoke(made.id)
    assert other.find(secret) is None
    other.close()


def test_a_name_is_put_on_one_line_and_what_no_database_takes_is_replaced(keys: KeyStore) -> None:
    keys.make("  two\n lines ", user="名 \U0001f680")
    keys.make("a\x00b\ud800")
    assert [(key.name, key.user) for key in keys.list()][-1] == ("two lines", "名 \U0001f680")
    assert keys.list()[0].name == "a\ufffdb\ufffd"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"name": " \n"}, "The name of the key has 0 characters; expected 1 to 100."),
        ({"name": "x" * 101}, "has 101 characters"),
        ({"user": ""}, "The user of the key has 0 characters"),
        ({"rights": frozenset()}, "at least one of: chat, jobs, history, metrics"),
        ({"requests_per_minute": -1}, "The limit of requests a minute is -1"),
        ({"answers_at_once": 1_000_001}, "from 0 (no limit) to 1000000"),
    ],
)
def test_what_cannot_be_a_key_is_refused_and_none_is_made(values, sentence, keys: KeyStore) -> None:
    with pytest.raises(DataError) as caught:
        keys.make(**{"name": "one", **values})
    assert sentence in str(caught.value) and not keys.any_made()


def test_its_use_is_remembered_for_other_processes_too(keys: KeyStore, url: str) -> None:
    made, secret = keys.make("one")
    keys.note_use(made)
    used = wait_until_used(keys)
    assert used.last_used_at == pytest.approx(time.time(), abs=10)
    other = open_keys(url)
    assert other.find(secret) == used
    other.close()


def test_its_use_is_written_once_a_minute(keys: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(module.time, "time", lambda: now[0])
    made, _ = keys.make("one")
    keys.note_use(made)
    assert wait_until_used(keys).last_used_at == 1000.0
    for now[0] in (1001.0, 1059.0):
        keys.note_use(made)
    settle(keys)
    assert used_at(keys, made) == 1000.0
    now[0] = 1060.0
    keys.note_use(made)
    settle(keys)
    assert used_at(keys, made) == 1060.0


def test_a_use_that_another_process_wrote_is_not_written_again(keys: KeyStore) -> None:
    made, _ = keys.make("one")
    keys.note_use(replace(made, last_used_at=time.time()))
    settle(keys)
    assert used_at(keys, made) is None


def test_no_request_waits_for_a_locked_database(keys: KeyStore, url: str) -> None:
    made, _ = keys.make("one")
    locker = Database(url)
    with locker.writing():
        before = time.monotonic()
        keys.note_use(made)
        assert time.monotonic() - before < 1
        assert keys.list()[0].last_used_at is None
    assert wait_until_used(keys).id == made.id
    locker.close()


def test_a_use_that_cannot_be_stored_is_logged_without_the_secret(keys, monkeypatch, caplog) -> None:
    made, secret = keys.make("one")

    def full() -> None:
        raise StorageError("the disk is full")

    monkeypatch.setattr(Database, "writing", lambda self: full())
    with caplog.at_level(logging.WARNING):
        keys.note_use(made)
        deadline = time.monotonic() + 5
        while "the disk is full" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.002)
    assert "the disk is full" in caplog.text and made.id in caplog.text and secret not in caplog.text


def test_a_use_after_the_end_is_no_error(keys: KeyStore) -> None:
    made, _ = keys.make("one")
    keys.close()
    keys.note_use(made)
    assert keys.list()[0].last_used_at is None


def test_many_threads_use_one_store(keys: KeyStore) -> None:
    made, secret = keys.make("one")
    found: list[Key | None] = []

    def use() -> None:
        for _ in range(5):
            found.append(keys.find(secret))
            keys.note_use(made)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (
        len(found) == 40 and {key.id for key in found if key is not None} == {made.id} and None not in found
    )


def test_a_right_of_a_newer_version_is_not_given(keys: KeyStore, url: str) -> None:
    _, secret = keys.make("one")
    newer = Database(url)
    with newer.writing() as connection:
        connection.execute(api_keys.update().values(rights="chat fly"))
    newer.close()
    found = keys.find(secret)
    assert found is not None and found.rights == {Right.CHAT}


def test_migrations_give_the_tables_of_the_schema(keys: KeyStore, url: str) -> None:
    engine = create_engine(url)
    shown = {column["name"]: column["nullable"] for column in inspect(engine).get_columns("api_keys")}
    engine.dispose()
    columns = metadata.tables["api_keys"].columns
    assert shown == {column.name: bool(column.nullable) for column in columns}


@only_sqlite
def test_a_database_that_cannot_be_read_is_an_error_and_lets_nobody_in(keys: KeyStore, url: str) -> None:
    _, secret = keys.make("one")
    keys.close()
    path = make_url(url).database
    assert path is not None
    for end in ("", "-wal", "-shm"):
        with open(path + end, "wb") as file:
            file.write(b"no database at all" * 500)
    for ask in (lambda: keys.find(secret), keys.any_made):
        with pytest.raises(StorageError):
            ask()
