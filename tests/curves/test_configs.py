"""Configs from whatever lies in a run's folder, and the filter of runs over them."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glmcore.core.errors import ConfigError
from glmcore.curves.configs import (
    LARGEST_FILE,
    LONGEST_TEXT,
    MAX_KEYS,
    differing_keys,
    read_config,
)
from glmcore.curves.run_filter import explain_query, matches

CONFIG = {
    "lora_rank": 8,
    "learning_rate": 2e-4,
    "Optim": "AdamW",
    "bf16": True,
    "seed": None,
    "nan": float("nan"),
}
STATE_END = (
    '"max_steps": 100,\n  "num_train_epochs": 2,\n  "stateful_callbacks": {},\n  "train_batch_size": 4\n}\n'
)


@pytest.fixture
def config_of(tmp_path):
    """Read a folder with these files."""

    def read(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_yaml", ".yaml").replace("_json", ".json")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_config(tmp_path)

    return read


def test_own_job_says_everything(config_of):
    config = config_of(
        job_yaml="# the size\nlora_rank: 16\nlearning_rate: 2e-4\nbase_model: '7'\nplateau: null\n"
        "lora_targets: [q, k]\npredict_with_generate: false\n",
        adapter_config_json='{"r": 8}',
    )
    assert config == {
        "lora_rank": 16,
        "learning_rate": 0.0002,
        "base_model": "7",
        "plateau": None,
        "lora_targets": "q, k",
        "predict_with_generate": False,
    }


def test_files_of_others_complete_each_other(config_of):
    config = config_of(
        training_args_yaml="learning_rate: 5.0e-05\nlora_rank: 8\n",
        llamaboard_config_yaml="top.model_name: Qwen\n",
        config_yaml="wandb_version: 1\n_wandb:\n  value: {cli: 1}\nlr: {desc: null, value: 0.1}\n"
        "optim:\n  value:\n    name: adam\n    deep: {er: 1}\n",
        hparams_yaml="hidden: 64\nlr: 3\n",
        args_json='{"lr": 9, "flags": [true, 1, "x"], "rows": [[1]]}',
        adapter_config_json='{"r": 8, "target_modules": ["q_proj", "v_proj"]}',
        all_results_json='{"eval_loss": 1}',
    )
    assert config == {
        "learning_rate": 5e-5,
        "lora_rank": 8,
        "top.model_name": "Qwen",
        "wandb_version": 1,
        "lr": 0.1,
        "optim.name": "adam",
        "hidden": 64,
        "flags": "true, 1, x",
        "r": 8,
        "target_modules": "q_proj, v_proj",
    }


def test_state_of_the_last_checkpoint_is_read_at_its_end(config_of):
    log = '{\n  "log_history": [' + '{"max_steps": 7},' * 20_000 + "{}],\n  "
    config = config_of(**{
        "checkpoint-9__trainer_state_json": log + STATE_END.replace("100", "9"),
        "checkpoint-100__trainer_state_json": log + STATE_END,
    })  # fmt: skip
    assert config == {"max_steps": 100, "num_train_epochs": 2, "train_batch_size": 4}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: %2\nd: @3\n", {"a": 1}),
        ("a: 1\nb: {c: 2, d: *nothing}\ne: \x01\n", {"a": 1, "b.c": 2, "b.d": None, "e": "_"}),
        ("base: &b {x: 1}\ncopy: *b\n<<: *b\n", {"base.x": 1, "copy": None, "<<": None}),
        ("run: !!python/object/apply:os.system ['rm x']\n", {"run": "rm x"}),
        ("? [a, b]\n: 1\n", {"?": 1}),
        ("- a\n- b\n", {}),
        ("just a text", {}),
        ("", {}),
        ("a: " + "[" * 5000, {}),
        ("a: .nan", {"a": pytest.approx(float("nan"), nan_ok=True)}),
        ("a: -.inf\nb: '1'\nc: yes\nd: 1_0\n", {"a": float("-inf"), "b": "1", "c": "yes", "d": 10}),
        ("a: 1\n---\nb: 2\n", {"a": 1}),
        ("长: 短\n", {"长": "短"}),
    ],
)
def test_of_broken_yaml_what_can_be_read_is_read(config_of, text, expected):
    assert config_of(hparams_yaml=text) == expected


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{", b"\xff\xfe\x00", '{"a": ' + "9" * 5000 + "}", "[1]", "null"]
)
def test_broken_json_is_no_config(config_of, text):
    assert config_of(args_json=text) == {}


def test_configs_are_bounded(config_of):
    values = {f"key{number}" + "x" * 300: "y" * 300 for number in range(1000)}
    config = config_of(args_json=json.dumps({"big": 10**60, **values}))
    assert len(config) == MAX_KEYS and config["big"] == 1e60
    assert all(len(name) <= LONGEST_TEXT for name in config)
    assert all(value == 1e60 or len(value) <= LONGEST_TEXT for value in config.values())


def test_what_is_no_file_or_too_large_is_passed_over(config_of, tmp_path):
    os.mkfifo(tmp_path / "hparams.yaml")
    (tmp_path / "training_args.yaml").mkdir()
    (tmp_path / "args.json").symlink_to("/dev/zero")
    large = "a: 1\n" + "#" * LARGEST_FILE
    assert config_of(config_yaml=large) == {}
    assert read_config(tmp_path / "absent") == {} and read_config(tmp_path / "config.yaml") == {}


def test_alias_bomb_costs_nothing(config_of):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert config_of(hparams_yaml=bomb)["a"].startswith("x, x")


def test_only_keys_that_differ_are_told():
    configs = [
        {"lr": 1, "rank": 8, "bad": float("nan"), "on": 1},
        {"lr": 1.0, "rank": 16, "bad": float("nan"), "on": True},
        {},
    ]
    assert differing_keys(configs) == ["rank", "on"]
    assert differing_keys([{"a": 1}, {"a": 1, "b": None}]) == [] and differing_keys([]) == []


@pytest.mark.parametrize(
    "query",
    [
        "",
        "   ",
        "demo",
        "DEMO lora",
        '"demo run"',
        '-"run demo" -other',
        "lora_rank=8",
        "lora_rank=8.0",
        "LORA_RANK=8",
        "learning_rate<1e-3 learning_rate>=0.0002",
        "optim=adamw",
        'optim="ADAMW"',
        "lora_rank!=16",
        "-lora_rank=16",
        "-lora_rank>8",
        "absent!=3",
        "absent!=",
        "lora_rank=",
        "bf16=true",
        "seed=null",
        "nan=NaN",
        "-absent=",
    ],
)
def test_run_is_kept(query):
    assert matches(query, "Demo run LoRA", CONFIG)


@pytest.mark.parametrize(
    "query",
    [
        "other",
        "demo other",
        '"run demo"',
        "-demo",
        "lora_rank=16",
        "lora_rank!=8",
        "lora_rank<8",
        "learning_rate>1",
        "optim=adam",
        "optim<3",
        "absent=",
        "absent=3",
        "absent<3",
        "lora_rank!=",
        "bf16=1",
        "nan<1",
    ],
)
def test_run_is_left_out(query):
    assert not matches(query, "Demo run LoRA", CONFIG)


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ('"open', "quotation mark"),
        ('a "b"c', "quotation mark"),
        ('lr="1', "quotation mark"),
        ("=3", "name of a setting before ="),
        ("a <3", "before <"),
        ("lr<fast", "needs a number after <"),
        ("lr>=", "needs a number after >="),
        ("demo -", "needs a word after it"),
        ("x" * 1001, "at most 1000"),
    ],
)
def test_malformed_query_is_one_sentence(query, sentence):
    with pytest.raises(ConfigError, match=sentence):
        matches(query, "demo", CONFIG)


def test_query_is_explained():
    said = [note.text for note in explain_query('demo -"a b" lr<1e-4 -rank>8 seed= x=y')]
    assert said == [
        "the name contains “demo”",
        "the name does not contain “a b”",
        "lr is less than 1e-4",
        "rank is at most 8",
        "seed is set",
        "x is y",
    ]


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet=st.sampled_from('ab1 "-=<>!.e\u3000'), max_size=25) | st.text(max_size=25))
def test_a_query_is_answered_or_refused_with_a_sentence(query):
    try:
        answer = matches(query, "ab 1", {"a": 1, "b": "b", "1": None})
    except ConfigError as fault:
        assert str(fault)
        return
    assert isinstance(answer, bool) and len(explain_query(query)) <= len(query)


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet=st.sampled_from("ab: \n-[]{}&*!?|>'\"#%1.~,\t\x00"), max_size=60) | st.text(max_size=60)
)
def test_any_text_gives_a_flat_config(tmp_path_factory, text):
    folder = tmp_path_factory.getbasetemp()
    data = text.encode("utf-8", "surrogatepass")
    for name in ("hparams.yaml", "args.json", "config.yaml"):
        (folder / name).write_bytes(data)
    config = read_config(folder)
    assert all(isinstance(value, str | int | float | None) for value in config.values())
