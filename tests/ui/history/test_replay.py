"""Saved conversations are asked again by a job, and both answers are read side by side."""

import json

from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.jobs.job import Job, JobKind, JobState
from glmcore.ui.history.address import CHOSEN_KEY
from tests.jobs.answered import answered_row, results, write_answers
from tests.ui.history.view_visit import html, open_view, press
from tests.ui.training.evaluate.evaluation import add_training
from tests.ui.training.jobs.job_visit import said, table
from tests.ui.visits import OWNER, Server

HOSTILE = "<script>alert(1)</script> $x$ {name}"


def replays(server: Server) -> list[Job]:
    return server.services.jobs.queue.list(kinds=[JobKind.PREDICT])


def answered(server: Server) -> tuple[Job, list[str]]:
    """A replay that has ended, and the ids of its conversations."""
    talks = [
        server.add_conversation("Where?", "In Paris, of course", title="Cities"),
        server.add_conversation("第二", HOSTILE, title=HOSTILE),
    ]
    press(open_view("replay", {CHOSEN_KEY: tuple(talk.id for talk in talks)}), "Replay")
    (job,) = replays(server)
    jobs = server.services.jobs
    claimed = jobs.queue.claim("box", "somebody", lambda queued, live: (queued[0], ("cpu:0",)))
    rows = [
        answered_row(1, "Where?", "In Paris, of course", "In Paris, certainly", 60),
        answered_row(2, "第二", HOSTILE, "<b>new</b>", 10),
    ]
    write_answers(jobs.folder(job.id).path, "base-aa", rows, results(35, 2))
    jobs.queue.end(claimed, JobState.FINISHED, 0, None, None)
    return jobs.queue.get(job.id), [talk.id for talk in talks]


def test_chosen_conversations_become_a_job_with_rows_of_its_own(server: Server) -> None:
    talk = server.add_conversation("a", "1", "b", "2", title="Cities")
    server.add_conversation("c", "3")
    at = open_view("replay", {CHOSEN_KEY: (talk.id,)})
    assert "1 conversation, chosen in the list" in said(at).replace("*", "")
    at.session_state["replay_which"] = "every"
    press(at, "Replay")
    (job,) = replays(server)
    jobs = server.services.jobs
    assert at.query_params["job"] == job.id and "queued" in said(at)
    assert job.options == {"checkpoint": "base", "compare_base": False, "owns_data": True}
    rows = jobs.folder(job.id).path / job.data
    assert jobs.config_of(job).data.test_file == rows
    told = [json.loads(line) for line in rows.read_text().splitlines()]
    assert [(row["prompt"], row["response"], len(row["history"])) for row in told] == [
        ("a", "1", 0),
        ("b", "2", 2),
    ]
    jobs.stop(job.id, "kill")
    jobs.delete(job.id, with_files=True)
    assert not rows.exists()


def test_a_filter_a_checkpoint_and_the_saved_parameters(server: Server) -> None:
    jobs = server.services.jobs
    history, talk = server.services.history, server.add_conversation("c", "")
    params = GenerationParams(temperature=0.4, top_p=0.0)
    answer = history.messages.start_answer(OWNER, talk.id, server.path(talk)[0].id)
    facts = AnswerFacts(model="tiny", stop_reason=StopReason.END, params=params)
    history.messages.finish_answer(OWNER, answer.id, "3", facts)
    source = add_training(jobs)
    at = open_view("replay")
    assert at.selectbox(key="replay_checkpoint").value == "checkpoint-100"
    at.session_state["replay_sampling"] = "as_saved"
    at.number_input(key="replay_answer").set_value(33)
    press(at, "Replay")
    (job,) = replays(server)
    config = jobs.config_of(job)
    assert job.parent_id == source.id and job.options["checkpoint"].endswith("checkpoint-100")
    assert (config.evaluation.temperature, config.evaluation.top_p) == (0.4, 0.01)
    assert config.evaluation.max_new_tokens == config.data.max_output_length == 33
    assert config.data.train_file is None and config.data.max_input_length == 1024


def test_the_same_press_sent_twice_is_one_job(server: Server) -> None:
    server.add_conversation("a", "1")
    at = open_view("replay")
    request = at.session_state["replay_request"]
    press(at, "Replay")
    del at.query_params["job"]
    at.session_state["replay_request"] = request  # as if the first press were still on its way
    at.run()
    press(at, "Replay")
    assert len(replays(server)) == 1


def test_without_answers_it_says_so_and_queues_nothing(server: Server) -> None:
    assert "Nothing to ask again" in said(open_view("replay"))
    server.add_conversation("unanswered")
    at = press(open_view("replay"), "Replay")
    assert "whole answer" in said(at) and not replays(server)


def test_both_answers_stand_side_by_side_with_what_differs_marked(server: Server) -> None:
    job, _talks = answered(server)
    at = open_view("replay", job=job.id)
    shown = html(at)
    assert shown.index("alert(1)") < shown.index("In Paris")  # the most different first
    assert "<script>" not in shown and "&lt;script&gt;" in shown.replace("<mark>", "").replace("</mark>", "")
    assert "In Paris, <mark>of course</mark>" in shown and "In Paris, <mark>certainly</mark>" in shown
    assert "alike 60 of 100 · Cities" in said(at)
    at.session_state["evaluation_order"] = "best"
    at.text_input(key="evaluation_search").set_value("Paris").run()
    assert "1 answer" in said(at) and "alert" not in html(at)


def test_each_pair_leads_to_its_answer_in_the_chat(server: Server) -> None:
    job, talks = answered(server)
    at = open_view("replay", job=job.id)
    links = [link.proto.query_string for link in at.get("page_link")]
    assert [any(talk in link and "m=" in link for link in links) for talk in talks] == [True, True]


def test_earlier_replays_are_listed_and_other_jobs_are_none(server: Server) -> None:
    job, _talks = answered(server)
    (row,) = table(open_view("replay"))
    assert (row["name"], row["state"], row["alike"]) == (job.name, "finished", 35)
    other = add_training(server.services.jobs)
    for name in (other.id, "../../etc", "<script>", "x\x00y"):
        assert "does not exist (any more)" in said(open_view("replay", job=name))
