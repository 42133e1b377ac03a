"""The fields of a job file: names, defaults, ranges, and the help text that everyone shows.

One help text feeds `train --help`, the comments of a written file and the tooltips of the form. Names are
unique over all sections, as a job file is flat: `lora_rank: 8`.
"""

from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from glmcore.core.i18n import mark
from glmcore.core.settings import EMBEDDED_MODEL

Method = Literal["lora", "ptuning_v2", "full"]
SCORES = ("loss", "bleu-4", "rouge-1", "rouge-2", "rouge-l", "bleu", "chrf")  # what can choose the best


def _option(
    default: Any,
    help_text: str,
    *,
    choices: tuple[Any, ...] = (),
    low: float | None = None,
    high: float | None = None,
    methods: tuple[Method, ...] = (),
    is_basic: bool = False,
) -> Any:
    """A field; `methods` are those it has a meaning for (none: all), basic ones are shown first in a form."""
    metadata = {
        "help": help_text,
        "choices": choices,
        "low": low,
        "high": high,
        "methods": methods,
        "is_basic": is_basic,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """What is tuned."""

    base_model: str = _option(
        EMBEDDED_MODEL, mark("the model to tune: a listed name, a folder, a name on the hub"), is_basic=True
    )
    adapter_path: Path | None = _option(
        None, mark("an adapter or a P-tuning checkpoint of 2023 to go on from, with its own sizes")
    )
    quantization_bits: int | None = _option(
        None,
        mark("bits for the frozen weights, 8 or 4; saves memory, each step takes longer"),
        choices=(8, 4),
        methods=("lora", "ptuning_v2"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningConfig:
    """How it is tuned."""

    method: Method = _option(
        "lora",
        mark("lora: small matrices beside the layers; ptuning_v2: a learnt prefix; full: every weight"),
        choices=("lora", "ptuning_v2", "full"),
        is_basic=True,
    )
    lora_rank: int = _option(
        8, mark("width of the LoRA matrices; 4 to 64"), low=1, high=1024, methods=("lora",), is_basic=True
    )
    lora_alpha: int = _option(
        16, mark("strength of the LoRA; its update counts alpha / rank"), low=1, high=4096, methods=("lora",)
    )
    lora_dropout: float = _option(
        0.05, mark("share of the LoRA's inputs left out at random"), low=0.0, high=0.9, methods=("lora",)
    )
    lora_targets: tuple[str, ...] = _option(
        (), mark("layers that get a LoRA, by the end of their names; empty: the family's"), methods=("lora",)
    )
    num_virtual_tokens: int = _option(
        128,
        mark("length of the prefix, in tokens (pre_seq_len of 2023)"),
        low=1,
        high=4096,
        methods=("ptuning_v2",),
        is_basic=True,
    )
    prefix_projection: bool = _option(
        False, mark("make the prefix by a two-layer network; many more weights"), methods=("ptuning_v2",)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """What it learns from."""

    train_file: Path | None = _option(
        None, mark("rows to learn: .jsonl, .json, .csv or .parquet"), is_basic=True
    )
    validation_file: Path | None = _option(
        None, mark("rows to evaluate on while training; without one, a share of the training rows")
    )
    test_file: Path | None = _option(None, mark("rows that `predict` answers and scores"))
    validation_share: float = _option(
        0.05, mark("share of the training rows kept for evaluation where no file is given"), low=0.0, high=0.5
    )
    prompt_column: str | None = _option(None, mark("column of the question; found by its name by default"))
    response_column: str | None = _option(None, mark("column of the answer; found by its name by default"))
    history_column: str | None = _option(
        None, mark("column of the earlier turns, a list of [question, answer]")
    )
    messages_column: str | None = _option(
        None, mark("column of a whole conversation (OpenAI, ShareGPT or ChatGLM3 form)")
    )
    source_prefix: str = _option("", mark("text put before every question"))
    encoding: str = _option("utf-8", mark("of text files; gb18030 for Chinese files of Excel"))
    max_input_length: int = _option(
        512,
        mark("tokens of a prompt; the oldest turns beyond it are cut"),
        low=4,
        high=1_000_000,
        is_basic=True,
    )
    max_output_length: int = _option(
        256, mark("tokens of an answer; what is longer is cut"), low=2, high=1_000_000, is_basic=True
    )
    max_train_samples: int | None = _option(None, mark("use only the first rows of the training data"), low=1)
    max_eval_samples: int | None = _option(
        None, mark("use only the first rows of the validation data"), low=1
    )
    max_predict_samples: int | None = _option(None, mark("use only the first rows of the test data"), low=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How long, how fast and how exactly."""

    learning_rate: float = _option(
        2e-4,
        mark("size of a step; usual: 2e-4 for lora, 2e-2 for ptuning_v2, 2e-5 for full"),
        low=0.0,
        high=1.0,
        is_basic=True,
    )
    num_train_epochs: float = _option(
        3.0,
        mark("passes over the training rows, where max_steps is not set"),
        low=0.0,
        high=10_000,
        is_basic=True,
    )
    max_steps: int | None = _option(None, mark("number of optimizer steps"), low=1, is_basic=True)
    per_device_train_batch_size: int = _option(
        4, mark("rows in memory at once"), low=1, high=4096, is_basic=True
    )
    gradient_accumulation_steps: int = _option(
        4,
        mark("batches per optimizer step; a step learns from batch size × this many rows"),
        low=1,
        high=65_536,
    )
    lr_scheduler_type: str = _option(
        "linear",
        mark("how the learning rate falls"),
        choices=("linear", "cosine", "constant", "constant_with_warmup"),
    )
    warmup_steps: float = _option(
        0.0, mark("steps in which the learning rate rises; below 1, a share of all steps"), low=0.0
    )
    weight_decay: float = _option(0.0, mark("pull of the weights towards zero"), low=0.0, high=1.0)
    max_grad_norm: float = _option(1.0, mark("longest gradient; a longer one is shortened"), low=0.0)
    optim: str = _option(
        "adamw_torch", mark("the optimizer"), choices=("adamw_torch", "adamw_torch_fused", "adafactor", "sgd")
    )
    precision: str = _option(
        "auto",
        mark("number format of the computation; auto: bf16 where the device has it, else fp16 or fp32"),
        choices=("auto", "bf16", "fp16", "fp32"),
    )
    gradient_checkpointing: bool | None = _option(
        None, mark("compute layers twice to save memory; by default on a GPU, where the method can")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """How it is judged."""

    evaluate_every_steps: int = _option(
        100, mark("steps between evaluations; 0: never"), low=0, is_basic=True
    )
    per_device_eval_batch_size: int = _option(4, mark("rows evaluated or answered at once"), low=1, high=4096)
    predict_with_generate: bool = _option(
        False, mark("also answer the validation rows and score the answers; slow")
    )
    max_new_tokens: int | None = _option(
        None, mark("longest answer, in tokens; max_output_length by default"), low=1, high=1_000_000
    )
    num_beams: int = _option(1, mark("beams of the answers"), low=1, high=64)
    temperature: float = _option(
        0.0, mark("0 answers greedily, the same each time; above, at random"), low=0.0, high=2.0
    )
    top_p: float = _option(
        0.7, mark("most likely tokens kept, where temperature is above 0"), low=0.01, high=1.0
    )
    best_metric: str = _option(
        "loss",
        mark("what the best checkpoint is chosen by; all but loss need predict_with_generate"),
        choices=SCORES,
    )
    plateau_evaluations: int = _option(
        0, mark("end after so many evaluations without a better one; 0: never"), low=0
    )
    forgetting_probe: bool = _option(
        True, mark("ask general questions before training and at each checkpoint, to see what is forgotten")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SavingConfig:
    """What is written down, and where."""

    output_dir: Path | None = _option(
        None,
        mark("folder of this run; by default jobs/<name of the job file> in the home folder"),
        is_basic=True,
    )
    save_every_steps: int = _option(100, mark("steps between checkpoints"), low=1, is_basic=True)
    keep_checkpoints: int = _option(3, mark("newest checkpoints kept beside the best; 0: all"), low=0)
    log_every_steps: int = _option(10, mark("steps between points of the curves"), low=1)
    tensorboard: bool = _option(False, mark("also write TensorBoard events"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """What it runs on, and chance."""

    device: str = _option("auto", mark("auto, cpu, cuda, or one GPU: cuda:1"))
    num_processes: int = _option(1, mark("processes that share the work, one per GPU"), low=1, high=1024)
    accelerate_config: Path | None = _option(
        None, mark("a file of configs/accelerate/ that says how several processes share the model")
    )
    seed: int = _option(42, mark("of everything random"), low=0, high=2**32 - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig:
    """One fine-tuning run."""

    model: ModelConfig = field(default_factory=ModelConfig)
    tuning: TuningConfig = field(default_factory=TuningConfig)
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    saving: SavingConfig = field(default_factory=SavingConfig)
    devices: DeviceConfig = field(default_factory=DeviceConfig)


# Section of JobConfig -> its heading.
SECTIONS: dict[str, str] = {
    "model": mark("Model"),
    "tuning": mark("Method"),
    "data": mark("Data"),
    "training": mark("Training"),
    "evaluation": mark("Evaluation"),
    "saving": mark("Saving"),
    "devices": mark("Devices"),
}


def job_fields() -> Iterator[tuple[str, Field[Any]]]:
    """Every field with the name of its section, in order."""
    for section in fields(JobConfig):
        for entry in fields(section.default_factory):  # type: ignore[arg-type, misc]
            yield section.name, entry


def flat_values(config: JobConfig) -> dict[str, Any]:
    """Field name -> value, over all sections."""
    return {entry.name: getattr(getattr(config, section), entry.name) for section, entry in job_fields()}
