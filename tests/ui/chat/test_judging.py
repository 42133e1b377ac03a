"""Answers judged on the page: thumbs, the dialog, the ideal answer beside the one that was given."""

from streamlit.testing.v1 import AppTest

from glmcore.history import Conversation, Judgement
from tests.ui.visits import OWNER, Server, Visit

UP, DOWN = 1, 0  # places in the widget


def judged(server: Server, conversation: Conversation | None = None) -> Judgement:
    return server.services.history.judgements.get(OWNER, server.path(conversation)[-1].id)


def thumb(visit: Visit, answer_id: str):
    return visit.at.feedback(key=f"thumb_{answer_id}")


def open_dialog(server: Server) -> AppTest:
    """A page that shows the dialog for the last answer in every run, as a browser does until it is closed."""

    def page(answer_id: str) -> None:
        import streamlit as st

        from glmcore.ui.chat import judging
        from glmcore.ui.services import services
        from glmcore.ui.session import OWNER

        history = services().history
        seen = st.session_state.setdefault("seen", history.judgements.get(OWNER, answer_id))
        judging.open_dialog(history, history.messages.get(OWNER, answer_id), seen)

    return AppTest.from_function(page, args=(server.path()[-1].id,), default_timeout=20).run()


def test_thumb_is_stored_with_a_click_and_taken_back_by_a_second(server: Server) -> None:
    visit = Visit(server, server.add_conversation("Why?", "So."))
    answer_id = server.path()[-1].id
    thumb(visit, answer_id).set_value(UP).run()
    assert judged(server).thumb == 1 and thumb(visit, answer_id).value == UP
    thumb(visit, answer_id).set_value(DOWN).run()
    assert judged(server).thumb == -1
    thumb(visit, answer_id).set_value(None).run()
    assert judged(server).version == 0


def test_thumb_of_another_window_is_shown_and_not_overwritten(server: Server) -> None:
    visit = Visit(server, server.add_conversation("Why?", "So."))
    answer_id = server.path()[-1].id
    server.services.history.judgements.judge(OWNER, Judgement(message_id=answer_id, thumb=-1))
    thumb(visit, answer_id).set_value(UP).run()
    assert visit.says("was judged in another window") and judged(server).thumb == -1
    assert thumb(visit, answer_id).value == DOWN
    thumb(visit, answer_id).set_value(UP).run()
    assert judged(server).thumb == 1 and not visit.says("was judged in another window")


def test_reason_that_does_not_go_with_another_thumb_is_dropped(server: Server) -> None:
    conversation = server.add_conversation("Why?", "So.")
    answer_id = server.path()[-1].id
    before = Judgement(message_id=answer_id, thumb=-1, reason="wrong_facts", stars=2)
    server.services.history.judgements.judge(OWNER, before)
    visit = Visit(server, conversation)
    assert visit.says("★★ · Wrong facts")
    thumb(visit, answer_id).set_value(UP).run()
    assert (judged(server).thumb, judged(server).reason, judged(server).stars) == (1, None, 2)


def test_dialog_stores_stars_reason_comment_and_the_ideal_answer(server: Server) -> None:
    conversation = server.add_conversation("Why?", "So.")
    answer_id = server.path()[-1].id
    at = open_dialog(server)
    fields = {area.label: area for area in at.text_area}
    assert fields["Ideal answer"].value == "So."
    next(each for each in at.feedback if each.key.endswith("_stars")).set_value(3)
    fields["Comment"].set_value("**short**\nbut right")
    fields["Ideal answer"].set_value("Because of <b>that</b>.")
    at.button(key="judge_save").click().run()
    stored = judged(server)
    assert (stored.stars, stored.comment, stored.repair) == (
        4,
        "**short**\nbut right",
        "Because of <b>that</b>.",
    )
    visit = Visit(server, conversation)
    assert not at.exception and "Because of <b>that</b>." in visit.shown() and "So." not in visit.shown()
    assert visit.says("★★★★ · “**short**…”")
    visit.at.button_group(key=f"repaired_{answer_id}").set_value("original").run()
    assert "So." in visit.shown() and server.path()[-1].content == "So."


def test_untouched_dialog_stores_nothing(server: Server) -> None:
    server.add_conversation("Why?", "So.")
    open_dialog(server).button(key="judge_save").click().run()
    assert judged(server).version == 0


def test_conflict_is_said_in_the_dialog(server: Server) -> None:
    server.add_conversation("Why?", "So.")
    answer_id = server.path()[-1].id
    at = open_dialog(server)
    server.services.history.judgements.judge(OWNER, Judgement(message_id=answer_id, stars=1))
    next(area for area in at.text_area if area.label == "Comment").set_value("mine")
    at.button(key="judge_save").click().run()
    assert "was judged in another window" in at.error[0].value and judged(server).comment is None


def test_branch_from_an_answer_is_a_conversation_of_its_own(server: Server) -> None:
    conversation = server.add_conversation("One?", "First.", "Two?", "Second.")
    visit = Visit(server, conversation)
    visit.at.menu_button(key=f"answer_menu_{server.path()[1].id}").click("branch").run()
    assert visit.conversation_id not in (None, conversation.id)
    assert server.texts() == ["One?", "First."]
    assert server.texts(conversation) == ["One?", "First.", "Two?", "Second."]
