"""Words are those of jieba, found quietly."""

import subprocess
import sys

import pytest

from benchmarks.scoring import make_pairs, quiet_jieba
from glmcore.tuning.scores.words import SHORT_BLOCK, cut_words
from tests.tuning.cases import slow_but
from tests.tuning.scores.random_texts import random_pairs


def joined(words: list[str]) -> str:
    """As ROUGE is given them; jieba's two-character line end is two words here and the same line end."""
    return " ".join(words).replace("\r \n", "\r\n")


@pytest.mark.parametrize("count", slow_but([150], [150, 3000]))
def test_random_texts_are_cut_as_jieba_cuts_them(count):
    texts = [text for pair in [*random_pairs(count, seed=1), *make_pairs(40)] for text in pair]
    assert [joined(cut_words(text)) for text in texts] == [joined(quiet_jieba().lcut(text)) for text in texts]


def test_cutting_again_from_what_is_remembered_gives_the_same():
    text = "小明硕士毕业于中国科学院计算所，hello hello，小明硕士毕业于中国科学院计算所"
    assert cut_words(text) == cut_words(text) == quiet_jieba().lcut(text)


def test_a_block_too_long_to_remember_is_cut_alike():
    text = "研究生命起源的人工智能" * 40 + "x" * SHORT_BLOCK + "GLM" * 300
    assert cut_words(text) == quiet_jieba().lcut(text)


def test_empty_text_has_no_words():
    assert cut_words("") == []


def test_loading_says_nothing_and_leaves_no_file(tmp_path):
    program = "from glmcore.tuning.scores.words import cut_words; print(len(cut_words('今天天气很好')))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert (done.stdout.strip(), done.stderr) == ("3", "")
    assert list(tmp_path.iterdir()) == []
