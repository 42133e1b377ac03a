"""What the names of metrics tell."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glmcore.curves.metric_names import Direction, Part, canonical, direction_of, split_part


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lr", "learning_rate"),
        ("train/lr", "learning_rate"),
        ("train/loss", "loss"),
        ("eval/loss", "eval_loss"),
        ("val/acc", "eval_acc"),
        ("train/global_step", "step"),
        ("num_input_tokens_seen", "tokens_seen"),
        ("loss", "loss"),
        ("val_loss", "val_loss"),
        ("rewards/chosen", "rewards/chosen"),
        ("train/rewards/chosen", "train/rewards/chosen"),
        ("train/", "train/"),
        ("/loss", "/loss"),
        ("", ""),
    ],
)
def test_names_of_other_programs_get_one_spelling(name, expected):
    assert canonical(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("loss", ("loss", Part.TRAIN)),
        ("eval_loss", ("loss", Part.EVAL)),
        ("val_loss", ("loss", Part.EVAL)),
        ("validation/acc", ("acc", Part.EVAL)),
        ("test_bleu-4", ("bleu-4", Part.EVAL)),
        ("train_loss", ("loss", Part.TRAIN)),
        ("value_loss", ("value_loss", Part.TRAIN)),
        ("evaluation", ("evaluation", Part.TRAIN)),
        ("eval_", ("eval_", Part.TRAIN)),
    ],
)
def test_the_name_tells_the_rows_that_a_metric_was_computed_on(name, expected):
    assert split_part(name) == expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            "loss eval_loss loss/train perplexity wer mae Loss bits_per_byte cross_entropy loss_1 error_rate",
            Direction.LOWER,
        ),
        (
            "accuracy eval_accuracy mean_token_accuracy rouge-1 bleu-4 f1 rewards/chosen tokens_per_second "
            "em eval_exact_match",
            Direction.HIGHER,
        ),
        (
            "learning_rate grad_norm epoch memory loss_scale rewards/rejected glossary temperature step",
            Direction.NEITHER,
        ),
    ],
)
def test_the_name_tells_which_way_is_better(names, expected):
    assert {name: direction_of(name) for name in names.split()} == dict.fromkeys(names.split(), expected)


@given(st.text(max_size=60))
def test_one_spelling_stays_as_it_is_and_no_name_raises(name):
    assert canonical(canonical(name)) == canonical(name) or "/" in canonical(name)
    assert split_part(name)[0] and direction_of(name) if name else True
