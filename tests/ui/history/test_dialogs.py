"""Dialogs about conversations, drawn in every run as a browser does until they are closed."""

from glmcore.ui.history import actions, dialogs
from tests.ui.training.jobs.job_visit import click, open_dialog, said
from tests.ui.visits import OWNER, Server


def test_a_title_is_given(server: Server) -> None:
    talk = server.add_conversation("One?", "So.")
    at = open_dialog(lambda: dialogs.rename(server.services, talk))
    at.text_input(key=f"history_title_{talk.id}").set_value("Mine").run()
    click(at, "history_rename_now")
    assert server.services.history.conversations.get(OWNER, talk.id).title == "Mine"


def test_a_title_changed_elsewhere_stays_and_the_dialog_keeps_what_was_typed(server: Server) -> None:
    talk = server.add_conversation("One?", "So.")
    at = open_dialog(lambda: dialogs.rename(server.services, talk))
    server.services.history.conversations.rename(OWNER, talk.id, "Theirs")
    at.text_input(key=f"history_title_{talk.id}").set_value("Mine").run()
    click(at, "history_rename_now")
    assert "was changed in another window" in said(at)
    assert at.text_input(key=f"history_title_{talk.id}").value == "Mine"
    assert server.services.history.conversations.get(OWNER, talk.id).title == "Theirs"


def test_what_is_confirmed_is_done_and_what_fails_is_said(server: Server) -> None:
    talk = server.add_conversation("One?", "So.")
    shared = server.services
    at = open_dialog(
        lambda: dialogs.confirm("Sure?", "Delete for good", lambda: actions.remove(shared, [talk.id]))
    )
    assert "Sure?" in said(at) and server.conversations()
    click(at, "history_confirm")
    assert not server.conversations()
    at = open_dialog(
        lambda: dialogs.confirm("Sure?", "Pin", lambda: shared.history.conversations.pin(OWNER, "gone", True))
    )
    assert "There is no conversation" in said(click(at, "history_confirm"))
