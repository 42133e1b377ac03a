"""The project's own texts: the demo rows and the probe keep their form, their balance and their distance."""

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "configs" / "demo"
PROBE = ROOT / "glmcore" / "tuning" / "probe" / "questions.json"

SIZES = {"train": 200, "validation": 24, "test": 40}
CARDS = {
    "Customer: ": re.compile(
        "Topic: (?P<topic>delivery|refund|damaged item|wrong item|invoice|account|product question|praise)\n"
        "Urgency: (?P<urgency>high|normal|low)\n"
        "Next step: (?P<step>[A-Z][^\n]+[.])"
    ),
    "客户：": re.compile(
        "主题：(?P<topic>物流|退款|破损|发错货|发票|账户|商品咨询|表扬)\n"
        "紧急程度：(?P<urgency>高|中|低)\n"
        "下一步：(?P<step>[^\n]+。)"
    ),
}


def rows_of(split):
    lines = (DEMO / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def opening_of(row):
    return next(opening for opening in CARDS if row["prompt"].startswith(opening))


def card_of(row):
    return CARDS[opening_of(row)].fullmatch(row["response"])


def five_grams(text):
    letters = re.sub(r"[\W_]+", "", text.lower())
    return {letters[start : start + 5] for start in range(max(1, len(letters) - 4))}


def likeness(some, others):
    return len(some & others) / len(some | others)


@pytest.mark.parametrize("split", SIZES)
def test_a_demo_file_holds_its_rows_in_readable_utf_8(split):
    text = (DEMO / f"{split}.jsonl").read_text(encoding="utf-8")
    assert len(rows_of(split)) == SIZES[split]
    assert all(list(row) == ["prompt", "response"] for row in rows_of(split))
    assert "\\u" not in text
    assert text.endswith("}\n")


@pytest.mark.parametrize("split", SIZES)
def test_half_of_the_demo_rows_are_english_and_half_chinese(split):
    assert Counter(map(opening_of, rows_of(split))) == dict.fromkeys(CARDS, SIZES[split] // 2)


@pytest.mark.parametrize("split", SIZES)
def test_every_demo_response_is_a_card_with_a_known_topic_and_urgency(split):
    assert [row for row in rows_of(split) if card_of(row) is None] == []


@pytest.mark.parametrize("split", SIZES)
def test_demo_topics_are_equally_frequent(split):
    topics = Counter(card_of(row)["topic"] for row in rows_of(split))
    assert len(topics) == 16
    assert max(topics.values()) - min(topics.values()) <= 1


def test_a_topic_has_at_most_four_next_steps_and_each_is_learnt_more_than_once():
    learnt = Counter((card_of(row)["topic"], card_of(row)["step"]) for row in rows_of("train"))
    asked = {(card_of(row)["topic"], card_of(row)["step"]) for row in rows_of("validation") + rows_of("test")}
    assert max(Counter(topic for topic, _ in learnt).values()) == 4
    assert min(learnt.values()) >= 2
    assert asked <= set(learnt)


def test_demo_prompts_are_short():
    prompts = [row["prompt"] for split in SIZES for row in rows_of(split)]
    assert max(len(prompt.split()) for prompt in prompts) <= 60
    assert max(len(prompt) for prompt in prompts if prompt.startswith("客户：")) <= 80


def test_no_two_demo_messages_are_alike_in_or_between_the_files():
    messages = [row["prompt"].removeprefix(opening_of(row)) for split in SIZES for row in rows_of(split)]
    assert len(set(messages)) == sum(SIZES.values())
    grams = [five_grams(message) for message in messages]
    assert max(likeness(some, others) for some, others in combinations(grams, 2)) < 0.2


def probe_items():
    return json.loads(PROBE.read_text(encoding="utf-8"))


def test_the_probe_has_forty_items_with_unique_ids_and_fifteen_questions_a_language():
    items = probe_items()
    assert Counter((item["language"], item["kind"]) for item in items) == {
        ("en", "question"): 15,
        ("en", "sentence"): 5,
        ("zh", "question"): 15,
        ("zh", "sentence"): 5,
    }
    ids = [f"{language}-{number:02d}" for language in ("en", "zh") for number in range(1, 21)]
    assert [item["id"] for item in items] == ids
    assert all(item["id"].startswith(item["language"]) for item in items)


def test_no_text_of_the_probe_is_empty_or_asked_twice():
    items = probe_items()
    assert all(list(item) == ["id", "language", "kind", "prompt", "answer"] for item in items)
    assert all(item["prompt"].strip() and item["answer"].strip() for item in items)
    assert len({item["prompt"] for item in items}) == len(items)


def test_the_probe_asks_nothing_that_the_demo_teaches():
    texts = [f"{item['prompt']} {item['answer']}" for item in probe_items()]
    taught = re.compile("topic|urgency|next step|customer|shop|主题|紧急|下一步|客户|网店", re.IGNORECASE)
    assert [text for text in texts if taught.search(text)] == []
