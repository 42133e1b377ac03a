"""The history page: the list, what is done to conversations, a look inside, the search."""

from streamlit.testing.v1 import AppTest

from glmcore.history import ConversationFilter, Judgement
from glmcore.ui.history.address import CHOSEN_KEY
from glmcore.ui.history.list_view import ROWS
from glmcore.ui.history.table import TICKED_KEY
from tests.sources import ROOT
from tests.ui.visits import OWNER, Server

HISTORY = str(ROOT / "pages/history.py")


def open_page(**query: str | list[str]) -> AppTest:
    at = AppTest.from_file(ROOT / "glmcore/ui/router.py", default_timeout=20)
    at.run()
    at.switch_page(HISTORY)
    for name, value in query.items():
        at.query_params[name] = value
    at.run()
    return checked(at)


def checked(at: AppTest) -> AppTest:
    assert not at.exception and not at.error, [*at.exception, *at.error]
    return at


def click(at: AppTest, key: str) -> AppTest:
    at.button(key=key).click().run()
    return checked(at)


def tick(at: AppTest, *ids: str) -> AppTest:
    at.session_state[TICKED_KEY] = ids
    at.run()
    return checked(at)


def said(at: AppTest) -> str:
    kinds = (at.markdown, at.caption, at.info, at.warning, at.error, at.text)
    return "\n".join(str(one.value).replace("\\", "") for kind in kinds for one in kind)


def titles(at: AppTest) -> list[str]:
    return list(at.dataframe[0].value["title"]) if at.dataframe else []


def count(server: Server, **conditions: object) -> int:
    return server.services.history.conversations.count(OWNER, ConversationFilter(**conditions))


def test_a_new_user_is_told_what_belongs_here_and_what_to_do(server: Server) -> None:
    at = open_page()
    assert "No conversation yet" in said(at)
    assert [button.key for button in at.button] == ["history_first_import"]


def test_the_list_tells_of_each_conversation_what_is_known_at_one_look(server: Server) -> None:
    talk = server.add_conversation("<b>Why?</b>", "So.", "And?", "Thus.")
    answer = server.path(talk)[-1].id
    server.services.history.judgements.judge(OWNER, Judgement(message_id=answer, thumb=1, stars=4))
    server.services.history.tags.set(OWNER, talk.id, ["keep"])
    at = open_page()
    row = at.dataframe[0].value.to_dict("records")[0]
    assert row["title"] == "<b>Why?</b>" and row["turns"] == 2 and row["tags"] == ["keep"]
    assert row["ratings"] == "+1  ★4" and row["model"] == talk.model


def test_the_list_says_how_long_things_are_kept(server: Server) -> None:
    server.add_conversation("Why?", "So.")
    assert "Deleted ones can be brought back for 30 days." in said(open_page())


def test_only_one_page_is_drawn_and_the_address_says_which(server: Server) -> None:
    create = server.services.history.conversations.create
    for number in range(ROWS + 2):
        create(OWNER, model="tiny", title=f"talk {number:02}")
    assert len(titles(open_page())) == ROWS
    assert titles(open_page(p="2", sort="title")) == ["talk 30", "talk 31"]
    assert titles(open_page(p="99", sort="title")) == ["talk 30", "talk 31"], "the last there is"


def test_filters_of_an_address_are_drawn_changed_and_cleared(server: Server) -> None:
    server.add_conversation("One?", "So.")
    server.add_conversation("Two?", "So.", model="other")
    at = open_page(model="other", sort="title")
    assert titles(at) == ["Two?"]
    at.selectbox(key="history_shelf").select("archived").run()
    assert "No conversation fits" in said(at) and at.query_params["model"] in ("other", ["other"])
    click(at, "history_clear")
    assert "This shelf is empty" in said(at) and "model" not in at.query_params


def test_what_was_deleted_comes_back_by_undo_also_after_another_run(server: Server) -> None:
    one = server.add_conversation("One?", "So.")
    server.add_conversation("Two?", "So.")
    at = tick(open_page(), one.id)
    click(at, "history_delete")
    assert titles(at) == ["Two?"] and "1 conversation deleted" in said(at)
    at.run()
    click(at, "history_undo_now")
    assert set(titles(at)) == {"One?", "Two?"} and "deleted" not in said(at)


def test_what_is_done_to_all_that_were_found_is_asked_first_with_their_number(server: Server) -> None:
    for number in range(3):
        server.add_conversation(f"Question {number}", "So.", model="other")
    server.add_conversation("Mine?", "So.")
    at = open_page(model="other")
    scope = next(each for each in at.button_group if each.key.startswith("history_scope"))
    scope.set_value("everything").run()
    click(at, "history_archive")
    assert "This is for **3** conversations." in said(at) and count(server) == 4


def test_undo_puts_each_back_on_the_shelf_it_came_from(server: Server) -> None:
    one, two = server.add_conversation("One?", "So."), server.add_conversation("Two?", "So.")
    server.services.history.conversations.put_on(OWNER, [one.id], "archived")
    at = tick(open_page(shelf="all"), one.id, two.id)
    click(at, "history_delete")
    assert count(server, shelf="deleted") == 2
    click(at, "history_undo_now")
    assert count(server, shelf="archived") == 1 and count(server) == 1


def test_deleted_ones_are_restored_or_removed_for_good_after_a_question(server: Server) -> None:
    one, two = server.add_conversation("One?", "So."), server.add_conversation("Two?", "So.")
    server.services.history.conversations.put_on(OWNER, [one.id, two.id], "deleted")
    at = tick(open_page(shelf="deleted"), one.id)
    assert "kept" in at.dataframe[0].value.columns
    click(at, "history_restore")
    assert count(server) == 1
    tick(at, two.id)
    click(at, "history_remove")
    assert "cannot be undone" in said(at) and count(server, shelf="deleted") == 1


def test_ticked_ones_are_pinned_and_taken_to_the_view_of_training_data(server: Server) -> None:
    one = server.add_conversation("One?", "So.")
    at = tick(open_page(), one.id)
    click(at, "history_pin")
    assert count(server, is_pinned=True) == 1
    at.button(key="history_to_data").click().run()
    assert at.session_state[CHOSEN_KEY] == (one.id,)


def test_the_filter_can_be_open_while_conversations_are_ticked(server: Server) -> None:
    talk = server.add_conversation("One?", "So.")
    at = open_page()
    at.session_state["history_filter"] = True
    tick(at, talk.id)
    assert [box.label for box in at.multiselect] == [
        "Model",
        "Adapter",
        "Tags, all of them",
        "Rating of an answer",
    ]


def test_the_preview_shows_marks_branches_and_text_as_it_was_written(server: Server) -> None:
    talk = server.add_conversation("<script>alert(1)</script>", "So.")
    question, answer = server.path(talk)
    server.add_answer(talk, question.id, "Because.")
    server.services.history.judgements.judge(OWNER, Judgement(message_id=answer.id, thumb=-1))
    at = open_page(c=talk.id, m=answer.id)
    assert "2 branches" in said(at) and "thumb_down" in said(at) and "So." in said(at)
    assert [text.value for text in at.text] == ["<script>alert(1)</script>"]


def test_a_message_of_the_preview_becomes_the_end_of_a_new_conversation(server: Server) -> None:
    talk = server.add_conversation("One?", "So.", "Two?", "Thus.")
    at = open_page(c=talk.id)
    at.button(key=f"history_branch_{server.path(talk)[1].id}").click().run()
    assert server.texts() == ["One?", "So."] and server.conversations()[0].title == "↳ One?"


def test_an_address_of_what_is_gone_is_said(server: Server) -> None:
    server.add_conversation("One?", "So.")
    assert "not there any more" in said(open_page(c="gone", m="gone", p="x", sort="?", view="?"))
    assert said(open_page(c=server.conversations()[0].id, m="gone")).count("So.") == 1


def test_tags_of_the_preview_are_stored_unless_somebody_changed_the_conversation(server: Server) -> None:
    talk = server.add_conversation("One?", "So.")
    at = open_page(c=talk.id)
    tags = server.services.history.tags
    at.multiselect(key=f"history_tags_{talk.id}").set_value(["new"]).run()
    assert tags.of(OWNER, talk.id) == ("new",)
    tags.add(OWNER, [talk.id], "theirs")
    at.multiselect(key=f"history_tags_{talk.id}").set_value([]).run()
    assert tags.of(OWNER, talk.id) == ("new", "theirs") and "changed in another window" in said(at)


def test_a_query_finds_messages_and_a_malformed_one_is_explained(server: Server) -> None:
    server.add_conversation("How do I train?", "By <b>micro</b> steps.")
    server.add_conversation("Other?", "Nothing.")
    at = open_page(q="micro")
    assert [box.label.replace("\\", "") for box in at.checkbox] == ["**How do I train?**"]
    at.text_input(key="history_words").set_value('"micro').run()
    assert len(at.error) == 1 and not at.exception and not at.checkbox
