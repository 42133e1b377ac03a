"""`history` in a terminal: the list, what is removed, and the move to another database."""

import json
import sys
import time

import pytest

from glmcore.cli import main
from glmcore.core.messages import LOCAL_USER, AnswerFacts, GenerationParams, StopReason
from glmcore.core.settings import load_settings
from glmcore.history import open_history
from glmcore.history.schema import conversations
from glmcore.jobs.runner_book import RunnerSeen

DAY = 24 * 3600.0


@pytest.fixture
def store(english_in_an_empty_home):
    store = open_history(load_settings().resolved_database_url)
    yield store
    store.close()


@pytest.fixture
def talk(store):
    """Makes a conversation with an answer, last used so many days ago."""

    def make(title, age_days=0.0, answer="Because.", model="tiny", **values):
        made = store.conversations.create(LOCAL_USER, model=model, title=title)
        question = store.messages.add_question(LOCAL_USER, made.id, None, f"Why {title}?")
        stored = store.messages.start_answer(LOCAL_USER, made.id, question.id)
        facts = AnswerFacts(
            model=model, stop_reason=StopReason.END, params=GenerationParams(), adapter=values.get("adapter")
        )
        store.messages.finish_answer(LOCAL_USER, stored.id, answer, facts)
        with store.database.writing() as connection:
            change = conversations.update().where(conversations.c.id == made.id)
            connection.execute(change.values(updated_at=time.time() - age_days * DAY, **values))
        return made.id

    return make


def said(capsys, *arguments, code=0):
    assert main(["history", *arguments]) == code
    return capsys.readouterr()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["list", "--since", "soon"], "--since is 'soon'; expected a date such as"),
        (["list", "--until", "9999-12-31"], "--until is '9999-12-31'"),
        (["list", "--since", "\udcff"], "--since is '�'"),
        (["list", "--limit", "0"], "--limit is 0; expected 1 to"),
        (["list", "--min-stars", "6"], "invalid choice: 6"),
        (["list", "--shelf", "odd"], "invalid choice: 'odd'"),
        (["list", "--rating", "odd"], "invalid choice: 'odd'"),
        (["search"], "required: QUERY"),
        (["list", "--words", "-only"], "expected one argument"),
        (["export"], "required: FORM"),
        (["export", "pdf"], "There is no form 'pdf'; expected one of json"),
        (["import", "absent.json"], "absent.json"),
        (["import", "."], "."),
        (["prune", "--older-than", "0d"], "--older-than is '0d'; expected an age"),
        (["prune", "--older-than", "90"], "expected an age of hours, days or weeks"),
        (["migrate"], "required: --to"),
        (["migrate", "--to", "nonsense"], "not a database URL"),
        (
            ["migrate", "--from", "sqlite:///absent.db", "--to", "sqlite:///new.db"],
            "there is no such database",
        ),
    ],
)
def test_what_cannot_be_is_a_sentence_and_2(arguments, sentence, store, capsys):
    out, err = said(capsys, *arguments, code=2)
    assert sentence in err and not out and "Traceback" not in err


def test_empty_history_says_so(capsys):
    assert said(capsys)[0] == "No conversation is found.\n"
    assert said(capsys, "prune")[0] == "There is nothing to remove.\n"


def test_list_tells_each_conversation_on_a_line(talk, store, capsys):
    rain, snow = talk("Rain", 2), talk("下雪", 1, adapter="mine")
    store.conversations.pin(LOCAL_USER, rain, True)
    store.tags.set(LOCAL_USER, snow, ["weather", "天气"])
    header, first, second = said(capsys)[0].splitlines()
    assert header.split()[:3] == ["id", "title", "model"]
    assert first.startswith(f"{rain}  * Rain  tiny") and second.startswith(f"{snow}  下雪")
    assert "mine" in second and "weather, 天气" in second and first.split()[-1] == "–"


def test_list_is_narrowed_by_options_and_says_what_it_leaves_out(talk, store, capsys):
    old, young = talk("Rain", 40), talk("Snow", 1, model="other")
    archived = talk("Hail", 3, shelf="archived")
    store.tags.set(LOCAL_USER, old, ["wet"])
    today, long_ago = time.strftime("%Y-%m-%d"), time.strftime("%Y-%m-%d", time.localtime(0))
    for options, found in (
        ([], {old, young, archived}),
        (["--since", "30d"], {young, archived}),
        (["--until", "4w"], {old}),
        (["--until", today, "--since", long_ago], {old, young, archived}),
        (["--since", "2000-01-01T00:00+00:00", "--until", "2001-01-01"], set()),
        (["--model", "other", "--model", "third"], {young}),
        (["--adapter", "none"], {old, young, archived}),
        (["--tag", "wet"], {old}),
        (["--shelf", "archived"], {archived}),
        (["--rating", "up"], set()),
        (["--min-stars", "1"], set()),
        (["--min-turns", "1"], {old, young, archived}),
        (["--max-turns", "0"], set()),
        (["--min-turns", "9" * 30], set()),
        (["--pinned"], set()),
        (["--no-pinned", "--shelf", "archived"], {archived}),
        (["--id", old, "--id", archived], {old, archived}),
    ):
        found_ids = {one["id"] for one in json.loads(said(capsys, "list", "--json", *options)[0])}
        assert found_ids == found, options
    out, err = said(capsys, "list", "--limit", "2")
    assert len(out.splitlines()) == 3 and err == "1 more; see --limit\n"


def test_titles_cannot_drive_the_terminal(talk, capsys):
    talk("\x1b[2Jevil\u202e\x07", model="\x1b]0;title\x07tiny")
    out = said(capsys)[0]
    assert "evil" in out and not set("\x1b\x07\u202e") & set(out)


def test_prune_tells_asks_and_removes(talk, store, capsys, monkeypatch):
    old, young, pinned = talk("old", 100), talk("young", 10), talk("pinned", 100, is_pinned=1)
    talk("thrown away", 50, shelf="deleted", deleted_at=time.time() - 31 * DAY)
    age = ["--older-than", "90d"]
    out = said(capsys, "prune", *age, "--dry-run")[0]
    assert out.startswith("2 conversations are to be removed for good; 1 of these had been deleted.")
    assert "add --yes" in said(capsys, "prune", *age, code=2)[1]
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert "Nothing was removed." in said(capsys, "prune", *age)[0]
    assert store.conversations.get(LOCAL_USER, old)
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert said(capsys, "prune", *age)[0].endswith("Removed: 2\n")
    left = {listed.conversation.id for listed in store.conversations.page(LOCAL_USER)}
    assert left == {young, pinned}


def test_prune_without_an_age_keeps_to_the_settings(talk, capsys, monkeypatch):
    talk("old", 100)
    assert "nothing to remove" in said(capsys, "prune", "--yes")[0]
    monkeypatch.setenv("GLMCORE_HISTORY_DAYS", "99.5")
    assert said(capsys, "prune", "--yes")[0].endswith("Removed: 1\n")


def test_move_to_another_database_copies_history_and_jobs(talk, submit, store, capsys, monkeypatch, tmp_path):
    conversation, job = talk("下雨"), submit("sorting")
    url = f"sqlite:///{tmp_path / 'moved.db'}"
    out, _ = said(capsys, "migrate", "--to", url)
    assert "messages" in out and "All is copied and was compared." in out
    monkeypatch.setenv("GLMCORE_DATABASE_URL", url)
    assert conversation in said(capsys, "list")[0]
    assert main(["jobs", "list"]) == 0 and job.id in capsys.readouterr().out
    assert "cannot be copied to itself" in said(capsys, "migrate", "--to", url, code=2)[1]


def test_nothing_is_moved_while_a_dashboard_works(talk, service, capsys, tmp_path):
    talk("Rain")
    url = f"sqlite:///{tmp_path / 'moved.db'}"
    service.queue.book.beat(RunnerSeen("r", "here", "dashboard", (), time.time()))
    assert "A dashboard on here works with this database" in said(capsys, "migrate", "--to", url, code=2)[1]
    service.queue.book.beat(RunnerSeen("r", "here", "dashboard", (), time.time() - 100))
    assert "job_slots" in said(capsys, "migrate", "--to", url)[0]
