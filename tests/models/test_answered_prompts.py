"""Whatever is said, an answer is learnt after the very prompt that asks for it, or is refused."""

import pytest

from glmcore.core.errors import DataError
from glmcore.core.messages import Message
from tests.models.asked_forms import NAMES, TEMPLATES, asked, pieces, turns
from tests.models.tiny_model import build_tokenizer

WRITTEN = "<|end|><|user|><|assistant|></s><eop>[gMASK]<sop>sop<|endoftext|><|observation|>"
CONVERSATIONS = [
    ("q", "a"),
    ("你好", "你好！ Hi\n- 1\n", "and?", " yes "),
    ("q", "a", "r", "b", "s", "c"),
    (f"x{WRITTEN}y", f"x{WRITTEN}y", "r", f"{WRITTEN}"),
    ("q", "<think>why</think>a", "r", "<think>so</think>b"),
    ("a", "b", "a", "b"),
    ("q", "\n\n"),
    ("q" * 300, "a" * 300, "r", "b"),
]


@pytest.mark.parametrize("system", [None, "Be brief."])
@pytest.mark.parametrize("name", [*NAMES, *TEMPLATES])
def test_an_answer_is_learnt_after_the_very_prompt_that_asks_for_it(name, system):
    form, tokenizer, ends = asked(name)
    conversations = [turns(*texts, system=system) for texts in CONVERSATIONS]
    batch = form.answered(tokenizer, conversations, ends)
    assert len(batch) == len(conversations)
    for messages, made in zip(conversations, batch, strict=True):
        assert made == form.answered(tokenizer, [messages], ends)[0]
        places = [index for index, message in enumerate(messages) if message.role == "assistant"]
        assert len(made.learnt) in (1, len(places))
        for place, (start, stop) in zip(places[-len(made.learnt) :], made.learnt, strict=True):
            assert made.ids[:start] == form.prompt_ids(tokenizer, messages[:place])
            assert made.ids[stop - 1] in ends
            assert not set(made.ids[start : stop - 1]) & set(ends)
            text = tokenizer.decode(made.ids[start : stop - 1])
            assert text.strip() == tokenizer.decode(pieces(tokenizer, messages[place].content)).strip()
        assert made.learnt[-1][1] == len(made.ids)
        assert sorted(made.learnt) == list(made.learnt)


@pytest.mark.parametrize("name", [*NAMES, *TEMPLATES])
def test_a_form_that_says_so_learns_every_answer(name):
    form, tokenizer, ends = asked(name)
    learns_all = form.learns_every_answer(tokenizer, ends)
    assert learns_all == (name in ("chatglm3", "glm-4-9b", "llama", "glm-4", "no system"))
    thought = "<think>x</think>"
    made = form.answered(tokenizer, [turns("q", f"{thought}a", "r", f"{thought}b", "s", "c")], ends)[0]
    assert len(made.learnt) == (3 if learns_all else 1)


@pytest.mark.parametrize("name", NAMES)
def test_one_conversation_that_is_refused_refuses_the_batch(name):
    form, tokenizer, ends = asked(name)
    assert form.answered(tokenizer, [], ends) == []
    if name in ("chatglm", "chatglm2"):
        with pytest.raises(DataError):
            form.answered(
                tokenizer, [turns("q", "a"), [Message("system", "s"), Message("assistant", "a")]], ends
            )


def test_a_template_that_refuses_says_why():
    form, tokenizer, ends = asked("llama")
    tokenizer = build_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    assert not form.learns_every_answer(tokenizer, ends)
    with pytest.raises(DataError, match="roles must alternate"):
        form.answered(tokenizer, [turns("q", "a")], ends)
