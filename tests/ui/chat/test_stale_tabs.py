"""Two tabs with one conversation: what is meant for another state of it is refused and said."""

from tests.fakes import FakeEngine
from tests.ui.visits import Server, Visit

WENT_ON = "This conversation went on in another window"


def two_tabs(server: Server) -> tuple[Visit, Visit]:
    conversation = server.add_conversation("One?", "First.")
    return Visit(server, conversation), Visit(server, conversation)


def test_question_to_what_was_not_read_stays_in_the_box(server: Server) -> None:
    first, second = two_tabs(server)
    first.ask("Two?")
    second.at.chat_input(key="question").set_value("Three?").run()
    assert second.says(WENT_ON) and "Two?" in second.shown()
    assert second.at.chat_input(key="question").proto.value == "Three?"
    assert server.texts() == ["One?", "First.", "Two?", "An answer."]
    second.ask("Three?")
    assert server.texts()[-2:] == ["Three?", "An answer."] and not second.says(WENT_ON)


def test_answering_again_is_for_the_answer_that_was_looked_at(server: Server) -> None:
    first, second = two_tabs(server)
    first.ask("Two?")
    second.at.button(key="regenerate").click().run()
    assert second.says(WENT_ON) and len(server.requests) == 1
    second.click("regenerate")
    assert len(server.requests) == 2


def test_edit_is_not_asked_over_what_another_tab_went_on_with(server: Server) -> None:
    server.engine = FakeEngine(["To two.", "To the edited."])
    first, second = two_tabs(server)
    question_id = server.path()[0].id
    second.click(f"edit_{question_id}")
    first.ask("Two?")
    second.at.text_area(key=f"edited_{question_id}").set_value("Uno?").run()
    assert second.says("Two?")  # it was drawn meanwhile, so the next click is meant for it
    second.click_label("Ask again")
    assert server.texts() == ["Uno?", "To the edited."]
