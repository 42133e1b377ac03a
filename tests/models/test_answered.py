"""Conversations with their answers, as each family learns them: which ids there are, and which are learnt."""

import base64

import pytest

from glmcore.core.errors import DataError
from glmcore.core.messages import Message
from glmcore.models.catalog import FAMILIES
from glmcore.models.chat_template import ChatTemplate
from glmcore.models.tokenizers.chatglm import ChatGLM2Tokenizer, ChatGLM3Tokenizer, ChatGLMTokenizer
from glmcore.models.tokenizers.tiktoken_file import build_tiktoken_tokenizer
from tests.models.original_folders import VOCABULARY_FILES, vocabulary
from tests.models.tiny_model import build_tokenizer

KINDS = {"chatglm": ChatGLMTokenizer, "chatglm2": ChatGLM2Tokenizer, "chatglm3": ChatGLM3Tokenizer}
ENDS = {
    "chatglm": ("<eop>",),
    "chatglm2": ("</s>",),
    "chatglm3": ("</s>", "<|user|>", "<|observation|>"),
    "glm-4-9b": ("<|endoftext|>", "<|user|>", "<|observation|>"),
    "llama": ("<|end|>",),
}
NAMES = list(ENDS)
FORMS = {family.name: family.prompt_form for family in FAMILIES}
# Templates of today's models that differ in what they write of earlier answers.
GLM_4 = (
    "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
THOUGHTS = (
    "{% for m in messages %}<|{{ m.role }}|>"
    "{{ m.content if loop.last else m.content.split('</think>')[-1] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NO_END = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
END_OF_QUESTIONS = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}"
    "{% if m.role == 'user' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
THINKS_FIRST = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|><think>\n\n</think>{% endif %}"
)
TEMPLATES = {
    "glm-4": GLM_4,
    "thoughts": THOUGHTS,
    "no end": NO_END,
    "end of questions": END_OF_QUESTIONS,
    "no system": NO_SYSTEM,
    "thinks first": THINKS_FIRST,
}
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


def turns(*texts, system=None):
    head = [Message("system", system)] if system else []
    return [*head, *(Message(("user", "assistant")[index % 2], text) for index, text in enumerate(texts))]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    root = tmp_path_factory.mktemp("vocabularies")
    made = {}
    for family, kind in KINDS.items():
        path = root / family / VOCABULARY_FILES[family]
        path.parent.mkdir()
        path.write_bytes(vocabulary(family))
        made[family] = kind(path)
    lines = [f"{base64.b64encode(bytes([byte])).decode()} {byte}" for byte in range(256)]
    (root / "tokenizer.model").write_text("\n".join(lines))
    return made | {"glm-4-9b": build_tiktoken_tokenizer(root), "llama": build_tokenizer()}


@pytest.fixture
def asked(tokenizers):
    """Form, tokenizer and ends of a name: of a family, or a template on the tiny tokenizer."""

    def of(name):
        if name in ENDS:
            tokenizer = tokenizers[name]
            return FORMS.get(name, ChatTemplate()), tokenizer, ids_of(tokenizer, *ENDS[name])
        tokenizer = build_tokenizer()
        if name == "glm-4":
            special = ["[gMASK]", "<sop>", "<|endoftext|>", "<|observation|>"]
            tokenizer.add_special_tokens(
                {"additional_special_tokens": special}, replace_extra_special_tokens=False
            )
        if name in ("thoughts", "thinks first"):
            tokenizer.add_tokens(["<think>", "</think>"])
        tokenizer.chat_template = TEMPLATES[name]
        ends = ENDS["glm-4-9b" if name == "glm-4" else "llama"]
        return ChatTemplate(), tokenizer, ids_of(tokenizer, *ends)

    return of


def ids_of(tokenizer, *names):
    ids = tuple(tokenizer.convert_tokens_to_ids(name) for name in names)
    assert None not in ids
    return ids


def pieces(tokenizer, *parts):
    """Ids: a part in a list is a control token, any other is text."""
    ids = []
    for part in parts:
        if isinstance(part, list):
            ids += ids_of(tokenizer, *part)
        elif hasattr(tokenizer, "text_ids"):
            ids += tokenizer.text_ids(part)
        else:
            ids += tokenizer(part, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return ids


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


def answered(asked, name, messages):
    form, tokenizer, ends = asked(name)
    return form.answered(tokenizer, [messages], ends)[0], tokenizer


# --- by hand


def test_chatglm_learns_the_last_answer_after_the_tokens_that_ask(asked):
    made, tokenizer = answered(asked, "chatglm", turns("你好", "Hi"))
    assert_learns(made, tokenizer, (False, "你好", ["[gMASK]", "<sop>"]), (True, "Hi", ["<eop>"]))
    made, tokenizer = answered(asked, "chatglm", turns("q", "a", "r", "b", system="s"))
    prompt = "[Round 0]\n问：s\n\nq\n答：a\n[Round 1]\n问：r\n答："
    assert_learns(made, tokenizer, (False, prompt, ["[gMASK]", "<sop>"]), (True, "b", ["<eop>"]))


def test_chatglm2_learns_the_last_answer(asked):
    made, tokenizer = answered(asked, "chatglm2", turns("q", "a", "r", "b"))
    prompt = "[Round 1]\n\n问：q\n\n答：a\n\n[Round 2]\n\n问：r\n\n答："
    assert_learns(made, tokenizer, (False, ["[gMASK]", "sop"], prompt), (True, "b", ["</s>"]))


@pytest.mark.parametrize(
    "name, opening, end", [("chatglm3", "sop", "</s>"), ("glm-4-9b", "<sop>", "<|endoftext|>")]
)
def test_role_tokens_learn_every_answer_up_to_the_next_question(name, opening, end, asked):
    made, tokenizer = answered(asked, name, turns("q", "a", "r", "b", system="s"))
    assert_learns(
        made,
        tokenizer,
        (False, ["[gMASK]", opening, "<|system|>"], "\n", "s", ["<|user|>"], "\n", "q", ["<|assistant|>"]),
        (True, "\n", "a", ["<|user|>"]),
        (False, "\n", "r", ["<|assistant|>"]),
        (True, "\n", "b", [end]),
    )


def test_a_template_learns_every_answer_with_its_end(asked):
    made, tokenizer = answered(asked, "llama", turns("q", "a", "r", "b", system="s"))
    assert_learns(
        made,
        tokenizer,
        (False, ["<|system|>"], "s", ["<|end|>", "<|user|>"], "q", ["<|end|>", "<|assistant|>"]),
        (True, "a", ["<|end|>"]),
        (False, ["<|user|>"], "r", ["<|end|>", "<|assistant|>"]),
        (True, "b", ["<|end|>"]),
    )


def test_a_template_without_ends_learns_up_to_the_next_question(asked):
    made, tokenizer = answered(asked, "glm-4", turns("q", "a", "r", "b"))
    assert_learns(
        made,
        tokenizer,
        (False, ["[gMASK]", "<sop>", "<|user|>"], "\nq", ["<|assistant|>"]),
        (True, "\na", ["<|user|>"]),
        (False, "\nr", ["<|assistant|>"]),
        (True, "\nb", ["<|endoftext|>"]),
    )


def test_a_template_that_strips_thoughts_of_earlier_answers_learns_the_last(asked):
    texts = ("q", "<think>x</think>a", "r", "<think>y</think>b")
    made, tokenizer = answered(asked, "thoughts", turns(*texts))
    assert_learns(
        made,
        tokenizer,
        (False, ["<|user|>"], "q", ["<|end|>", "<|assistant|>"], "a", ["<|end|>", "<|user|>"], "r"),
        *[(False, ["<|end|>", "<|assistant|>"]), (True, ["<think>"], "y", ["</think>"], "b", ["<|end|>"])],
    )


def test_a_template_without_any_end_learns_the_last_answer_and_an_end(asked):
    made, tokenizer = answered(asked, "no end", turns("q", "a", "r", "b"))
    prompt = "user: q\nassistant: a\nuser: r\nassistant: "
    assert_learns(made, tokenizer, (False, prompt), (True, "b\n", ["<|end|>"]))


def test_what_a_user_says_is_never_learnt_where_only_questions_have_an_end(asked):
    made, tokenizer = answered(asked, "end of questions", turns("q", "a", "r", "b"))
    learnt = [tokenizer.decode(made.ids[start:stop]) for start, stop in made.learnt]
    assert all("r" not in text.replace("<|user|>", "") for text in learnt), learnt
    start, stop = made.learnt[-1]
    assert made.ids[start:stop] == pieces(tokenizer, "b", ["<|end|>"])


def test_a_template_that_thinks_before_it_answers_learns_what_follows_its_prompt(asked):
    made, tokenizer = answered(asked, "thinks first", turns("q", "a", "r", "b"))
    start, stop = made.learnt[-1]
    assert made.ids[:start] == ChatTemplate().prompt_ids(tokenizer, turns("q", "a", "r"))
    assert made.ids[start:stop] == pieces(tokenizer, "b", ["<|end|>"])
    assert len(made.learnt) == 1


def test_a_template_without_a_system_role_learns_after_its_merged_question(asked):
    made, tokenizer = answered(asked, "no system", turns("q", "a", "r", "b", system="s"))
    assert_learns(
        made,
        tokenizer,
        (False, ["<|user|>"], "s\n\nq", ["<|end|>", "<|assistant|>"]),
        (True, "a", ["<|end|>"]),
        (False, ["<|user|>"], "r", ["<|end|>", "<|assistant|>"]),
        (True, "b", ["<|end|>"]),
    )


@pytest.mark.parametrize("name", ["llama", "glm-4", "chatglm3", "glm-4-9b"])
def test_a_system_message_between_turns_is_not_learnt(name, asked):
    messages = [*turns("q", "a"), Message("system", "zz"), *turns("r", "b")]
    made, tokenizer = answered(asked, name, messages)
    secret = pieces(tokenizer, "zz")[-1]
    assert all(secret not in made.ids[start:stop] for start, stop in made.learnt)
    assert made.learnt[-1][1] == len(made.ids)


def test_two_answers_in_a_row_are_kept_apart(asked):
    messages = [*turns("q", "a"), Message("assistant", "b")]
    for name in ("chatglm3", "llama", "glm-4"):
        made, tokenizer = answered(asked, name, messages)
        start, _ = made.learnt[-1]
        form, _, _ = asked(name)
        assert made.ids[:start] == form.prompt_ids(tokenizer, messages[:-1])


# --- whatever is said


@pytest.mark.parametrize("system", [None, "Be brief."])
@pytest.mark.parametrize("name", [*NAMES, *TEMPLATES])
def test_an_answer_is_learnt_after_the_very_prompt_that_asks_for_it(name, system, asked):
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
def test_a_form_that_says_so_learns_every_answer(name, asked):
    form, tokenizer, ends = asked(name)
    learns_all = form.learns_every_answer(tokenizer, ends)
    assert learns_all == (name in ("chatglm3", "glm-4-9b", "llama", "glm-4", "no system"))
    thought = "<think>x</think>"
    made = form.answered(tokenizer, [turns("q", f"{thought}a", "r", f"{thought}b", "s", "c")], ends)[0]
    assert len(made.learnt) == (3 if learns_all else 1)


@pytest.mark.parametrize("name", NAMES)
def test_one_conversation_that_is_refused_refuses_the_batch(name, asked):
    form, tokenizer, ends = asked(name)
    assert form.answered(tokenizer, [], ends) == []
    if name in ("chatglm", "chatglm2"):
        with pytest.raises(DataError):
            form.answered(
                tokenizer, [turns("q", "a"), [Message("system", "s"), Message("assistant", "a")]], ends
            )


def test_a_template_that_refuses_says_why(asked):
    form, tokenizer, ends = asked("llama")
    tokenizer = build_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    assert not form.learns_every_answer(tokenizer, ends)
    with pytest.raises(DataError, match="roles must alternate"):
        form.answered(tokenizer, [turns("q", "a")], ends)
