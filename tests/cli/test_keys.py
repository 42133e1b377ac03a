"""`keys` in a terminal: a secret alone on stdout, a list without secrets, an end that says what it means."""

import json
import re

import pytest

from glmcore.cli import main
from glmcore.core.settings import load_settings
from glmcore.keys import Right
from glmcore.keys.store import open_keys

SECRET = re.compile(r"glm-[\w-]{43}")


@pytest.fixture
def keys(english_in_an_empty_home):
    """The keys of that home."""
    keys = open_keys(load_settings().resolved_database_url)
    yield keys
    keys.close()


def said(capsys, *arguments, code=0):
    assert main(["keys", *arguments]) == code
    return capsys.readouterr()


def test_the_secret_stands_alone_on_stdout_and_opens(keys, capsys):
    out, err = said(capsys, "make", "nightly")
    assert SECRET.fullmatch(out.removesuffix("\n"))
    assert out.strip() not in err and "nightly" in err and "It is told this once" in err
    key = keys.find(out.strip())
    assert (key.name, key.user, key.rights, key.stores_chats) == ("nightly", "local", {Right.CHAT}, False)


def test_what_the_key_is_for_is_said_in_options(keys, capsys):
    options = ["--user", "ann", "--may", "jobs", "metrics", "--per-minute", "30", "--at-once", "2", "--store"]
    out, _ = said(capsys, "make", "web", *options)
    key = keys.find(out.strip())
    assert (key.user, key.rights) == ("ann", {Right.JOBS, Right.METRICS})
    assert (key.requests_per_minute, key.answers_at_once, key.stores_chats) == (30, 2, True)


def test_only_the_first_key_closes_the_door(capsys):
    closed = "From now on every request to the API needs a key."
    assert closed in said(capsys, "make", "one").err
    assert closed not in said(capsys, "make", "two").err


def test_as_json_the_secret_comes_with_the_key(keys, capsys):
    made = json.loads(said(capsys, "make", "one", "--json").out)
    assert keys.find(made.pop("secret")).id == made["id"]
    assert json.loads(said(capsys, "list", "--json").out) == [made]
    assert made["rights"] == ["chat"] and not [name for name in made if "hash" in name]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["make"], "required: NAME"),
        (["make", " "], "The name of the key has 0 characters"),
        (["make", "x", "--user", ""], "The user of the key has 0 characters"),
        (["make", "x", "--may", "fly"], "invalid choice: 'fly'"),
        (["make", "x", "--may"], "expected at least one argument"),
        (["make", "x", "--per-minute", "-1"], "The limit of requests a minute is -1"),
        (["make", "x", "--at-once", "many"], "invalid int value: 'many'"),
        (["revoke"], "required: ID"),
        (["revoke", "absent"], "There is no key 'absent'"),
        (["revoke", ""], "There is no key ''"),
        (["revoke", "\udcff"], "There is no key '�'"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_2(arguments, sentence, keys, capsys):
    out, err = said(capsys, *arguments, code=2)
    assert sentence in err and not out and "Traceback" not in err
    assert not keys.any_made()


def test_an_empty_list_says_how_to_make_one_and_who_is_answered(capsys):
    out, _ = said(capsys)
    assert "answers on localhost only" in out and "keys make NAME" in out
    assert json.loads(said(capsys, "list", "--json").out) == []


def test_the_list_shows_all_but_the_secret(keys, capsys):
    made, secret = keys.make(
        "a\x1b[31m name", user="ann", rights=set(Right), requests_per_minute=7, stores_chats=True
    )
    keys.revoke(keys.make("old")[0].id)
    out, err = said(capsys)
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert f"…{made.hint}  ann    chat history jobs metrics" in lines[made.id] and "stored" in lines[made.id]
    assert lines[made.id].endswith("valid") and "\x1b" not in out and secret not in out
    assert sum(line.endswith("revoked") for line in lines.values()) == 1 and not err


def test_a_key_is_revoked_by_a_beginning_that_no_other_has(keys, capsys):
    made, secret = keys.make("one")
    other, other_secret = keys.make("other")
    length = next(n for n in range(1, 9) if made.id[:n] != other.id[:n])
    out, err = said(capsys, "revoke", made.id[:length])
    assert f"Revoked: {made.id}, one" in out and not err
    assert keys.find(secret) is None and keys.find(other_secret) is not None


def test_a_beginning_of_several_ends_none(keys, capsys):
    ids = [keys.make("one")[0].id for _ in range(17)]  # of which two begin alike
    first = next(sign for sign in "0123456789abcdef" if sum(id.startswith(sign) for id in ids) > 1)
    _, err = said(capsys, "revoke", first, code=2)
    assert "write more of one" in err
    assert all(key.revoked_at is None for key in keys.list())


def test_the_last_key_revoked_says_that_nobody_gets_in(keys, capsys):
    made, _ = keys.make("one")
    out, err = said(capsys, "revoke", made.id)
    assert "Revoked" in out and "refuses every request" in err
    assert "refuses every request" in said(capsys).err


def test_revoking_again_says_so(keys, capsys):
    made, _ = keys.make("one")
    said(capsys, "revoke", made.id)
    assert f"Was revoked before: {made.id}, one" in said(capsys, "revoke", made.id).out
