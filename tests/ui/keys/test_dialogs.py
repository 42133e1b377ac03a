"""Dialogs about keys, drawn in every run as a browser does until they are closed."""

import re

import streamlit as st
from streamlit.testing.v1 import AppTest

from glmcore.keys import Right
from glmcore.ui.keys import dialogs
from tests.ui.training.jobs.job_visit import click, open_dialog, said
from tests.ui.visits import Server

SECRET = re.compile(r"glm-[\w-]{43}")


def open_form(server: Server, *, is_first: bool = False) -> AppTest:
    return open_dialog(lambda: dialogs.make_key(server.services.keys, is_first=is_first))


def test_a_key_is_made_as_asked_for(server: Server) -> None:
    at = open_form(server)
    at.text_input(key="keys_name").set_value("nightly")
    at.text_input(key="keys_user").set_value("ann")
    at.checkbox(key="keys_may_chat").uncheck()
    at.checkbox(key="keys_may_jobs").check()
    at.number_input(key="keys_per_minute").set_value(30)
    at.number_input(key="keys_at_once").set_value(2)
    at.toggle(key="keys_stores").set_value(True)
    click(at, "keys_make_now")
    key = server.services.keys.find(at.code[0].value)
    assert key is not None and (key.name, key.user, key.rights) == ("nightly", "ann", {Right.JOBS})
    assert (key.requests_per_minute, key.answers_at_once, key.stores_chats) == (30, 2, True)


def test_the_secret_is_shown_in_one_run_only_and_kept_nowhere(server: Server) -> None:
    kept: list[str] = []

    def draw() -> None:
        dialogs.make_key(server.services.keys, is_first=False)
        kept.append(f"{st.session_state.to_dict()} {st.query_params.to_dict()}")

    at = open_dialog(draw)
    at.text_input(key="keys_name").set_value("nightly")
    click(at, "keys_make_now")
    secret = at.code[0].value
    assert SECRET.fullmatch(secret) and "it is shown this once only" in said(at)
    assert "nightly" in kept[-1] and secret not in kept[-1]
    at.run()
    assert not at.code and secret not in said(at)


def test_a_plain_key_may_chat_for_the_local_user(server: Server) -> None:
    at = open_form(server)
    at.text_input(key="keys_name").set_value("plain")
    click(at, "keys_make_now")
    key = server.services.keys.list()[0]
    assert (key.user, key.rights, key.stores_chats) == ("local", {Right.CHAT}, False)


def test_what_cannot_be_a_key_is_said_and_the_form_stays(server: Server) -> None:
    at = open_form(server)
    click(at, "keys_make_now")
    assert "The name of the key has 0 characters" in said(at)
    at.text_input(key="keys_name").set_value("x")
    at.checkbox(key="keys_may_chat").uncheck()
    click(at, "keys_make_now")
    assert "The key has no right" in said(at) and at.text_input(key="keys_name").value == "x"
    assert not at.code and not server.services.keys.any_made()


def test_a_name_is_no_markdown(server: Server) -> None:
    at = open_form(server)
    at.text_input(key="keys_name").set_value("![x](http://x/y.png)")
    click(at, "keys_make_now")
    assert any(r"\!\[x\]\(" in element.value for element in at.markdown)


def test_the_first_key_warns_of_what_it_changes(server: Server) -> None:
    warning = "from then on every request to the API needs one"
    assert warning in said(open_form(server, is_first=True))
    assert warning not in said(open_form(server))


def test_a_key_is_revoked_after_a_question(server: Server) -> None:
    keys = server.services.keys
    key, secret = keys.make("*one*")
    other, _ = keys.make("other")
    at = open_dialog(lambda: dialogs.revoke_key(keys, key, [other]))
    assert f"***one*** (…{key.hint})" in said(at) and "last valid key" not in said(at)
    assert keys.find(secret) is not None
    click(at, "keys_revoke_now")
    assert keys.find(secret) is None


def test_who_thinks_better_of_it_leaves_the_key(server: Server) -> None:
    keys = server.services.keys
    key, secret = keys.make("one")
    click(open_dialog(lambda: dialogs.revoke_key(keys, key, [])), "keys_revoke_cancel")
    assert keys.find(secret) == key


def test_the_last_valid_key_says_that_nobody_gets_in_then(server: Server) -> None:
    keys = server.services.keys
    revoked = keys.revoke(keys.make("old")[0].id)
    key, _ = keys.make("one")
    at = open_dialog(lambda: dialogs.revoke_key(keys, key, [revoked]))
    assert "It is the last valid key: the API then refuses every request" in said(at)


def test_a_key_revoked_elsewhere_meanwhile_stays_revoked(server: Server) -> None:
    keys = server.services.keys
    key, _ = keys.make("one")
    at = open_dialog(lambda: dialogs.revoke_key(keys, key, []))
    elsewhere = keys.revoke(key.id)
    click(at, "keys_revoke_now")
    assert not at.error and keys.list() == [elsewhere]
