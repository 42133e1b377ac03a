"""LoRA (Hu et al. 2021, arXiv:2106.09685) through PEFT: two narrow matrices beside chosen layers."""

from pathlib import Path
from typing import Any

from peft import LoraConfig, PeftModelForCausalLM, TaskType

from glmcore.core.errors import ConfigError
from glmcore.models.loaded import LoadedModel
from glmcore.tuning.job_config.fields import TuningConfig
from glmcore.tuning.methods.peft_files import continue_peft, load_weights, save_peft
from glmcore.tuning.methods.tuned import StateDict, TunedModel, freeze


def tune_lora(loaded: LoadedModel, config: TuningConfig, adapter: Path | None) -> TunedModel:
    """Attach a LoRA.

    Args:
        adapter: an earlier LoRA to go on from, with its own rank and targets.

    Raises:
        ConfigError: no layer has such a name.
        ModelLoadError: the adapter is broken, or of another model.
    """
    freeze(loaded.model)
    model = continue_peft(loaded, adapter, "LORA") if adapter else _new_lora(loaded, config)
    peft_config: Any = model.peft_config["default"]
    sizes = {"rank": peft_config.r, "alpha": peft_config.lora_alpha}

    def save(folder: Path, state_dict: StateDict | None) -> None:
        save_peft(model, folder, loaded, "lora", sizes, state_dict)

    return TunedModel(loaded=loaded, model=model, save=save, load=lambda folder: load_weights(model, folder))


def _new_lora(loaded: LoadedModel, config: TuningConfig) -> Any:
    targets: Any = list(config.lora_targets or loaded.family.lora_targets)
    if targets == ["all-linear"]:
        targets = "all-linear"
    lora = LoraConfig(
        task_type=TaskType.CAUSAL_LM,
        r=config.lora_rank,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=targets,
    )
    try:
        return PeftModelForCausalLM(loaded.model, lora)
    except ValueError as fault:
        raise ConfigError(
            "lora_targets is {found}, but {model} has no layers whose names end so; leave it out for those "
            "of its family ({usual}).",
            found=targets,
            model=loaded.name,
            usual=", ".join(loaded.family.lora_targets),
        ) from fault
