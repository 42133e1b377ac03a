import pytest

from glmcore.history.search.passages import OVERLAP, PASSAGE_CHARS, passages
from glmcore.history.search.words import WORD_CHARS, segmented


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Fine-tune the Model", ["fine", "tune", "the", "model"]),
        ("进行微调。", ["进行", "行微", "微调", "调"]),
        ("用LoRA微调", ["用", "lora", "微调", "调"]),
        ("learning_rate=3.14", ["learning", "rate", "3", "14"]),
        ("ＧＬＭ４ ﬁne Straße ①", ["glm4", "fine", "strasse", "1"]),
        ("ｶﾞｷﾞ", ["ガギ", "ギ"]),
        ("cafe\u0301 naïve हिन्दी עִבְרִית", ["café", "naïve", "हिन्दी", "עִבְרִית"]),
        ("ไทย한국어", ["ไท", "ทย", "ย한", "한국", "국어", "어"]),
        ("𠀀𠀁 々〇", ["𠀀𠀁", "𠀁", "々〇", "〇"]),
        ("micro\u00adtuning 微\u200d调\ufe0f", ["microtuning", "微调", "调"]),
        ("!? ️👩‍💻 \ud800 \x00 ¶ …", []),
        ("x" * 100, ["x" * WORD_CHARS]),
        ("", []),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert segmented(text) == words


def test_a_message_of_usual_length_is_one_passage() -> None:
    (passage,) = passages("微调 " * 200)
    assert passage.is_whole
    assert passage.start == 0
    assert passage.words == segmented("微调 " * 200)


@pytest.mark.parametrize(
    "text", ["one two, three 四五。\n" * 2_000, "哈" * 3_000, "a " * 4_000, "𠀀" * 9_000]
)
def test_passages_of_a_long_text_keep_to_the_limits_and_overlap(text: str) -> None:
    found = list(passages(text))
    assert not any(passage.is_whole for passage in found)
    assert all(max(map(passage.words.count, set(passage.words))) <= 255 for passage in found)
    assert all(len(passage.words) < 16_383 for passage in found)
    together = found[0].words
    for passage in found[1:]:
        assert together[-OVERLAP:] == passage.words[:OVERLAP]
        together = together + passage.words[OVERLAP:]
    assert together == segmented(text)


def test_a_passage_tells_where_it_begins() -> None:
    text = "word, " * 2_000 + "needle " + "word, " * 2_000
    (passage,) = [each for each in passages(text) if "needle" in each.words[OVERLAP:]]
    assert passage.start <= text.index("needle") < passage.start + PASSAGE_CHARS + 10


def test_signs_at_the_end_of_a_long_text_make_no_passage_of_their_own() -> None:
    assert len(list(passages("x" * PASSAGE_CHARS + " " + "!" * PASSAGE_CHARS))) == 1
