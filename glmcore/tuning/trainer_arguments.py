"""A job in the words of transformers' trainer."""

from accelerate import PartialState
from transformers import Seq2SeqTrainingArguments

from glmcore.core.errors import ConfigError
from glmcore.tuning.job_config.fields import JobConfig
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
    training, evaluation, saving = job.training, job.evaluation, job.saving
    on_gpu = state.device.type == "cuda"
    checkpointing = training.gradient_checkpointing
    if checkpointing is None:
        checkpointing = on_gpu and tuned.allows_checkpointing
    elif checkpointing and not tuned.allows_checkpointing:
        raise ConfigError(
            "gradient_checkpointing is true, but {method} on {model} cannot compute layers twice; leave it "
            "out, or choose the method lora.",
            method=job.tuning.method,
            model=tuned.loaded.name,
        )
    arguments = Seq2SeqTrainingArguments(
        output_dir=str(folder.checkpoints),
        # how long and how fast
        num_train_epochs=training.num_train_epochs,
        max_steps=training.max_steps or -1,
        learning_rate=training.learning_rate,
        lr_scheduler_type=training.lr_scheduler_type,
        warmup_steps=training.warmup_steps,
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm,
        optim=training.optim,
        per_device_train_batch_size=training.per_device_train_batch_size,
        gradient_accumulation_steps=training.gradient_accumulation_steps,
        # how exactly
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
