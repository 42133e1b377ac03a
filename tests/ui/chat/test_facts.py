"""What is told of an answer: the facts line, why an answer ended, what can be continued."""

import pytest

from glmcore.core.messages import AnswerFacts, GenerationParams, StopReason
from glmcore.history import StoredMessage
from glmcore.ui.chat.facts import can_continue, facts_line, stop_text
from tests.ui.visits import Server


def facts(reason: StopReason = StopReason.END, **values: object) -> AnswerFacts:
    return AnswerFacts(model="tiny", stop_reason=reason, params=GenerationParams(), **values)


def answer(content: str, known: AnswerFacts | None, state: str = "done") -> StoredMessage:
    return StoredMessage(
        id="1",
        conversation_id="c",
        parent_id="0",
        role="assistant",
        content=content,
        state=state,
        facts=known,
        created_at=0.0,
    )


def test_facts_line_tells_model_tokens_times_and_end(server: Server) -> None:
    known = facts(completion_tokens=11, seconds=1.25, seconds_to_first_token=0.25)
    assert facts_line(known) == "tiny · 11 tokens · first after 0.25 s · 10.0 tokens/s · complete"


def test_facts_line_names_the_adapter_without_its_models_folder(server: Server) -> None:
    assert facts_line(facts(adapter="tiny/lora")).startswith(r"tiny \+ lora · ")
    assert facts_line(facts(adapter="other/lora")).startswith(r"tiny \+ other\/lora · ")


def test_facts_line_names_the_engine_where_it_is_known(server: Server) -> None:
    assert facts_line(facts(engine="openvino")) == "tiny · openvino · 0 tokens · complete"


def test_facts_line_leaves_out_what_was_not_measured(server: Server) -> None:
    assert facts_line(facts(StopReason.CANCELLED)) == "tiny · 0 tokens · stopped"
    assert facts_line(facts(completion_tokens=1)) == "tiny · 1 token · complete"


def test_facts_line_says_how_many_turns_were_left_out(server: Server) -> None:
    assert facts_line(facts(turns_left_out=1)).endswith("· 1 oldest turn left out")
    assert facts_line(facts(turns_left_out=3)).endswith("· 3 oldest turns left out")


def test_every_end_has_words_of_its_own(server: Server) -> None:
    assert len({stop_text(reason) for reason in StopReason}) == len(StopReason)


@pytest.mark.parametrize("reason", list(StopReason))
def test_cut_answers_can_be_continued(reason: StopReason) -> None:
    is_cut = reason in (StopReason.LENGTH, StopReason.CANCELLED, StopReason.INTERRUPTED)
    assert can_continue(answer("Some text", facts(reason))) == is_cut
    assert not can_continue(answer("", facts(reason)))


def test_interrupted_answer_without_facts_can_be_continued() -> None:
    assert can_continue(answer("Half", None, "interrupted"))
    assert not can_continue(answer("Half", None, "running"))
