"""What single values cannot show: fields that contradict each other, and files that are not there."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeAlias

from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.tuning.job_config.fields import JobConfig, flat_values, job_fields
from glmcore.tuning.job_config.problems import Place, names_in, nearest

DataFile: TypeAlias = Literal["train_file", "test_file"]
ENDINGS = (".jsonl", ".json", ".csv", ".parquet")
USUAL_LEARNING_RATES = {"lora": 2e-4, "ptuning_v2": 2e-2, "full": 2e-5}
FAR = 20.0  # times the usual learning rate


def check_job(
    config: JobConfig, file: str = "", needs: DataFile = "train_file"
) -> tuple[list[ConfigError], tuple[Note, ...]]:
    """Problems and warnings that need no look at the disk; `place.key` of a problem names its field."""
    problems = [
        *_data_problems(config, file, needs),
        *_method_problems(config, file),
        *_evaluation_problems(config, file),
        *_device_problems(config, file),
    ]
    return problems, (*_method_warnings(config), *_schedule_warnings(config))


def check_files(config: JobConfig, file: str = "", needs: DataFile = "train_file") -> list[ConfigError]:
    """Files that are named and not there."""
    names = ("train_file", "validation_file", "test_file") if needs == "train_file" else (needs,)
    problems = []
    for name in names:
        path: Path | None = getattr(config.data, name)
        if path is not None and not os.path.isfile(path):
            problems.append(_missing(path, Place(file, name)))
    for name, path in (
        ("accelerate_config", config.devices.accelerate_config),
        ("adapter_path", config.model.adapter_path),
    ):
        if path is not None and not os.path.exists(path):
            problems.append(_missing(path, Place(file, name)))
    if config.saving.output_dir is not None and os.path.isfile(config.saving.output_dir):
        problems.append(
            ConfigError(
                "{place}: {path} is a file, expected a folder.",
                place=Place(file, "output_dir"),
                path=config.saving.output_dir,
            )
        )
    return problems


def _missing(path: Path, place: Place) -> ConfigError:
    if os.path.isdir(path):
        return ConfigError("{place}: {path} is a folder, expected a file.", place=place, path=path)
    if not os.path.isdir(path.parent):
        return ConfigError(
            "{place}: there is no {path}, as there is no folder {folder}; paths count from the folder that "
            "one starts in, {here}.",
            place=place,
            path=path,
            folder=path.parent,
            here=Path.cwd(),
        )
    if near := nearest(path.name, names_in(path.parent)):
        return ConfigError(
            "{place}: there is no {path}; did you mean {near}?",
            place=place,
            path=path,
            near=path.with_name(near),
        )
    return ConfigError(
        "{place}: there is no {path}; paths count from the folder that one starts in, {here}.",
        place=place,
        path=path,
        here=Path.cwd(),
    )


def _data_problems(config: JobConfig, file: str, needs: DataFile) -> Iterator[ConfigError]:
    data = config.data
    if getattr(data, needs) is None:
        yield ConfigError(
            "{place}: no file is named; expected one with rows, {endings}.",
            place=Place(file, needs),
            endings=" ".join(ENDINGS),
        )
    for name in ("train_file", "validation_file", "test_file"):
        path: Path | None = getattr(data, name)
        if path is not None and path.suffix.lower() not in ENDINGS:
            yield _unknown_ending(path, Place(file, name))
    for name in ("prompt_column", "response_column", "history_column"):
        if data.messages_column is not None and getattr(data, name) is not None:
            yield ConfigError(
                "{place}: messages_column holds whole conversations already; leave one of the two out.",
                place=Place(file, name),
            )
    try:
        "".encode(data.encoding)
    except (LookupError, ValueError):
        yield ConfigError(
            "{place}: there is no encoding {name!r}; usual are utf-8 and gb18030.",
            place=Place(file, "encoding"),
            name=data.encoding,
        )


def _unknown_ending(path: Path, place: Place) -> ConfigError:
    if near := nearest(path.suffix.lower(), ENDINGS):
        return ConfigError(
            "{place}: {path} has an unknown ending; did you mean {near}?", place=place, path=path, near=near
        )
    return ConfigError(
        "{place}: {path} has an unknown ending; expected one of {endings}.",
        place=place,
        path=path,
        endings=" ".join(ENDINGS),
    )


def _method_problems(config: JobConfig, file: str) -> Iterator[ConfigError]:
    if config.tuning.method == "full" and config.model.quantization_bits is not None:
        yield ConfigError(
            "{place}: quantized weights cannot be tuned, and method full tunes them all; leave it out, or "
            "use lora or ptuning_v2.",
            place=Place(file, "quantization_bits"),
        )
    if config.tuning.method == "full" and config.model.adapter_path is not None:
        yield ConfigError(
            "{place}: method full tunes the base model alone; leave it out, or use lora or ptuning_v2.",
            place=Place(file, "adapter_path"),
        )
    if config.training.max_steps is None and config.training.num_train_epochs == 0:
        yield ConfigError(
            "{place}: nothing is learnt in 0 passes; set it, or max_steps.",
            place=Place(file, "num_train_epochs"),
        )


def _evaluation_problems(config: JobConfig, file: str) -> Iterator[ConfigError]:
    evaluation = config.evaluation
    if evaluation.best_metric != "loss" and not evaluation.predict_with_generate:
        yield ConfigError(
            "{place}: {metric} needs answers; set predict_with_generate: true.",
            place=Place(file, "best_metric"),
            metric=evaluation.best_metric,
        )
    if evaluation.evaluate_every_steps:
        if config.data.validation_file is None and config.data.validation_share == 0:
            yield ConfigError(
                "{place}: there are no rows to evaluate on; name a validation_file, or set "
                "evaluate_every_steps: 0.",
                place=Place(file, "validation_share"),
            )
        return
    asked = {
        "plateau_evaluations": evaluation.plateau_evaluations > 0,
        "best_metric": evaluation.best_metric != "loss",
    }
    for name in (name for name, is_asked in asked.items() if is_asked):
        yield ConfigError(
            "{place}: nothing is ever evaluated; set evaluate_every_steps.", place=Place(file, name)
        )


def _device_problems(config: JobConfig, file: str) -> Iterator[ConfigError]:
    devices = config.devices
    if not re.fullmatch(r"auto|cpu|cuda(:[0-9]{1,3})?", devices.device):
        yield ConfigError(
            "{place}: found {device!r}, expected auto, cpu, cuda or one GPU such as cuda:1.",
            place=Place(file, "device"),
            device=devices.device,
        )
    if devices.device == "cpu" and config.training.precision == "fp16":
        yield ConfigError(
            "{place}: a CPU does not compute in fp16; use bf16, fp32 or auto.", place=Place(file, "precision")
        )
    if devices.num_processes > 1 and ":" in devices.device:
        yield ConfigError(
            "{place}: {count} processes cannot share the one GPU {device}; set device: cuda, or "
            "num_processes: 1.",
            place=Place(file, "num_processes"),
            count=devices.num_processes,
            device=devices.device,
        )


def _method_warnings(config: JobConfig) -> Iterator[Note]:
    method, values = config.tuning.method, flat_values(config)
    idle = [
        entry.name
        for _, entry in job_fields()
        if method not in (entry.metadata["methods"] or (method,))
        and values[entry.name] != entry.default
        and entry.name != "quantization_bits"  # a problem, not a warning
    ]
    if idle:
        text = mark("Without effect, as the method is {method}: {names}.")
        yield Note(text, {"method": method, "names": ", ".join(idle)})
    rate, usual = config.training.learning_rate, USUAL_LEARNING_RATES[method]
    if not usual / FAR <= rate <= usual * FAR:
        text = mark("learning_rate is {rate}; usual for {method} is about {usual}.")
        yield Note(text, {"rate": rate, "method": method, "usual": usual})


def _schedule_warnings(config: JobConfig) -> Iterator[Note]:
    training, save_every = config.training, config.saving.save_every_steps
    evaluate_every = config.evaluation.evaluate_every_steps
    if evaluate_every and save_every % evaluate_every:
        text = mark(
            "The best checkpoint is chosen among those that were evaluated; save_every_steps ({save}) is no "
            "multiple of evaluate_every_steps ({evaluate})."
        )
        yield Note(text, {"save": save_every, "evaluate": evaluate_every})
    if training.max_steps is None:
        return
    if training.warmup_steps >= 1 and training.warmup_steps > training.max_steps:
        text = mark("The learning rate still rises at the end: warmup_steps is {warmup}, max_steps {steps}.")
        yield Note(text, {"warmup": training.warmup_steps, "steps": training.max_steps})
    if training.max_steps < save_every:
        text = mark("Only the last step is saved: max_steps is {steps}, save_every_steps {save}.")
        yield Note(text, {"steps": training.max_steps, "save": save_every})
