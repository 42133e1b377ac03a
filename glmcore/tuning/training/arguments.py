"""A job in the words of transformers' trainer."""

from dataclasses import fields
from typing import Any

from accelerate import PartialState
from transformers import Seq2SeqTrainingArguments

from glmcore.core.errors import ConfigError
from glmcore.tuning.job_config.fields import JobConfig, TrainingConfig
from glmcore.tuning.methods.tuned import TunedModel
from glmcore.tuning.run_folder import RunFolder


def training_arguments(
    job: JobConfig,
    folder: RunFolder,
    tuned: TunedModel,
    precision: str,
    state: PartialState,
    *,
    evaluates: bool,
) -> Seq2SeqTrainingArguments:
    """What the trainer is told; `evaluates` is whether there are rows to evaluate on.

    Raises:
        ConfigError: gradient_checkpointing is asked of a method that cannot.
    """
    on_gpu = state.device.type == "cuda"
    evaluation, saving = job.evaluation, job.saving
    checkpointing = _is_checkpointing(job, tuned, on_gpu=on_gpu)
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(folder.checkpoints),
        **_learning(job.training),
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        activation_checkpointing=checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False} if checkpointing else None,
        # what is judged, saved and written down
        eval_strategy="steps" if evaluates else "no",
        eval_steps=evaluation.evaluate_every_steps if evaluates else None,
        per_device_eval_batch_size=evaluation.per_device_eval_batch_size,
        predict_with_generate=evaluation.predict_with_generate,
        save_strategy="steps",
        save_steps=saving.save_every_steps,
        logging_steps=saving.log_every_steps,
        logging_nan_inf_filter=False,  # `LossWatch` has to see them
        include_num_input_tokens_seen="non_padding",
        report_to="none",
        # on what
        use_cpu=not on_gpu,
        dataloader_pin_memory=on_gpu,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        seed=job.devices.seed,
        log_level="error",
        disable_tqdm=False,  # whatever the level of the libraries is
    )
    if on_gpu and state.num_processes == 1:
        arguments._n_gpu = 1  # several would be taken for torch's DataParallel
    return arguments


def _learning(training: TrainingConfig) -> dict[str, Any]:
    """How long and how fast; these fields have the trainer's own names."""
    names = {field.name for field in fields(training)} - {"max_steps", "precision", "gradient_checkpointing"}
    return {name: getattr(training, name) for name in names} | {"max_steps": training.max_steps or -1}


def _is_checkpointing(job: JobConfig, tuned: TunedModel, *, on_gpu: bool) -> bool:
    """Whether layers are computed twice to save memory."""
    asked = job.training.gradient_checkpointing
    if asked and not tuned.allows_checkpointing:
        raise ConfigError(
            "gradient_checkpointing is true, but {method} on {model} cannot compute layers twice; leave it "
            "out, or choose the method lora.",
            method=job.tuning.method,
            model=tuned.loaded.name,
        )
    return on_gpu and tuned.allows_checkpointing if asked is None else asked
