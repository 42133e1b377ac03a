"""Good answers are looked at as rows, written as a data set, and lead to the training form."""

from glmcore.history.records import Judgement
from glmcore.ui.history.address import CHOSEN_KEY
from tests.ui.history.view_visit import html, open_view, press
from tests.ui.training.jobs.job_visit import said, table
from tests.ui.visits import OWNER, Server

HOSTILE = "<script>alert(1)</script>"


def add_judged(server: Server, *turns: str, **values) -> str:
    """A conversation whose last answer is judged; its id."""
    talk = server.add_conversation(*turns)
    answer = server.path(talk)[-1]
    server.services.history.judgements.judge(OWNER, Judgement(message_id=answer.id, **values))
    return talk.id


def test_the_preview_counts_and_shows_what_would_be_written(server: Server) -> None:
    add_judged(server, HOSTILE, "<b>good</b>", thumb=1)
    add_judged(server, "q", "bad answer", thumb=-1, repair="better answer")
    add_judged(server, "q2", "bad", thumb=-1)
    at = press(open_view("data"), "Preview")
    told = said(at).replace("*", "")
    assert "2 rows · 2 answers taught · of 2 conversations · 1 preference pair" in told
    assert "1 × answers judged bad" in told
    shown = html(at)
    assert "<script>" not in shown and "&lt;b&gt;good&lt;/b&gt;" in shown
    assert "<mark>bad</mark> answer" in shown and "<mark>better</mark> answer" in shown
    at.number_input(key="data_test").set_value(10).run()
    assert "rows ·" not in said(at)  # another choice is another set


def test_a_set_is_written_once_listed_and_checked(server: Server) -> None:
    chosen = add_judged(server, "q", "good", thumb=1)
    add_judged(server, "not ticked", "good too", thumb=1)
    at = open_view("data", {CHOSEN_KEY: (chosen,)})
    at.number_input(key="data_validation").set_value(0)
    at.text_input(key="data_name").set_value("客服").run()
    press(at, "Write")
    folder = server.services.settings.home / "datasets" / "客服" / "1"
    assert "客服, version 1, is written" in "".join(one.value for one in at.success)
    assert (folder / "train.jsonl").read_text().count("\n") == 1
    (row,) = table(at)
    assert (row["name"], row["version"], row["train.jsonl"]) == ("客服", 1, 1)
    (link,) = [link.proto for link in at.get("page_link") if link.proto.label == "Train on it"]
    assert "view=new" in link.query_string and "train_file=" in link.query_string
    at.session_state[CHOSEN_KEY] = (chosen,)
    at.run()
    press(at, "Write")
    assert "Nothing has changed since version 1" in said(at) and len(table(at)) == 1
    press(at, "Check the files")
    assert "Every file is as it was written" in "".join(one.value for one in at.success)
    (folder / "train.jsonl").chmod(0o644)
    (folder / "train.jsonl").write_text("changed")
    press(at, "Check the files")
    assert "was changed after it was written" in said(at)


def test_what_cannot_be_written_is_said_in_a_sentence(server: Server) -> None:
    assert "No conversation to learn from" in said(open_view("data"))
    add_judged(server, "q", "bad", thumb=-1)
    at = open_view("data")
    for name, words in (("../x", "is no name for a data set"), ("fine", "No answer of these")):
        at.text_input(key="data_name").set_value(name).run()
        assert words in said(press(at, "Write"))
    at.session_state["data_kinds"] = []
    assert "expected at least one" in said(at.run())
