"""Conversations as sequences: what is learnt, and what is cut where they are too long."""

from dataclasses import replace

import pytest

from glmcore.core.errors import DataError
from glmcore.core.messages import Message
from glmcore.models.catalog import FAMILIES
from glmcore.models.tokenizers.chatglm import ChatGLM2Tokenizer, ChatGLM3Tokenizer, ChatGLMTokenizer
from glmcore.tuning.data.tokens import BATCH, Example, ExampleBuilder, TooLong
from tests.models.original_folders import VOCABULARY_FILES, vocabulary
from tests.models.tiny_model import build_tokenizer

KINDS = {"chatglm": ChatGLMTokenizer, "chatglm2": ChatGLM2Tokenizer, "chatglm3": ChatGLM3Tokenizer}
NAMES = [*KINDS, "llama"]
FORMS = {family.name: family.prompt_form for family in FAMILIES}
END = {"chatglm": "<eop>", "chatglm2": "</s>", "chatglm3": "</s>", "llama": "<|end|>"}
LONG = "a very long question indeed, 你好, that goes on and on "


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    made = {}
    for family, kind in KINDS.items():
        path = tmp_path_factory.mktemp(family) / VOCABULARY_FILES[family]
        path.write_bytes(vocabulary(family))
        made[family] = kind(path)
    return made | {"llama": build_tokenizer()}


@pytest.fixture
def builder(tokenizers):
    def make(name, max_input=10_000, max_output=10_000):
        tokenizer = tokenizers[name]
        names = [END[name], *(["<|user|>", "<|observation|>"] if name == "chatglm3" else [])]
        return ExampleBuilder(
            form=FORMS.get(name, FORMS["glm"]),
            tokenizer=tokenizer,
            ends=tuple(tokenizer.convert_tokens_to_ids(one) for one in names),
            max_input_length=max_input,
            max_output_length=max_output,
        )

    return make


def turns(*texts, system=None):
    head = [Message("system", system)] if system else []
    return [*head, *(Message(("user", "assistant")[index % 2], text) for index, text in enumerate(texts))]


def build(builder, *conversations):
    return list(builder.build(enumerate(conversations, start=1)))


@pytest.mark.parametrize("name", NAMES)
def test_a_short_row_is_a_prompt_and_a_learnt_answer(name, builder):
    made = builder(name)
    (example,) = build(made, turns("q?", "a!", system="s"))
    assert example.ids[: example.prompt_length] == made.form.prompt_ids(
        made.tokenizer, turns("q?", system="s")
    )
    assert example.learnt == ((example.prompt_length, len(example.ids)),)
    assert example.ids[-1] == made.ends[0]
    assert (example.number, example.prompt, example.answer, example.cut_turns) == (1, "q?", "a!", 0)
    assert example.whole_prompt_length == example.prompt_length
    assert example.whole_answer_length == len(example.ids) - example.prompt_length
    assert not example.is_answer_cut


@pytest.mark.parametrize("name, count", [("chatglm", 3), ("chatglm2", 3), ("chatglm3", 1), ("llama", 1)])
def test_each_answer_of_a_conversation_is_learnt_once(name, count, builder):
    made = builder(name)
    examples = build(made, turns("q", "a", "r", "b", "s", "c"), turns("t", "d"))
    assert [example.number for example in examples] == [1] * count + [2]
    assert sum(len(example.learnt) for example in examples) == 4
    answers = [
        made.tokenizer.decode(example.ids[start : stop - 1]).strip()
        for example in examples
        for start, stop in example.learnt
    ]
    assert answers == ["a", "b", "c", "d"]
    if count == 3:
        assert [(example.prompt, example.answer) for example in examples] == [
            ("q", "a"),
            ("r", "b"),
            ("s", "c"),
            ("t", "d"),
        ]


@pytest.mark.parametrize("name", NAMES)
def test_of_a_row_with_a_history_the_last_answer_alone_is_learnt(name, builder):
    made = replace(builder(name), learns_last_only=True)
    (example,) = build(made, turns("q", "a", "r", "b", system="s"))
    prompt = made.form.prompt_ids(made.tokenizer, turns("q", "a", "r", system="s"))
    assert example.ids[: example.prompt_length] == prompt
    assert example.learnt == ((len(prompt), len(example.ids)),)
    assert (example.prompt, example.answer) == ("r", "b")


def test_an_answer_is_learnt_once_where_a_template_writes_earlier_ones_otherwise(builder):
    tokenizer = build_tokenizer()
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = (
        "{% for m in messages %}<|{{ m.role }}|>"
        "{{ m.content if loop.last else m.content.split('</think>')[-1] }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    made = ExampleBuilder(
        form=FORMS["glm"],
        tokenizer=tokenizer,
        ends=(tokenizer.convert_tokens_to_ids("<|end|>"),),
        max_input_length=500,
        max_output_length=500,
    )
    thoughts = ("q", "<think>x</think>a", "r", "<think>y</think>b")
    for texts in (thoughts, ("q", "a", "r", "b")):
        examples = build(made, turns(*texts))
        answers = [
            tokenizer.decode(example.ids[start : stop - 1])
            for example in examples
            for start, stop in example.learnt
        ]
        assert answers == [texts[1], texts[3]]
        assert all(
            example.ids[: example.prompt_length]
            == made.form.prompt_ids(tokenizer, turns(*texts)[: 2 * index + 1])
            for index, example in enumerate(examples)
        )


# --- too long


@pytest.mark.parametrize("name", NAMES)
def test_the_oldest_turns_are_left_out_first_and_as_few_as_needed(name, builder):
    plain = builder(name)
    messages = turns(*(f"{LONG}{index}" for index in range(9)), "the end", system="Be kind.")
    assert messages[-1].role == "assistant"

    def prompt_without(count):
        rest = [messages[0], *messages[1 + 2 * count :]]
        return plain.form.prompt_ids(plain.tokenizer, rest[:-1])

    for count in range(5):
        limit = len(prompt_without(count))
        example = build(builder(name, max_input=limit), messages)[-1]
        assert isinstance(example, Example)
        assert example.ids[: example.prompt_length] == prompt_without(count)
        assert example.cut_turns == count
        assert example.whole_prompt_length == len(prompt_without(0))
        fewer = build(builder(name, max_input=limit - 1), messages)[-1]
        assert isinstance(fewer, TooLong) if count == 4 else fewer.cut_turns == count + 1


@pytest.mark.parametrize("name", NAMES)
def test_a_question_is_never_cut(name, builder):
    made = builder(name, max_input=12)
    conversation = turns("q", "a", LONG * 4, "b")
    *before, last = build(made, conversation)
    assert isinstance(last, TooLong)
    assert last.number == 1
    plain = builder(name)
    assert last.whole_prompt_length == len(plain.form.prompt_ids(plain.tokenizer, conversation[:-1]))
    if name in ("chatglm", "llama"):  # the others' prompts have more of their own
        fits = build(made, turns("q", "a"))[0]
        assert isinstance(fits, Example)
    assert not any(isinstance(one, Example) and LONG in one.prompt for one in before)


@pytest.mark.parametrize("name", NAMES)
def test_a_system_prompt_stays_when_turns_go(name, builder):
    plain = builder(name)
    messages = turns(LONG, "a", "r", "b", system="Be kind.")
    limit = len(plain.form.prompt_ids(plain.tokenizer, turns("r", system="Be kind.")))
    example = build(builder(name, max_input=limit), messages)[-1]
    assert "Be kind." in plain.tokenizer.decode(example.ids)
    assert LONG[:20] not in plain.tokenizer.decode(example.ids)


@pytest.mark.parametrize("name", NAMES)
def test_a_long_answer_is_cut_and_its_end_is_not_learnt(name, builder):
    (whole,) = build(builder(name), turns("q", LONG))
    length = len(whole.ids) - whole.prompt_length
    (cut,) = build(builder(name, max_output=length - 1), turns("q", LONG))
    assert cut.ids == whole.ids[:-1]
    assert cut.ids[-1] not in builder(name).ends
    assert cut.is_answer_cut
    assert cut.whole_answer_length == length
    (same,) = build(builder(name, max_output=length), turns("q", LONG))
    assert same == whole
    assert not same.is_answer_cut
    (short,) = build(builder(name, max_output=2), turns("q", LONG))
    assert len(short.ids) == short.prompt_length + 2


@pytest.mark.parametrize("name", NAMES)
def test_no_example_is_longer_than_the_limits_together(name, builder):
    made = builder(name, max_input=60, max_output=20)
    conversations = [
        turns(*(LONG[: 3 + (number * 7 + index * 5) % 50] for index in range(2 * (1 + number % 5))))
        for number in range(40)
    ]
    for example in build(made, *conversations):
        if isinstance(example, Example):
            assert len(example.ids) <= 80
            assert example.prompt_length <= 60
            assert all(0 < start < stop <= len(example.ids) for start, stop in example.learnt)


@pytest.mark.parametrize("name", NAMES)
def test_many_rows_are_as_each_alone(name, builder):
    made = builder(name, max_input=50, max_output=10)
    conversations = [
        turns(*(f"{number} {LONG[: number % 30]}" for _ in range(2 * (1 + number % 3))))
        for number in range(BATCH + 60)
    ]
    alone = [
        example
        for number, messages in enumerate(conversations, start=1)
        for example in made.build([(number, messages)])
    ]
    assert build(made, *conversations) == alone


def test_nothing_to_build_gives_nothing(builder):
    assert build(builder("llama")) == []


def test_a_conversation_that_is_not_accepted_names_its_row(tokenizers):
    tokenizer = build_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{% if m.content == 'bad' %}{{ raise_exception('bad word') }}{% endif %}"
        "<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    made = ExampleBuilder(
        form=FORMS["glm"],
        tokenizer=tokenizer,
        ends=(tokenizer.convert_tokens_to_ids("<|end|>"),),
        max_input_length=99,
        max_output_length=99,
    )
    with pytest.raises(DataError, match=r"Row 2: .*bad word"):
        build(made, turns("q", "a"), turns("bad", "a"), turns("q", "a"))
