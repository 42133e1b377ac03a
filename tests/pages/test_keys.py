"""The API page: where the API is, who is let in, the keys there are; never a secret."""

from streamlit.testing.v1 import AppTest

from glmcore.core.errors import StorageError
from glmcore.core.settings import EMBEDDED_MODEL
from glmcore.keys import Right
from glmcore.ui.session import KEYS_PAGE
from tests.sources import ROOT
from tests.ui.training.jobs.job_visit import said, table
from tests.ui.visits import Server


def open_page() -> AppTest:
    at = AppTest.from_file(ROOT / "glmcore/ui/router.py", default_timeout=20).run()
    at.switch_page(str(KEYS_PAGE)).run()
    assert not at.exception and not at.error, [*at.exception, *at.error]
    return at


def test_it_says_where_the_api_is_and_gives_examples_with_the_model(server: Server) -> None:
    at = open_page()
    assert at.title[0].value == "API"
    assert "http://localhost:8501/v1" in said(at) and "http://localhost:8501/api" in said(at)
    assert at.get("link_button")[0].proto.url == "http://localhost:8501/api/docs"
    shell, python = (element.value for element in at.code)
    assert EMBEDDED_MODEL in shell and EMBEDDED_MODEL in python


def test_without_keys_the_examples_need_none_and_there_is_no_table(server: Server) -> None:
    at = open_page()
    assert "No key has been made" in said(at) and not table(at)
    assert not any("GLM_API_KEY" in element.value for element in at.code)


def test_it_says_that_everyone_here_may_make_keys(server: Server) -> None:
    assert "Everyone who can open these pages can make and revoke keys" in said(open_page())


def test_keys_are_listed_valid_ones_first_without_their_secrets(server: Server) -> None:
    keys = server.services.keys
    made, secret = keys.make("one", user="ann", rights=set(Right), requests_per_minute=30, stores_chats=True)
    keys.revoke(keys.make("old")[0].id)
    at = open_page()
    assert "Every request needs a key." in said(at)
    assert all("GLM_API_KEY" in element.value for element in at.code)
    first, second = table(at)
    assert (first["name"], first["state"], first["user"], first["revoke"]) == (
        "one",
        "valid",
        "ann",
        "Revoke",
    )
    assert first["rights"] == "chat, jobs, history, metrics" and first["hint"] == f"…{made.hint}"
    assert first["minute"] == 30 and first["chats"] and first["made"] and not first["used"]
    assert (second["name"], second["state"]) == ("old", "revoked") and second["revoke"] != "Revoke"
    assert secret not in said(at) + repr(table(at))


def test_with_all_keys_revoked_it_says_that_nobody_gets_in(server: Server) -> None:
    server.services.keys.revoke(server.services.keys.make("one")[0].id)
    at = open_page()
    assert "Every key is revoked, so the API refuses all requests" in said(at)
    assert all("GLM_API_KEY" in element.value for element in at.code)


def test_the_button_opens_the_form(server: Server) -> None:
    at = open_page()
    at.button(key="keys_make").click().run()
    assert at.text_input(key="keys_name").value == "" and "This is the first key" in said(at)


def test_an_unreadable_database_is_a_sentence(server: Server, monkeypatch) -> None:
    def fail() -> None:
        raise StorageError("{place} is damaged", place="x.db")

    at = AppTest.from_file(ROOT / "glmcore/ui/router.py", default_timeout=20).run()
    monkeypatch.setattr(type(server.services.keys), "list", lambda self: fail())
    at.switch_page(str(KEYS_PAGE)).run()
    assert not at.exception and "damaged" in at.error[0].value
