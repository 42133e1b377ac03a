"""The base model of a job, and what makes examples for it."""

from typing import TYPE_CHECKING

from glmcore.core.errors import ConfigError
from glmcore.core.settings import Settings
from glmcore.models.loaded import LoadedModel
from glmcore.models.loading import load_model
from glmcore.models.progress import Progress
from glmcore.tuning.data.tokens import ExampleBuilder
from glmcore.tuning.job_config.fields import JobConfig

if TYPE_CHECKING:
    from accelerate import PartialState


def state_of(job: JobConfig) -> "PartialState":
    """This process among those that share the work, and its device."""
    import torch
    from accelerate import PartialState

    return PartialState(cpu=job.devices.device == "cpu" or not torch.cuda.is_available())


def load_base(
    job: JobConfig, dtype: str, state: "PartialState", settings: Settings, progress: Progress
) -> LoadedModel:
    """The model to tune or to ask, on the device of this process."""
    device = "cpu" if state.device.type == "cpu" else job.devices.device
    if device != "cpu" and state.num_processes > 1:
        device = str(state.device)
    return load_model(
        job.model.base_model,
        dtype=dtype,
        device=device,
        quantization_bits=job.model.quantization_bits,
        settings=settings,
        progress=progress,
    )


def example_builder(job: JobConfig, loaded: LoadedModel) -> ExampleBuilder:
    """What makes examples for a model; refuses limits that its window cannot hold.

    Raises:
        ConfigError: prompt and answer together are longer than the window.
    """
    data = job.data
    if data.max_input_length + data.max_output_length > loaded.window:
        raise ConfigError(
            "max_input_length {prompt} and max_output_length {answer} are more than the {window} tokens that "
            "{model} can read; lower one.",
            prompt=data.max_input_length,
            answer=data.max_output_length,
            window=loaded.window,
            model=loaded.name,
        )
    return ExampleBuilder(
        form=loaded.family.prompt_form,
        tokenizer=loaded.tokenizer,
        ends=loaded.eos_token_ids,
        max_input_length=data.max_input_length,
        max_output_length=data.max_output_length,
    )
