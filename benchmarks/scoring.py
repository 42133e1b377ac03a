"""How long scores take, against the original's formulas, row by row through their libraries; equal numbers.

`BENCH_PAIRS` sets another number of pairs than 10,000.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from functools import lru_cache
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.report import Measurement
from glmcore.tuning.scores import ScoreTotals, score_pair
from glmcore.tuning.scores.bleu_4 import bleu_4
from glmcore.tuning.scores.rouge import rouge

NUM_PAIRS = int(os.environ.get("BENCH_PAIRS", "10000"))
SLICES = 10  # the two take turns, so that a noisy neighbour meets both
THINGS = """连衣裙 牛仔裤 衬衫 针织衫 风衣 半身裙 卫衣 阔腿裤 外套 T恤 领口
    袖口 裙摆 腰线 面料 口袋 版型 印花 蕾丝 刺绣 纽扣"""
QUALITIES = """宽松 修身 优雅 甜美 时尚 复古 清新 柔软 透气 亲肤 简约
    精致 个性 百搭 飘逸 立体 不规则 高腰 显瘦 温柔 别致"""
DOINGS = "采用 搭配 点缀 展现 凸显 修饰 勾勒 打造 穿着 融入 散发出 带来 呈现 拉长 遮住 衬托 演绎 流露出"
GAINS = """身材 曲线 气质 女人味 腿部线条 脖颈 肤色 层次感 设计感
    少女心 魅力 舒适感 质感 视觉效果 小性感 S-XL码"""
JOINS = "的 而 更 让你 十分 满满的 又 与 轻松 一抹 整体 加上 为你 尽显 不失 恰到好处地"
ENGLISH = """river answer model garden quietly because without morning people wonderful between language
    learns small question they would, when through together window letters never bridge after. the of and to
    a in is it that with for as on was by this from are which you an not or have be but one had there"""


def measure() -> Iterator[Measurement]:
    pairs = make_pairs(NUM_PAIRS)
    original_scores("好", "好"), score_pair("好", "好")  # the dictionaries are loaded
    theirs, their_seconds, ours, our_seconds = [], 0.0, [], 0.0
    for number in range(SLICES):
        part = pairs[number::SLICES]
        rows, seconds = _timed(original_scores, part)
        theirs, their_seconds = theirs + rows, their_seconds + seconds
        rows, seconds = _timed(our_scores, part)
        ours, our_seconds = ours + rows, our_seconds + seconds
    num_equal = sum(one == other for one, other in zip(ours, theirs, strict=True))
    detail = f"{their_seconds:.1f} against {our_seconds:.1f} s for {len(pairs)} pairs"
    yield Measurement("original / ROUGE and BLEU-4", their_seconds / our_seconds, detail, at_least=3.0)
    detail = f"{num_equal} of {len(pairs)}"
    yield Measurement("pairs with equal numbers", num_equal / len(pairs), detail, at_least=1.0)

    totals = ScoreTotals()
    _rows, seconds = _timed(lambda *pair: totals.add(score_pair(*pair), *pair), pairs)
    totals.to_dict()
    detail = f"{seconds:.1f} s with standard BLEU, chrF and totals"
    yield Measurement("original / all scores", their_seconds / seconds, detail)


def original_scores(prediction: str, label: str) -> tuple[float, ...]:
    """ROUGE-1, -2, -L and BLEU-4 of a row as `ptuning/main.py` of ChatGLM-6B computed them."""
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
    from rouge_chinese import Rouge

    cut = [" ".join(quiet_jieba().cut(text)) for text in (prediction, label)]
    found = Rouge().get_scores(*cut)[0]
    smoothing = SmoothingFunction().method3
    bleu = sentence_bleu([list(label)], list(prediction), smoothing_function=smoothing)
    values = (found["rouge-1"]["f"], found["rouge-2"]["f"], found["rouge-l"]["f"], bleu)
    return tuple(round(value * 100, 4) for value in values)


@lru_cache(maxsize=1)
def quiet_jieba() -> Any:
    """jieba as it comes, but silent and without the cache file that it leaves in /tmp."""
    import jieba

    jieba.setLogLevel("WARNING")
    with TemporaryDirectory() as folder:
        jieba.dt.tmp_dir = folder
        jieba.initialize()
    return jieba


def our_scores(prediction: str, label: str) -> tuple[float, ...]:
    values = (*rouge(prediction, label), bleu_4(prediction, label))
    return tuple(round(value * 100, 4) for value in values)


def make_pairs(count: int) -> list[tuple[str, str]]:
    """Texts of about 100 Chinese characters, every fifth English; predictions keep half of the label."""
    chance = random.Random(1)
    pairs = []
    for number in range(count):
        write = _english if number % 5 == 4 else _chinese
        sentences = [write(chance) for _ in range(6)]
        predicted = [sentence if chance.random() < 0.5 else write(chance) for sentence in sentences]
        pairs.append(("".join(predicted).strip(), "".join(sentences).strip()))
    return pairs


def _chinese(chance: random.Random) -> str:
    lists = (QUALITIES, JOINS, THINGS, DOINGS, JOINS, QUALITIES, GAINS)
    words = [chance.choice(words.split()) for words in lists]
    words.insert(chance.randrange(2, 6), chance.choice(["，", "", ""]))
    return "".join(words) + chance.choice("，，，。！")


def _english(chance: random.Random) -> str:
    return " ".join(chance.choices(ENGLISH.split(), k=6)) + chance.choice([", ", ". ", "? "])


def _timed(score: Callable[[str, str], object], pairs: list[tuple[str, str]]) -> tuple[list[object], float]:
    began = time.perf_counter()
    rows = [score(*pair) for pair in pairs]
    return rows, time.perf_counter() - began
