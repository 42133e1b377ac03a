import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from glmcore.core.errors import ConfigError, ConflictError, DataError, StorageError
from glmcore.core.settings import Settings
from glmcore.history import HistoryStore, StoredMessage, open_history
from glmcore.history.training_sets import (
    TrainingSet,
    TrainingSetChoice,
    list_training_sets,
    verify,
    write_training_set,
    writing,
)
from glmcore.history.training_sets.records import checked_name
from glmcore.jobs.data_files import DataFiles
from glmcore.tuning.data.columns import find_columns
from glmcore.tuning.data.conversations import Conversation, read_conversation
from glmcore.tuning.data.rows import iter_rows
from glmcore.tuning.job_config.fields import DataConfig
from tests.history.training_sets.teller import Teller

Tell = Callable[..., StoredMessage]


def write(store: HistoryStore, home: Path, name: str = "good", **choice: Any) -> TrainingSet:
    return write_training_set(store, "ann", name, TrainingSetChoice(**choice), home)


def lines(folder: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / name).read_bytes().splitlines()]


@pytest.fixture
def judged(tell: Tell) -> None:
    for number in range(12):
        tell(f"问题 {number}", f"答案 {number}\u2028…", thumb=1)


def test_a_set_is_written_with_what_it_was_made_of(
    store: HistoryStore, tell: Tell, judged: None, tmp_path: Path
) -> None:
    tell("q", "wrong", thumb=-1, repair="right")
    found = write(store, tmp_path, validation=0.3, test=0.2)
    assert found.folder == tmp_path / "datasets/good/1"
    assert (found.version, found.is_new) == (1, True)
    names = {"train.jsonl", "validation.jsonl", "test.jsonl", "preferences.jsonl"}
    assert {path.name for path in found.folder.iterdir()} == names | {"dataset.json"}
    assert {name: file.rows for name, file in found.files.items()} == {
        name: len(lines(found.folder, name)) for name in names
    }
    (pair,) = lines(found.folder, "preferences.jsonl")
    assert pair == {
        "prompt": [{"role": "user", "content": "q"}],
        "chosen": [{"role": "assistant", "content": "right"}],
        "rejected": [{"role": "assistant", "content": "wrong"}],
    }
    assert verify(found) == []
    assert found.counts["rows"] == 13


def test_any_database_gives_the_same_rows(url: str, tmp_path: Path) -> None:
    store = open_history(url)
    teller = Teller(store)
    first = teller.answer(teller.ask("问题", system="简短"), "wrong", thumb=-1, repair="right")
    teller.answer(teller.ask("q2", first), "a2", stars=5)
    found = write(store, tmp_path, validation=0.0)
    store.close()
    assert found.files["train.jsonl"].sha256.startswith("788d88c988a5")
    assert found.counts == {"conversations": 1, "answers": 2, "rows": 1, "pairs": 1}


def test_what_was_written_is_read_only(store: HistoryStore, judged: None, tmp_path: Path) -> None:
    found = write(store, tmp_path)
    assert found.folder.stat().st_mode & 0o222 == 0
    assert all(path.stat().st_mode & 0o222 == 0 for path in found.folder.iterdir())
    assert [path.name for path in found.folder.parent.iterdir() if path.is_dir()] == ["1"]


def test_the_same_again_is_the_version_that_is_there(
    store: HistoryStore, teller: Teller, tell: Tell, judged: None, tmp_path: Path
) -> None:
    first = write(store, tmp_path)
    again = write(store, tmp_path)
    assert (again.folder, again.is_new) == (first.folder, False)
    assert write(store, tmp_path, seed=1).version == 2
    tell("one more", "answer", thumb=1)
    assert write(store, tmp_path).version == 3
    assert write(store, tmp_path, "other").version == 1
    assert [(each.name, each.version) for each in list_training_sets(tmp_path)[0]] == [
        ("other", 1),
        ("good", 3),
        ("good", 2),
        ("good", 1),
    ]


def test_a_later_version_keeps_every_row_on_its_side(
    store: HistoryStore, tell: Tell, judged: None, tmp_path: Path
) -> None:
    first = write(store, tmp_path, validation=0.3, test=0.3)
    for number in range(12):
        tell(f"more {number}", "answer", thumb=1)
    second = write(store, tmp_path, validation=0.3, test=0.3)
    for name in ("train.jsonl", "validation.jsonl", "test.jsonl"):
        before, after = (set((each.folder / name).read_bytes().splitlines()) for each in (first, second))
        assert before and before < after


def test_all_rows_of_a_conversation_are_on_one_side(
    store: HistoryStore, teller: Teller, tmp_path: Path
) -> None:
    for number in range(10):
        question = teller.ask(f"q{number}")
        for version in range(3):
            teller.answer(question, f"a{number}.{version}", thumb=1)
    found = write(store, tmp_path, validation=0.4, test=0.2)
    sides = [
        {row["messages"][0]["content"] for row in lines(found.folder, f"{part}.jsonl")}
        for part in ("train", "validation", "test")
    ]
    assert sum(map(len, sides)) == 10


def test_the_listing_tells_what_was_chosen_and_what_is_broken(
    store: HistoryStore, judged: None, tmp_path: Path
) -> None:
    written = write(store, tmp_path, kinds=("up", "unrated"), min_stars=2)
    for number, text in enumerate(["{", "[]", '{"format": 2}', '{"format": 1}', "[" * 100_000], start=5):
        folder = tmp_path / f"datasets/good/{number}"
        folder.mkdir()
        (folder / "dataset.json").write_text(text)
    found, problems = list_training_sets(tmp_path)
    assert [each.choice for each in found] == [written.choice]
    assert found[0].files == written.files
    assert len(problems) == 5
    assert all("dataset.json" in str(problem) for problem in problems)
    assert write(store, tmp_path, seed=3).version == 10
    assert list_training_sets(tmp_path / "nothing") == ([], [])


def test_a_changed_file_is_noticed(store: HistoryStore, judged: None, tmp_path: Path) -> None:
    found = write(store, tmp_path, validation=0.3)
    for path in (found.folder, *found.folder.iterdir()):
        path.chmod(0o755)
    with (found.folder / "train.jsonl").open("a") as file:
        file.write("{}\n")
    (found.folder / "validation.jsonl").unlink()
    told = found.folder / "dataset.json"
    told.write_text(told.read_text().replace('"seed": 0', '"seed": 7'))
    problems = verify(list_training_sets(tmp_path)[0][0])
    names = [problem.values["path"].name for problem in problems]
    assert names == ["train.jsonl", "validation.jsonl", "dataset.json"]


def test_nothing_to_learn_is_said_and_leaves_nothing(store: HistoryStore, tell: Tell, tmp_path: Path) -> None:
    tell("q", "a", thumb=-1)
    with pytest.raises(DataError, match="No answer of these conversations"):
        write(store, tmp_path)
    assert [path.name for path in (tmp_path / "datasets/good").iterdir() if path.is_dir()] == []


def test_rows_that_are_all_kept_apart_are_said(
    store: HistoryStore, teller: Teller, tell: Tell, tmp_path: Path
) -> None:
    tell("q", "a", thumb=1)
    seed = next(
        n for n in range(99) if teller.preview(validation=0.9, seed=n).tally.lines["validation.jsonl"]
    )
    with pytest.raises(DataError, match="kept apart"):
        write(store, tmp_path, validation=0.9, seed=seed)


@pytest.mark.parametrize(
    "name", ["", "..", ".hidden", "a/b", "a\\b", "-x", "a b", "x" * 61, "a\0", "uploads", "Uploads"]
)
def test_a_name_that_is_no_folder_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(DataError, match="name"):
        checked_name(name)


def test_names_may_be_of_any_script() -> None:
    for name in ("客服-2026", "données_v1.2", "हिन्दी"):
        assert checked_name(f" {name} ")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kinds": ()},
        {"kinds": ("best",)},
        {"min_stars": 0},
        {"validation": 1.0},
        {"validation": 0.5, "test": 0.5},
        {"validation": float("nan")},
        {"seed": -1},
        {"seed": True},
        {"max_chars": 1},
    ],
)
def test_a_choice_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TrainingSetChoice(**wrong)


def test_two_writers_of_one_name_do_not_meet(store: HistoryStore, judged: None, tmp_path: Path) -> None:
    (tmp_path / "datasets/good").mkdir(parents=True)
    with FileLock(tmp_path / "datasets/good/.lock"), pytest.raises(ConflictError, match="another window"):
        write(store, tmp_path)
    assert write(store, tmp_path).version == 1


def test_what_a_killed_writer_left_is_removed(store: HistoryStore, judged: None, tmp_path: Path) -> None:
    left = tmp_path / "datasets/good/.unfinished"
    left.mkdir(parents=True)
    (left / "test.jsonl").write_text("half")
    left.chmod(0o555)
    found = write(store, tmp_path)
    assert not (found.folder / "test.jsonl").exists()
    assert not left.exists()


def test_a_full_disk_is_said_and_leaves_nothing(
    store: HistoryStore, judged: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(writing, "_synced", full)
    with pytest.raises(StorageError, match="full"):
        write(store, tmp_path)
    assert [path.name for path in (tmp_path / "datasets/good").iterdir()] == [".lock"]


def test_the_trainer_reads_what_was_written_and_the_form_offers_it(
    store: HistoryStore, judged: None, tmp_path: Path
) -> None:
    found = write(store, tmp_path)
    path = found.folder / "train.jsonl"
    rows = [row.values for row in iter_rows(path)]
    columns = find_columns(list(rows[0]), DataConfig(train_file=path), path)
    read = [read_conversation(row, columns, "", "here") for row in rows]
    assert all(isinstance(each, Conversation) for each in read)
    assert path in [file.path for file in DataFiles(Settings(home=tmp_path)).list()]
