"""What a page shows of the first rows: their tokens, and which are learnt."""

import json

import pytest

from glmcore.models.chat_template import ChatTemplate
from glmcore.tuning.data.tokens import ExampleBuilder
from glmcore.tuning.job_config import DataConfig
from glmcore.tuning.preview import preview_rows, shown_pieces
from tests.models.tiny_model import build_tokenizer

ROWS = [
    {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "你好 ab"}]},
    {"messages": [{"role": "user", "content": "nobody answers"}]},
    {
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": "b"},
            {"role": "user", "content": "c"},
            {"role": "assistant", "content": "d"},
        ]
    },
]


@pytest.fixture
def preview(tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    tokenizer = build_tokenizer()
    builder = ExampleBuilder(
        form=ChatTemplate(),
        tokenizer=tokenizer,
        ends=(tokenizer.eos_token_id,),
        max_input_length=64,
        max_output_length=32,
    )
    return lambda count=5: preview_rows(DataConfig(train_file=file), builder, count)


def test_what_is_learnt_stands_in_brackets(preview):
    first, _ = preview()
    assert shown_pieces(first.pieces) == "<|user|>hi<|end|><|assistant|>⟦你好 ab<|end|>⟧"


def test_every_answer_of_a_conversation_is_learnt(preview):
    _, second = preview()
    assert shown_pieces(second.pieces).count("⟦") == 2
    assert second.num_learnt == 4  # two letters, two ends


def test_ids_that_are_parts_of_a_character_are_one_piece(preview):
    first, _ = preview()
    assert [piece.text for piece in first.pieces if piece.is_learnt] == ["你", "好", " ", "ab", "<|end|>"]
    assert all("\ufffd" not in piece.text for piece in first.pieces)


def test_rows_keep_their_numbers_and_those_left_out_are_not_shown(preview):
    assert [row.number for row in preview()] == [1, 3]
    assert len(preview(1)) == 1
