"""Names of 2023 (ChatGLM-6B's main.py and transformers' arguments in its scripts) as today's, at the edge.

Nothing behind `reading` knows an old name.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import Field
from typing import Any

from glmcore.core.i18n import mark
from glmcore.tuning.job_config.fields import job_fields
from glmcore.tuning.job_config.typed_values import truth

RENAMED: Mapping[str, str] = {
    "model_name_or_path": "base_model",
    "ptuning_checkpoint": "adapter_path",
    "pre_seq_len": "num_virtual_tokens",
    "quantization_bit": "quantization_bits",
    "max_source_length": "max_input_length",
    "max_target_length": "max_output_length",
    "val_max_target_length": "max_new_tokens",
    "generation_num_beams": "num_beams",
    "warmup_ratio": "warmup_steps",  # below 1 it is a share
    "save_steps": "save_every_steps",
    "save_total_limit": "keep_checkpoints",
    "logging_steps": "log_every_steps",
    "eval_steps": "evaluate_every_steps",
}

# Without a meaning today, or with one that changes no result.
_IGNORED = """
    lang dataset_name dataset_config_name config_name tokenizer_name cache_dir use_fast_tokenizer
    model_revision use_auth_token resize_position_embeddings overwrite_cache preprocessing_num_workers
    pad_to_max_length ignore_pad_token_for_loss forced_bos_token
    do_train do_eval do_predict overwrite_output_dir resume_from_checkpoint load_best_model_at_end
    greater_is_better generation_max_length deepspeed local_rank ddp_find_unused_parameters ddp_timeout
    dataloader_num_workers dataloader_pin_memory remove_unused_columns prediction_loss_only
    logging_dir logging_strategy logging_first_step logging_nan_inf_filter log_level log_level_replica
    log_on_each_node disable_tqdm run_name half_precision_backend fp16_opt_level fp16_backend
    save_on_each_node save_safetensors skip_memory_metrics include_inputs_for_metrics push_to_hub
"""

# Flags that stand alone on the command line.
_SWITCHES = """
    do_train do_eval do_predict overwrite_output_dir overwrite_cache fp16 bf16 fp16_full_eval bf16_full_eval
    no_cuda use_cpu pad_to_max_length use_auth_token load_best_model_at_end logging_first_step
    disable_tqdm push_to_hub
"""

IGNORED = frozenset(_IGNORED.split())
OLD_SWITCHES = frozenset(_SWITCHES.split())

# What main.py took for names that were left out, where today's default is another.
DEFAULTS_OF_2023: Mapping[str, Any] = {
    "max_input_length": 1024,
    "max_output_length": 128,
    "learning_rate": 5e-5,
    "per_device_train_batch_size": 8,
    "per_device_eval_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "evaluate_every_steps": 0,
    "save_every_steps": 500,
    "keep_checkpoints": 0,
    "log_every_steps": 500,
}


def translate(name: str, value: Any) -> dict[str, Any]:
    """Today's names and values for one that was given; the same for one of today, none for an ignored one.

    Raises:
        ValueError: what was expected as its value.
    """
    if name in IGNORED or (value is None and is_old(name)):
        return {}
    if name in CONVERTED:
        return CONVERTED[name](value)
    return {RENAMED.get(name, name): value}


def is_old(name: str) -> bool:
    return name in RENAMED or name in IGNORED or (name in CONVERTED and name not in FIELDS)


def implied_values(given: Collection[str], known: Collection[str]) -> dict[str, Any]:
    """What a job in the old form means without saying so.

    A length of the prefix means P-tuning. A job for main.py without one means every weight; it names
    the model as main.py does, and nothing that only LoRA has.

    Args:
        given: the names as they were written.
        known: today's names that have a value already.
    """
    is_for_main = "model_name_or_path" in given and "method" not in known
    is_for_main &= not any(FIELDS[name].metadata["methods"] == ("lora",) for name in given if name in FIELDS)
    values: dict[str, Any] = {}
    if "method" not in known and "pre_seq_len" in given:
        values["method"] = "ptuning_v2"
    elif is_for_main:
        values["method"] = "full"
    if is_for_main:
        values |= DEFAULTS_OF_2023
    if not {"evaluation_strategy", "eval_strategy"}.isdisjoint(given):
        values.pop("evaluate_every_steps", None)
    return {name: value for name, value in values.items() if name not in known}


def _precision(name: str) -> Callable[[Any], dict[str, Any]]:
    return lambda value: {"precision": name} if truth(value) else {}


def _device(value: Any) -> dict[str, Any]:
    return {"device": "cpu"} if truth(value) else {}


def _trackers(value: Any) -> dict[str, Any]:
    names = value if isinstance(value, list) else [value]
    return {"tensorboard": bool({"tensorboard", "all"} & set(map(str, names)))}


def _metric(value: Any) -> dict[str, Any]:
    return {"best_metric": str(value).removeprefix("eval_")}


def _max_steps(value: Any) -> dict[str, Any]:
    return {"max_steps": None if str(value) == "-1" else value}


def _evaluation(value: Any) -> dict[str, Any]:
    return {"evaluate_every_steps": 0} if str(value).lower() in ("no", "false") else _by_steps(value)


def _by_steps(value: Any) -> dict[str, Any]:
    if value != "steps":
        raise ValueError(mark("steps, as everything is counted in steps here"))
    return {}


FIELDS: Mapping[str, Field[Any]] = {entry.name: entry for _, entry in job_fields()}
CONVERTED: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "fp16": _precision("fp16"),
    "bf16": _precision("bf16"),
    "fp16_full_eval": _precision("fp16"),
    "bf16_full_eval": _precision("bf16"),
    "no_cuda": _device,
    "use_cpu": _device,
    "report_to": _trackers,
    "metric_for_best_model": _metric,
    "max_steps": _max_steps,
    "evaluation_strategy": _evaluation,
    "eval_strategy": _evaluation,
    "save_strategy": _by_steps,
}
