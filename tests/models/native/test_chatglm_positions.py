"""Where tokens stand and what they see, compared with a loop over every token."""

import pytest
import torch

from glmcore.core.errors import DataError
from glmcore.models.native.chatglm_config import ChatGLMConfig
from glmcore.models.native.chatglm_positions import (
    attention_mask_of,
    next_positions,
    positions_of,
    without_left_padding,
)

PAD, MASK, GMASK, SOP = 3, 90, 91, 94
CONFIG = ChatGLMConfig(
    vocab_size=100,
    hidden_size=8,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=8,
    bos_token_id=SOP,
    eos_token_id=95,
    pad_token_id=PAD,
    mask_token_id=MASK,
    gmask_token_id=GMASK,
)


def by_hand(row, num_left=0):
    """Both positions of one row, as the published code counts them."""
    real = row[num_left:]
    context = real.index(SOP)
    mask = real.index(GMASK) if GMASK in real else real.index(MASK)
    place = [*range(context), *[mask] * (len(real) - context)]
    in_answer = [0] * context + list(range(1, len(real) - context + 1))
    return [[0] * num_left + place, [0] * num_left + in_answer]


@pytest.mark.parametrize(
    "row",
    [
        [10, 11, GMASK, SOP],
        [10, 11, GMASK, SOP, 20, 21],
        [GMASK, SOP],
        [10, MASK, 11, GMASK, SOP, 20],
        [10, MASK, 11, SOP, 20],
        [MASK, 10, SOP, 20, SOP, 21],
        [10, GMASK, GMASK, SOP, 20, GMASK],
        [PAD, 10, GMASK, SOP],
    ],
)
def test_places_are_those_of_a_loop_over_the_tokens(row):
    assert positions_of(torch.tensor([row]), CONFIG)[0].tolist() == by_hand(row)


def test_left_padded_rows_are_counted_from_their_first_token():
    rows = torch.tensor([[PAD, PAD, 10, GMASK, SOP], [10, 11, 12, GMASK, SOP]])
    mask = without_left_padding(rows, CONFIG)
    assert mask.tolist() == [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]
    found = positions_of(rows, CONFIG, mask)
    assert found[0].tolist() == by_hand(rows[0].tolist(), num_left=2)
    assert found[1].tolist() == by_hand(rows[1].tolist())
    assert without_left_padding(rows[1:], CONFIG) is None
    right = torch.tensor([[10, GMASK, SOP, PAD, PAD]])
    assert without_left_padding(right, CONFIG) is None


def test_generated_tokens_stay_at_the_mask_and_count_on():
    row = [10, 11, GMASK, SOP]
    positions = positions_of(torch.tensor([row]), CONFIG)
    for count in (1, 3):
        assert next_positions(positions, count)[0].tolist() == by_hand(row + [20] * count)


def seen_by_hand(row, num_left=0):
    context = row.index(SOP)
    return [
        [
            ((column <= line or column < context) and column >= num_left) or column == line
            for column in range(len(row))
        ]
        for line in range(len(row))
    ]


def test_the_context_sees_itself_whole_and_the_answer_what_came_before():
    row = [10, 11, GMASK, SOP, 20, 21]
    positions = positions_of(torch.tensor([row]), CONFIG)
    assert attention_mask_of(positions, None, 0)[0, 0].tolist() == seen_by_hand(row)


def test_padding_on_the_left_is_seen_by_itself_alone():
    rows = torch.tensor([[PAD, PAD, 10, GMASK, SOP, 20], [10, 11, 12, GMASK, SOP, 20]])
    mask = without_left_padding(rows, CONFIG)
    found = attention_mask_of(positions_of(rows, CONFIG, mask), mask, 0)
    for line in range(2, 6):  # a padded token itself may see anything: nobody looks at it
        assert found[0, 0, line].tolist() == seen_by_hand(rows[0].tolist(), num_left=2)[line]
    assert found[0, 0].any(-1).all(), "a row that sees nothing would be divided by zero"
    assert found[1, 0].tolist() == seen_by_hand(rows[1].tolist())


def test_steps_over_a_cache_see_what_the_whole_pass_sees():
    row = [10, 11, GMASK, SOP, 20, 21, 22]
    positions = positions_of(torch.tensor([row]), CONFIG)
    whole = attention_mask_of(positions, None, 0)
    assert attention_mask_of(positions[..., 5:], None, 5)[0, 0].tolist() == whole[0, 0, 5:].tolist()
    assert attention_mask_of(positions[..., 6:], None, 6) is None
    padding = torch.tensor([[0, 1, 1, 1, 1, 1, 1]])
    assert attention_mask_of(positions[..., 6:], padding, 6)[0, 0].tolist() == [padding[0].bool().tolist()]


@pytest.mark.parametrize(
    "row, words",
    [([10, 11, GMASK], "no <sop> \\(94\\)"), ([10, SOP], r"no \[gMASK\] or \[MASK\] \(91 / 90\)")],
)
def test_a_row_that_lacks_a_token_is_named(row, words):
    good = [GMASK, SOP] + [20] * (len(row) - 2)
    with pytest.raises(DataError, match=f"Row 1 .*{words}"):
        positions_of(torch.tensor([good, row]), CONFIG)


def test_positions_cannot_be_told_from_ids_alone_once_there_is_a_cache():
    with pytest.raises(DataError, match="4 tokens are in the cache"):
        positions_of(torch.tensor([[GMASK, SOP]]), CONFIG, past_tokens=4)
