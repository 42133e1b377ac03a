"""Dicts in text logs, and the progress bars that say at which step they were printed."""

import math
import time

import pytest

from glmcore.curves.logs.text_log import TextLog, looks_like_text_log
from tests.curves.logs.cutting import read

# What transformers 5.23 with tqdm wrote into a file, but for the pictures of the bars. The bar before a row
# may be old, that behind it is right; the evaluation has more steps than the training.
REDRAWN = (
    b"\r  0%|  | 0/30 [00:00<?, ?it/s]\r      \r{'loss': '2.732', 'grad_norm': 'nan', 'epoch': '0.0625'}\n"
    b"\r  3%|# | 1/30 [00:00<00:01, 23.71it/s]\r      \r{'loss': '1.5', 'epoch': '0.125'}\n"
    b"\r  7%|# | 2/30 [00:00<00:00, 44.72it/s]\n"
    b"\r  0%|  | 0/64 [00:00<?, ?it/s]\x1b[A\r      \r\n"
    b"\r           \r\x1b[A{'eval_loss': '1.553', 'eval_runtime': '0.0128', 'epoch': '0.125'}\n"
    b"\r  7%|# | 2/30 [00:00<00:00, 44.72it/s]\n"
    b"\r100%|##| 64/64 [00:00<00:00, 5512.47it/s]\x1b[A\n"
    b"\r           \r\x1b[A\r       \r{'loss': '1.2', 'epoch': '0.1875'}\n"
    b"\r 10%|# | 3/30 [00:00<00:00, 63.98it/s]"
)


def test_rows_get_the_step_of_the_bar_that_is_drawn_anew_behind_them():
    for cuts in ([], range(0, len(REDRAWN), 7)):
        parser = TextLog()
        block = read(parser, REDRAWN, cuts)
        assert block.steps.tolist() == [1, 2, 2, 3]
        assert block.metrics["loss"][1].tolist() == [2.732, 1.5, 1.2]
        assert block.metrics["eval_loss"][0].tolist() == [2]
        assert math.isnan(block.metrics["grad_norm"][1][0])
        assert parser.memory["total_steps"] == 30


def test_reading_goes_on_in_another_process():
    first = TextLog()
    used = first.parse(REDRAWN[:300], at_end=False)[1]
    block = read(TextLog(first.memory), REDRAWN[used:])
    assert block.steps.tolist()[-1] == 3


def test_a_row_directly_behind_a_bar_has_its_step():
    data = (
        b"Map: 100%|#| 5000/5000 [00:01<00:00, 9 examples/s]\n"
        b"\r 10%|# | 10/100 [00:10<01:30,  1.0s/it]{'loss': 2.1, 'grad_norm': nan, 'epoch': 0.1}\n"
        b"\r 50%|# | 4/8 [00:10<01:30,  1.0s/it]\r100%|##| 8/8 [00:10<01:30]{'eval_loss': 2, 'epoch': 0.1}"
        b"\r 20%|# | 20/100 [00:10<01:30,  1.0s/it]{'loss': 2.0, 'epoch': 0.2}"
        b"{'train_loss': 1.0, 'epoch': 0.2}\n"
    )
    block = read(TextLog(), data)
    assert block.steps.tolist() == [10, 10, 20, 20]


def test_an_own_step_comes_first_and_prefixes_do_no_harm():
    data = b"[rank0]: 2026-01-02 03:04:05,678 INFO {'loss': np.float64(2.5), 'step': 7, \"lr\": 5e-05}\n"
    block = read(TextLog(), b" 1%| | 1/9 [0:01\n" + data)
    assert block.steps.tolist() == [7.0]
    assert block.metrics["loss"][1].tolist() == [2.5]
    assert block.metrics["learning_rate"][1].tolist() == [5e-05]


def test_rows_that_share_a_bar_are_as_far_apart_as_their_epochs():
    data = b"\r 10%|# | 10/100 [00:10<01:30,  1.0s/it]\n"
    data += b"".join(b"{'loss': 2.0, 'epoch': %.1f}\n" % (number / 10) for number in range(1, 5))
    data += b"{'eval_loss': 1.0, 'epoch': 0.4}\n"
    assert read(TextLog(), data, range(0, len(data), 50)).steps.tolist() == [10, 20, 30, 40, 40]
    early = (
        b"\r  0%|# | 0/100 [00:10<01:30,  1.0s/it]\n{'loss': 2, 'epoch': 0.1}\n{'loss': 1, 'epoch': 0.2}\n"
    )
    assert read(TextLog(), early).steps.tolist() == [0, 1]
    odd = b"\r 1%|# | 1/9 [00:10<01:30]\n{'loss': 2, 'epoch': 1}\n"
    odd += b"{'loss': 1, 'epoch': inf}\n{'loss': 1, 'epoch': 1e308}\n"
    assert all(math.isfinite(step) for step in read(TextLog(), odd).steps)


def test_without_bars_rows_name_no_step():
    block = read(TextLog(), b"{'loss': 2, 'epoch': 0.1}\n\r{'loss': 1, 'epoch': 0.2}\n")
    assert [math.isnan(step) for step in block.steps] == [True, True]


def test_printed_configs_are_no_rows():
    data = b"{'hidden_size': 64, 'act': 'gelu'}\n{'loss_type': 'ce'}\n{}\n{'loss': }\n"
    assert len(read(TextLog(), data).steps) == 0
    assert not looks_like_text_log(data)


def test_a_log_is_told_by_a_loss_in_a_dict():
    assert looks_like_text_log(b"hello\n 1%|{'eval_loss': '2.0'}")
    assert not looks_like_text_log(b"loss: 2.0\n{'epoch': 1}")


@pytest.mark.parametrize("text", [b"{", b"{'", b"'", b"1", b"1/", b"{'a': ", b"{" + b"a" * 19_990])
def test_hostile_text_takes_time_in_proportion_to_its_length(text):
    data = text * (300_000 // len(text))
    began = time.process_time()
    assert read(TextLog(), data).steps.tolist() == []
    assert time.process_time() - began < 2


def test_a_log_without_any_line_end_does_not_stall():
    block, used = TextLog().parse(b"x" * (2 << 20), at_end=False)
    assert (len(block.steps), used) == (0, 2 << 20)
