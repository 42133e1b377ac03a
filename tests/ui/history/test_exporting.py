"""What is exported is fetched by a ticket that the page gives out."""

import json

from streamlit.testing.v1 import AppTest

from glmcore.history import ConversationFilter
from glmcore.history.carry import FORMS
from glmcore.ui.history.downloads import KEPT, Order, Tickets, find_download
from glmcore.ui.history.exporting import PURPOSES
from tests.ui.visits import Server


def _main() -> None:
    from glmcore.history import ConversationFilter
    from glmcore.ui.history.exporting import offer_export
    from glmcore.ui.services import services
    from glmcore.ui.session import OWNER

    chosen = ConversationFilter()
    offer_export(services(), chosen, services().history.conversations.count(OWNER, chosen))


def open_controls() -> AppTest:
    at = AppTest.from_function(_main, default_timeout=20)
    at.run()
    assert not at.exception, at.exception
    return at


def fetch(at: AppTest) -> tuple[str, bytes]:
    [button] = at.get("link_button")
    found = find_download(button.proto.url.removeprefix("/downloads/"))
    assert found is not None
    return found.file_name, b"".join(found.parts())


def test_the_button_fetches_the_chosen_form(server: Server) -> None:
    server.add_conversation("如何微调？", "by <b>LoRA</b>", title="微调 one")
    at = open_controls()
    assert at.caption[-1].value.startswith("1 conversation with 2 messages, about 29 B")
    name, content = fetch(at)
    assert name == "微调-one.json" and json.loads(content)["format"] == "glmcore-history"
    at.radio(key="export_form").set_value("openai").run()
    name, content = fetch(at)
    assert name.endswith(".jsonl") and json.loads(content)["messages"][0]["content"] == "如何微调？"


def test_of_several_no_title_is_taken_and_of_none_nothing_is_offered(server: Server) -> None:
    at = open_controls()
    assert not at.get("link_button") and "no conversation" in at.caption[0].value
    server.add_conversation("a", "b", title="first")
    server.add_conversation("c", "d", title="second")
    at.run()
    assert fetch(at)[0].startswith("conversations-")


def test_every_form_says_what_it_is_for() -> None:
    assert set(PURPOSES) == set(FORMS)


def test_one_order_has_one_ticket_and_old_ones_are_forgotten() -> None:
    given = Tickets()
    first = Order("ann", ConversationFilter(), "json")
    ticket = given.give(first)
    assert given.give(Order("ann", ConversationFilter(), "json")) == ticket
    others = {given.give(Order("bob", ConversationFilter(), str(number))) for number in range(KEPT - 1)}
    assert len(others) == KEPT - 1 and given.find(ticket) == first
    given.give(Order("bob", ConversationFilter(words="new"), "json"))
    assert given.find(ticket) is None and given.find("guessed") is None
