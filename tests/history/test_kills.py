"""A thousand writers killed in the middle: the database is whole, and nothing acknowledged is missing."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from glmcore.history import ConversationFilter, HistoryStore, open_history
from tests.history.conftest import sqlite_file
from tests.history.killed_writer import OWNER
from tests.postgres import fresh_database

ROOT = Path(__file__).resolve().parents[2]
LONGEST_LIFE = 0.12  # seconds; from before the database is opened to about the tenth turn


def kill_writers(url: str, acknowledged: Path, count: int) -> list[list[Any]]:
    nursery = subprocess.Popen(
        [sys.executable, "-m", "tests.history.killed_writer", url, str(acknowledged)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert nursery.stdin is not None and nursery.stdout is not None
    chance = random.Random(7)
    for number in range(count):
        nursery.stdin.write(f"{number}\n")
        nursery.stdin.flush()
        writer = int(nursery.stdout.readline())
        time.sleep(chance.uniform(0, LONGEST_LIFE))
        os.kill(writer, signal.SIGKILL)
        assert nursery.stdout.readline() == "ended\n"
    nursery.stdin.close()
    assert nursery.wait(timeout=30) == 0
    lines = acknowledged.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1]]  # the last one may be half


def missing(store: HistoryStore, told: list[list[Any]]) -> list[list[Any]]:
    """What was acknowledged and is not there."""
    titles: dict[str, int] = {}
    for kind, key, *rest in told:
        if kind == "title":
            titles[key] = rest[0]
    return [each for each in told if not is_there(store, *each)] + [
        ["title", talk_id, number]
        for talk_id, number in titles.items()
        # One more may have been stored before it was acknowledged.
        if store.conversations.get(OWNER, talk_id).title not in (f"title {number}", f"title {number + 1}")
    ]


def is_there(store: HistoryStore, kind: str, key: str, value: Any = None) -> bool:
    match kind:
        case "talk":
            return store.conversations.get(OWNER, key).id == key
        case "question" | "answer":
            return store.messages.get(OWNER, key).content == value
        case "judgement":
            return store.judgements.get(OWNER, key).repair == value
        case "tag":
            return value in store.tags.of(OWNER, key)
        case "gone":
            return store.conversations.count(OWNER, ConversationFilter(shelf="deleted", ids=(key,))) == 0
    return kind == "title"


def words_missing(store: HistoryStore, told: list[list[Any]]) -> list[str]:
    """Acknowledged texts whose last word the search does not find in their message."""
    texts = [(key, rest[0]) for kind, key, *rest in told if kind in ("question", "answer")]
    chosen = random.Random(7).sample(texts, min(200, len(texts)))
    lost = []
    for message_id, text in chosen:
        word = text.split()[-1]
        page = store.search.find(OWNER, ConversationFilter(words=f'"{text.split()[0]} {word}"'))
        if [hit.message_id for hit in page.hits] != [message_id]:
            lost.append(text)
    return lost


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    url = sqlite_file(tmp_path)
    told = kill_writers(url, tmp_path / "acknowledged", 1000)
    check = sqlite3.connect(tmp_path / "glmcore.db")
    assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert check.execute("PRAGMA foreign_key_check").fetchall() == []
    check.close()
    store = open_history(url)
    assert {kind for kind, *_ in told} >= {"talk", "question", "answer", "judgement", "title", "tag", "gone"}
    assert len(told) > 1000
    assert missing(store, told) == []
    assert words_missing(store, told) == []
    assert store.messages.interrupt_running() > 0
    store.close()


@pytest.mark.slow
@pytest.mark.postgres
def test_killed_writers_lose_nothing_on_postgresql_either(tmp_path: Path) -> None:
    with fresh_database() as url:
        told = kill_writers(url, tmp_path / "acknowledged", 100)
        store = open_history(url)
        assert len(told) > 50
        assert missing(store, told) == []
        assert words_missing(store, told) == []
        store.close()
