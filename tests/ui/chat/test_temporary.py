"""The temporary chat: works like any, reaches no database, is left with a question or kept after all."""

import gc
import weakref

from glmcore.ui.chat.place import TEMPORARY_KEY
from tests.fakes import FakeEngine
from tests.ui.visits import Server, Visit


def temporary(server: Server) -> Visit:
    visit = Visit(server)
    switch(visit, True)
    return visit


def switch(visit: Visit, is_on: bool) -> None:
    visit.at.toggle(key="temporary_switch").set_value(is_on).run()


def test_everything_works_and_nothing_is_stored(server: Server) -> None:
    server.engine = FakeEngine(["First.", "Again.", "Second."])
    visit = temporary(server)
    assert visit.says("Temporary chat: nothing of it is stored")
    visit.ask("Secret?").click("regenerate").ask("More?")
    assert {"Secret?", "Again.", "More?", "Second."} <= set(visit.shown())
    assert [message.content for message in server.requests[-1].messages] == ["Secret?", "Again.", "More?"]
    assert server.conversations() == [] and visit.conversation_id is None
    with server.services.history.database.reading() as connection:
        for table in ("conversations", "messages", "usage_hours"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0


def test_a_stored_one_can_be_looked_at_meanwhile(server: Server) -> None:
    stored = server.add_conversation("Why?", "So.")
    visit = temporary(server).ask("Secret?").click(f"open_{stored.id}")
    assert visit.conversation_id == stored.id and "Secret?" not in visit.shown()
    visit.ask("And?")
    assert server.texts(stored)[-2:] == ["And?", "An answer."]
    visit.click("to_temporary")
    assert "Secret?" in visit.shown() and visit.conversation_id is None
    assert len(server.conversations()) == 1


def test_leaving_asks_first_and_then_it_is_gone(server: Server) -> None:
    visit = temporary(server).ask("Secret?")
    switch(visit, False)
    assert visit.says("nobody can bring it back") and visit.at.toggle(key="temporary_switch").value
    del visit.at.session_state[TEMPORARY_KEY]  # as its button does; AppTest does not serve dialogs
    visit.at.run()
    assert "Secret?" not in visit.shown() and "What would you like to know?" in visit.shown()


def test_an_empty_one_is_left_without_a_question(server: Server) -> None:
    visit = temporary(server)
    switch(visit, False)
    assert not visit.has("history_confirm") and not visit.says("nothing of it is stored")
    switch(visit, True)
    visit.click("new_chat")
    assert not visit.says("nothing of it is stored")


def test_kept_after_all_it_is_a_conversation_like_any(server: Server) -> None:
    visit = temporary(server).ask("Secret?").click("keep_temporary")
    assert visit.conversation_id == server.conversations()[0].id
    assert server.texts() == ["Secret?", "An answer."] and not visit.says("nothing of it is stored")
    visit.ask("More?")
    assert server.texts()[2:] == ["More?", "An answer."]


def test_memory_is_given_back_when_the_session_ends(server: Server) -> None:
    visit = temporary(server).ask("Secret?")
    kept = weakref.ref(visit.at.session_state[TEMPORARY_KEY].history)
    assert kept() is not None
    del visit
    gc.collect()
    assert kept() is None
