"""Conversations with their answers, as each family learns them: which ids there are, and which are learnt."""

import pytest

from glmcore.core.messages import Message
from glmcore.models.chat_template import ChatTemplate
from tests.models.asked_forms import asked, pieces, turns


def assert_learns(made, tokenizer, *segments):
    """Segments are (is learnt, part, part …) in order; spans of learnt ids are exactly theirs."""
    ids, spans = [], []
    for is_learnt, *parts in segments:
        start = len(ids)
        ids += pieces(tokenizer, *parts)
        if is_learnt:
            spans.append((start, len(ids)))
    assert made.ids == ids
    assert list(made.learnt) == spans


def answered(name, messages):
    form, tokenizer, ends = asked(name)
    return form.answered(tokenizer, [messages], ends)[0], tokenizer


def test_chatglm_learns_the_last_answer_after_the_tokens_that_ask():
    made, tokenizer = answered("chatglm", turns("你好", "Hi"))
    assert_learns(made, tokenizer, (False, "你好", ["[gMASK]", "<sop>"]), (True, "Hi", ["<eop>"]))
    made, tokenizer = answered("chatglm", turns("q", "a", "r", "b", system="s"))
    prompt = "[Round 0]\n问：s\n\nq\n答：a\n[Round 1]\n问：r\n答："
    assert_learns(made, tokenizer, (False, prompt, ["[gMASK]", "<sop>"]), (True, "b", ["<eop>"]))


def test_chatglm2_learns_the_last_answer():
    made, tokenizer = answered("chatglm2", turns("q", "a", "r", "b"))
    prompt = "[Round 1]\n\n问：q\n\n答：a\n\n[Round 2]\n\n问：r\n\n答："
    assert_learns(made, tokenizer, (False, ["[gMASK]", "sop"], prompt), (True, "b", ["</s>"]))


@pytest.mark.parametrize(
    "name, opening, end", [("chatglm3", "sop", "</s>"), ("glm-4-9b", "<sop>", "<|endoftext|>")]
)
def test_role_tokens_learn_every_answer_up_to_the_next_question(name, opening, end):
    made, tokenizer = answered(name, turns("q", "a", "r", "b", system="s"))
    assert_learns(
        made,
        tokenizer,
        (False, ["[gMASK]", opening, "<|system|>"], "\n", "s", ["<|user|>"], "\n", "q", ["<|assistant|>"]),
        (True, "\n", "a", ["<|user|>"]),
        (False, "\n", "r", ["<|assistant|>"]),
        (True, "\n", "b", [end]),
    )


def test_a_template_learns_every_answer_with_its_end():
    made, tokenizer = answered("llama", turns("q", "a", "r", "b", system="s"))
    assert_learns(
        made,
        tokenizer,
        (False, ["<|system|>"], "s", ["<|end|>", "<|user|>"], "q", ["<|end|>", "<|assistant|>"]),
        (True, "a", ["<|end|>"]),
        (False, ["<|user|>"], "r", ["<|end|>", "<|assistant|>"]),
        (True, "b", ["<|end|>"]),
    )


def test_a_template_without_ends_learns_up_to_the_next_question():
    made, tokenizer = answered("glm-4", turns("q", "a", "r", "b"))
    assert_learns(
        made,
        tokenizer,
        (False, ["[gMASK]", "<sop>", "<|user|>"], "\nq", ["<|assistant|>"]),
        (True, "\na", ["<|user|>"]),
        (False, "\nr", ["<|assistant|>"]),
        (True, "\nb", ["<|endoftext|>"]),
    )


def test_a_template_that_strips_thoughts_of_earlier_answers_learns_the_last():
    texts = ("q", "<think>x</think>a", "r", "<think>y</think>b")
    made, tokenizer = answered("thoughts", turns(*texts))
    assert_learns(
        made,
        tokenizer,
        (False, ["<|user|>"], "q", ["<|end|>", "<|assistant|>"], "a", ["<|end|>", "<|user|>"], "r"),
        *[(False, ["<|end|>", "<|assistant|>"]), (True, ["<think>"], "y", ["</think>"], "b", ["<|end|>"])],
    )


def test_a_template_without_any_end_learns_the_last_answer_and_an_end():
    made, tokenizer = answered("no end", turns("q", "a", "r", "b"))
    prompt = "user: q\nassistant: a\nuser: r\nassistant: "
    assert_learns(made, tokenizer, (False, prompt), (True, "b\n", ["<|end|>"]))


def test_what_a_user_says_is_never_learnt_where_only_questions_have_an_end():
    made, tokenizer = answered("end of questions", turns("q", "a", "r", "b"))
    learnt = [tokenizer.decode(made.ids[start:stop]) for start, stop in made.learnt]
    assert all("r" not in text.replace("<|user|>", "") for text in learnt), learnt
    start, stop = made.learnt[-1]
    assert made.ids[start:stop] == pieces(tokenizer, "b", ["<|end|>"])


def test_a_template_that_thinks_before_it_answers_learns_what_follows_its_prompt():
    made, tokenizer = answered("thinks first", turns("q", "a", "r", "b"))
    start, stop = made.learnt[-1]
    assert made.ids[:start] == ChatTemplate().prompt_ids(tokenizer, turns("q", "a", "r"))
    assert made.ids[start:stop] == pieces(tokenizer, "b", ["<|end|>"])
    assert len(made.learnt) == 1


def test_a_template_without_a_system_role_learns_after_its_merged_question():
    made, tokenizer = answered("no system", turns("q", "a", "r", "b", system="s"))
    assert_learns(
        made,
        tokenizer,
        (False, ["<|user|>"], "s\n\nq", ["<|end|>", "<|assistant|>"]),
        (True, "a", ["<|end|>"]),
        (False, ["<|user|>"], "r", ["<|end|>", "<|assistant|>"]),
        (True, "b", ["<|end|>"]),
    )


@pytest.mark.parametrize("name", ["llama", "glm-4", "chatglm3", "glm-4-9b"])
def test_a_system_message_between_turns_is_not_learnt(name):
    messages = [*turns("q", "a"), Message("system", "zz"), *turns("r", "b")]
    made, tokenizer = answered(name, messages)
    secret = pieces(tokenizer, "zz")[-1]
    assert all(secret not in made.ids[start:stop] for start, stop in made.learnt)
    assert made.learnt[-1][1] == len(made.ids)


def test_two_answers_in_a_row_are_kept_apart():
    messages = [*turns("q", "a"), Message("assistant", "b")]
    for name in ("chatglm3", "llama", "glm-4"):
        made, tokenizer = answered(name, messages)
        start, _ = made.learnt[-1]
        form, _, _ = asked(name)
        assert made.ids[:start] == form.prompt_ids(tokenizer, messages[:-1])
