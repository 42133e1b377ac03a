"""Reading a job: what a file, JSON and arguments mean, and that all that is wrong is said at once."""

from pathlib import Path

import pytest

from glmcore.core.i18n import translate_error
from glmcore.tuning.job_config import JobConfig, JobConfigError, JobFile, flat_values, parse_job, read_job


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to start in, with rows to train on."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rows.jsonl").write_text("{}", encoding="utf-8")
    return tmp_path


def read(content: str | bytes, *overrides: str, name: str = "job.yaml") -> JobFile:
    data = content.encode() if isinstance(content, str) else content
    Path(name).write_bytes(data)
    return read_job(Path(name), ["train_file=rows.jsonl", *overrides])


def problems(content: str | bytes, *overrides: str, name: str = "job.yaml") -> list[str]:
    with pytest.raises(JobConfigError) as caught:
        read(content, *overrides, name=name)
    assert translate_error(caught.value, "en") == str(caught.value)
    assert len(caught.value.problems) == len(str(caught.value).splitlines())
    return str(caught.value).splitlines()


def test_a_file_replaces_defaults() -> None:
    job = read("method: ptuning_v2\nnum_virtual_tokens: 16\nlora_targets: [q_proj, v_proj]\n")
    assert (job.config.tuning.method, job.config.tuning.num_virtual_tokens) == ("ptuning_v2", 16)
    assert job.config.tuning.lora_targets == ("q_proj", "v_proj")
    assert job.config.data.train_file == Path("rows.jsonl")
    assert job.path == Path("job.yaml")


def test_a_typo_is_answered_with_the_nearest_key() -> None:
    assert problems("lora_rnak: 4") == ["job.yaml: unknown key 'lora_rnak'; did you mean 'lora_rank'?"]
    assert "did you mean 'pre_seq_len'?" in problems("pre_seq_lenn: 4")[0]
    assert "`train --help` lists" in problems("xyzzy: 4")[0]


def test_everything_wrong_is_said_at_once() -> None:
    found = problems(
        "lora_rnak: 4\nlearning_rate: fast\nmethod: lorra\nseed: -1\nseed: 3.5\n"
        "best_metric: chrf\nvalidation_file: rows.jsnl\n",
        "lora_dropout=2",
        "nonsense",
    )
    for part in (
        "unknown key 'lora_rnak'",
        "job.yaml: learning_rate: found 'fast', expected a number (size of a step",
        "job.yaml: method: found 'lorra', expected one of lora, ptuning_v2, full",
        "job.yaml, line 5: 'seed' is there twice",
        "job.yaml: seed: found '3.5', expected a whole number",
        "lora_dropout=2: found 2.0, expected 0 to 0.9",
        "'nonsense': expected key=value",
        "job.yaml: best_metric: chrf needs answers",
        "job.yaml: validation_file: rows.jsnl has an unknown ending; did you mean .json",
        "there is no rows.jsnl; did you mean rows.jsonl?",
    ):
        assert any(part in line for line in found), part
    assert len(found) == 10


def test_problems_are_said_in_chinese_too() -> None:
    with pytest.raises(JobConfigError) as caught:
        read("lora_rnak: 4\nxyzzy: 1")
    assert len(translate_error(caught.value, "zh").splitlines()) == 2


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("learning_rate: 2e-4", "learning_rate", 2e-4),
        ("learning_rate: 1E-3", "learning_rate", 1e-3),
        ("learning_rate: 1", "learning_rate", 1.0),
        ("max_steps: 1e3", "max_steps", 1000),
        ("seed: 010", "seed", 10),
        ("seed: '7'", "seed", 7),
        ("seed: 4294967295.0", "seed", 4294967295),
        ("source_prefix: no", "source_prefix", "no"),
        ("source_prefix: on", "source_prefix", "on"),
        ("source_prefix: 2024-01-01", "source_prefix", "2024-01-01"),
        ("source_prefix: 12:30", "source_prefix", "12:30"),
        ("source_prefix: =", "source_prefix", "="),
        ("source_prefix: 'null'", "source_prefix", "null"),
        ("source_prefix:", "source_prefix", ""),
        ("base_model: 123", "base_model", "123"),
        ("prompt_column: 问题", "prompt_column", "问题"),
        ("prompt_column: ~", "prompt_column", None),
        ("tensorboard: on", "tensorboard", True),
        ("tensorboard: No", "tensorboard", False),
        ("gradient_checkpointing: null", "gradient_checkpointing", None),
        ("lora_targets:", "lora_targets", ()),
        ("lora_targets: q_proj, v_proj", "lora_targets", ("q_proj", "v_proj")),
        ("lora_targets: [no, 1e3]", "lora_targets", ("no", "1e3")),
        ("quantization_bits: 4", "quantization_bits", 4),
        ("output_dir: ./out/a b", "output_dir", Path("out/a b")),
        ("output_dir: &x runs\nsource_prefix: *x", "source_prefix", "runs"),
    ],
)
def test_the_field_decides_what_a_text_means(line: str, name: str, value: object) -> None:
    found = flat_values(read(line).config)[name]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("learning_rate: .nan", "found '.nan', expected a number"),
        ("learning_rate: .inf", "found '.inf', expected a number"),
        ("learning_rate: 1e999", "expected a number"),
        ("learning_rate:", "found None, expected a number"),
        ("seed: true", "found 'true', expected a whole number"),
        ("seed: 2024-01-01", "expected a whole number"),
        ("seed: 0x10", "expected a whole number"),
        ("max_steps: 0", "found 0, expected 1 or more"),
        ("max_steps: 9e99", "expected a whole number"),
        ("tensorboard: maybe", "expected true or false"),
        ("lora_targets: [[a]]", "expected a list of names"),
        ("lora_targets: [a, null]", "expected a list of names"),
        ('source_prefix: "a\\0b"', "expected a text of whole characters"),
        ("source_prefix: [a]", "expected a text"),
        ("output_dir: ''", "expected a path"),
        ("seed: {a: 1}", "a job file is flat"),
        ("training:\n  seed: 1", "found the section 'training'; a job file is flat"),
        ("source_prefix: !!python/object/apply:os.system ls", "has no meaning here"),
        ("seed: 1\nseed: 1", "job.yaml, line 2: 'seed' is there twice"),
        ("? [a, b]\n: 1", "unknown key"),
        ("<<: {seed: 1}", "unknown key '<<'"),
        ("", "job.yaml is empty"),
        ("# nothing yet\n", "job.yaml is empty"),
        ("- seed\n- 1", "found a list, expected lines such as"),
        ("seed:1", "found a text, expected lines such as"),
        ("seed: 1\n\tmethod: lora", "line 2: found a tab"),
        ("seed: [", "line 1: not valid YAML"),
        ("seed: 1\n---\nseed: 2", "not valid YAML"),
        ("seed: \x07", "not valid YAML"),
        ("seed: " + "[" * 600, "a job file is flat"),
        ("#" * 300_000, "more than any job file"),
        ("seed: 1".encode("utf-16"), "is not UTF-8 text (byte 0)"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_in_a_sentence(line: str | bytes, part: str) -> None:
    found = problems(line)
    assert len(found) == 1 and found[0].startswith("job.yaml")
    assert part in found[0] and len(found[0]) < 300


def test_an_alias_bomb_is_not_expanded() -> None:
    lines = ["seed: &a0 [x, x]"] + [f"k{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    assert len(problems("\n".join(lines))) == 40


def test_a_file_may_begin_with_a_byte_order_mark() -> None:
    assert read(b"\xef\xbb\xbfseed: 7\r\n").config.devices.seed == 7


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"seed": NaN}', "found 'NaN', expected a whole number"),
        ('{"seed": 1e999}', "expected a whole number"),
        ('{"seed": ' + "9" * 9000 + "}", "expected a whole number"),
        ('{"seed": true}', "found True, expected a whole number"),
        ('{"source_prefix": "\\ud800"}', "expected a text of whole characters"),
        ('{"seed": 1, "seed": 1}', "'seed' is there twice"),
        ('{"seed": {}}', "a job file is flat"),
        ("[1]", "expected a JSON object"),
        ('{"seed": 1,\n}', "line 2: not valid JSON"),
        ("[" * 60_000, "a job file is flat"),
    ],
)
def test_json_is_held_to_the_same(text: str, part: str) -> None:
    found = problems(text, name="job.json")
    assert len(found) == 1 and part in found[0]


def test_a_file_that_is_no_file_is_said() -> None:
    Path("lora.yaml").touch()
    for path, part in (
        (Path("lora.yml"), "did you mean lora.yaml?"),
        (Path("nowhere/job.yaml"), "There is no file nowhere/job.yaml."),
        (Path("."), "is not a file"),
        (Path("/dev/zero"), "is not a file"),
        (Path("a\0b"), "There is no file"),
        (Path("a" * 5000), "There is no file"),
    ):
        with pytest.raises(JobConfigError, match=part.replace("?", r"\?")):
            read_job(path)


def test_later_arguments_win_over_earlier_ones_and_the_file() -> None:
    assert read("seed: 1", "seed=2", "seed=3").config.devices.seed == 3


def test_the_file_stays_as_written_and_is_not_checked_by_parse_job() -> None:
    job = parse_job({"train_file": "not/there.jsonl", "seed": 5, "learning_rate": "2e-4"}, "form")
    assert job.config.data.train_file == Path("not/there.jsonl")
    assert parse_job({}, "form").config == JobConfig()


def test_a_form_finds_the_field_of_each_problem() -> None:
    with pytest.raises(JobConfigError) as caught:
        parse_job({"seed": -1, "lora_rank": "x"}, "")
    assert [problem.values["place"].key for problem in caught.value.problems] == ["seed", "lora_rank"]
    assert str(caught.value).startswith("seed: found -1, expected 0 to 4294967295")


def test_a_path_may_begin_with_the_users_folder(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert read("output_dir: ~/runs").config.saving.output_dir == folder / "runs"
