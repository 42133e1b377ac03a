"""Values from the command line."""

import pytest

from glmcore.tuning.job_config.overrides import parse_overrides


def values(*arguments: str) -> list[tuple[str, object]]:
    found, problems = parse_overrides(arguments)
    assert not problems
    return [(override.name, override.value) for override in found]


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("k=4", "4"),
        ("k = 4 ", "4"),
        ("k=2e-4", "2e-4"),
        ("k=null", None),
        ("k=", None),
        ("k='null'", "null"),
        ("k=[q_proj,v_proj]", ["q_proj", "v_proj"]),
        ("k=[]", []),
        ("k=Translate: this # that", "Translate: this # that"),
        ("k=a=b", "a=b"),
        ('k="two\\nlines "', "two\nlines "),
        ("k={a}", "{a}"),
        ("k=*a &b !c %d @e", "*a &b !c %d @e"),
    ],
)
def test_key_and_value(argument: str, value: object) -> None:
    assert values(argument) == [("k", value)]


def test_flags_of_2023() -> None:
    assert values(
        "--do_train", "--pre_seq_len", "128", "--learning-rate=2e-2", "--max_steps", "-1", "--fp16", "false",
        "--predict_with_generate", "seed=3",
    ) == [
        ("do_train", "true"), ("pre_seq_len", "128"), ("learning_rate", "2e-2"), ("max_steps", "-1"),
        ("fp16", "false"), ("predict_with_generate", "true"), ("seed", "3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["lora_rank"], "'lora_rank': expected key=value, such as lora_rank=…"),
        (["--seed"], "'--seed': the value is missing"),
        (["--seed", "--fp16"], "'--seed': the value is missing"),
        (["k=[a"], "not valid YAML"),
        (["k=" + "[" * 600], "not valid YAML"),
    ],
)
def test_what_is_incomplete_is_said(arguments: list[str], part: str) -> None:
    _, problems = parse_overrides(arguments)
    assert len(problems) == 1 and part in str(problems[0]) and len(str(problems[0])) < 200
