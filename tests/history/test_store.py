"""Many threads, several processes, and processes that are killed, on one database."""

import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from glmcore.core.messages import AnswerFacts
from glmcore.history import HistoryStore, open_history

OWNER = "ann"
ROOT = Path(__file__).resolve().parents[2]

# Writes until it is killed; a line of output acknowledges what is stored.
WRITER = """
import sys
from glmcore.history import open_history

store = open_history(sys.argv[1])
talk = store.conversations.create("ann", model="m")
parent_id = None
number = 0
while True:
    number += 1
    question = store.messages.add_question("ann", talk.id, parent_id, f"question {number}")
    print("question", question.id, number, flush=True)
    answer = store.messages.start_answer("ann", talk.id, question.id)
    for length in (1, 10, 3000):
        store.messages.save_text("ann", answer.id, "w" * length)
        print("answer", answer.id, length, flush=True)
    parent_id = answer.id
"""

OPENER = """
import sys
from glmcore.history import open_history

print("ready", flush=True)
sys.stdin.readline()
store = open_history(sys.argv[1])
print(store.conversations.create("ann", model="m").id)
"""


def start(program: str, url: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", program, url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def hold_one_conversation(store: HistoryStore, facts: AnswerFacts, worker: int) -> None:
    owner = f"user {worker % 4}"
    talk = store.conversations.create(owner, model=str(worker))
    parent_id = None
    for turn in range(10):
        question = store.messages.add_question(owner, talk.id, parent_id, f"{worker} asks {turn}")
        parent_id = store.messages.start_answer(owner, talk.id, question.id).id
        store.messages.save_text(owner, parent_id, f"{worker}")
        store.messages.finish_answer(
            owner, parent_id, f"{worker} hears {turn}", replace(facts, model=str(worker))
        )
        store.conversations.list(owner)
    entries = store.messages.path(owner, talk.id)
    said = [f"{worker} {verb} {turn}" for turn in range(10) for verb in ("asks", "hears")]
    assert [entry.message.content for entry in entries] == said
    assert {entry.message.facts.model for entry in entries if entry.message.facts} == {str(worker)}


def test_eight_threads_do_not_disturb_each_other(store: HistoryStore, facts: AnswerFacts) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda worker: hold_one_conversation(store, facts, worker), range(8)))
    assert [store.conversations.count(f"user {number}") for number in range(4)] == [2, 2, 2, 2]


def test_eight_threads_in_one_conversation_lose_no_version(store: HistoryStore) -> None:
    talk = store.conversations.create(OWNER, model="m")
    question = store.messages.add_question(OWNER, talk.id, None, "q")
    barrier = threading.Barrier(8)

    def answer(worker: int) -> set[str]:
        barrier.wait()
        return {store.messages.start_answer(OWNER, talk.id, question.id).id for _ in range(10)}

    with ThreadPoolExecutor(8) as pool:
        made = set().union(*pool.map(answer, range(8)))
    siblings = store.messages.path(OWNER, talk.id)[1].sibling_ids
    assert len(siblings) == 80
    assert set(siblings) == made
    assert store.conversations.get(OWNER, talk.id).leaf_id == siblings[-1]


def test_threads_may_share_one_new_preset_name(store: HistoryStore, facts: AnswerFacts) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: store.presets.save(OWNER, "same", facts.params, str(number)), range(40)))
    assert [preset.name for preset in store.presets.list(OWNER)] == ["same"]


@pytest.mark.slow
def test_servers_that_start_together_make_one_database(url: str) -> None:
    servers = [start(OPENER, url) for _ in range(4)]
    for server in servers:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
    for server in servers:
        assert server.stdin is not None
        server.stdin.write("\n")
        server.stdin.flush()
    made = {server.communicate(timeout=60)[0].strip() for server in servers}
    assert [server.returncode for server in servers] == [0] * 4
    store = open_history(url)
    assert {talk.id for talk in store.conversations.list(OWNER)} == made
    store.close()


def check_file(path: Path) -> None:
    check = sqlite3.connect(path, timeout=10)
    assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert check.execute("PRAGMA foreign_key_check").fetchall() == []
    check.close()


@pytest.mark.slow
def test_killed_writers_lose_nothing_that_was_acknowledged(url: str, tmp_path: Path) -> None:
    writers = [start(WRITER, url) for _ in range(10)]
    acknowledged: dict[str, tuple[str, int]] = {}
    for round_number, writer in enumerate(writers):
        assert writer.stdout is not None
        for _ in range(5):
            writer.stdout.readline()
        time.sleep(0.05 + 0.013 * round_number)
        writer.kill()
        rest = writer.communicate()[0]
        lines = [line.split() for line in rest.split("\n")[1:-1]]  # the outer ones may be half
        acknowledged.update({message_id: (kind, int(value)) for kind, message_id, value in lines})
        if (tmp_path / "glmcore.db").is_file():
            check_file(tmp_path / "glmcore.db")
    assert len(acknowledged) > 40
    store = open_history(url)
    assert store.messages.interrupt_running() >= 10
    for message_id, (kind, value) in acknowledged.items():
        message = store.messages.get(OWNER, message_id)
        if kind == "question":
            assert message.content == f"question {value}"
        else:
            # One more save may have been stored before its acknowledgement was written.
            assert len(message.content) >= value
            assert message.state == "interrupted"
    store.close()
