"""Full fine-tuning: every weight learns, in float32; the result is a model folder of its own."""

from pathlib import Path

from glmcore.core.errors import ConfigError
from glmcore.models.files.checkpoint import read_json
from glmcore.models.loaded import LoadedModel
from glmcore.models.native.chatglm_config import ChatGLMConfig
from glmcore.models.native.convert import write_description
from glmcore.tuning.methods.tuned import StateDict, TunedModel


def tune_full(loaded: LoadedModel, adapter: Path | None) -> TunedModel:
    """Make every weight learn.

    Raises:
        ConfigError: an adapter was given, or the weights are quantized.
    """
    if adapter is not None:
        raise ConfigError(
            "adapter_path is {path}, but method full tunes the model itself; leave it out, or choose the "
            "method of the adapter.",
            path=adapter,
        )
    model = loaded.model
    if any(not weight.is_floating_point() for weight in [*model.parameters(), *model.buffers()]):
        raise ConfigError(
            "{model} has quantized weights, which cannot learn; name the folder with the full ones, or "
            "choose the method lora or ptuning_v2.",
            model=loaded.name,
        )
    model.float().requires_grad_(True)
    is_original = loaded.family.is_original

    def save(folder: Path, state_dict: StateDict | None) -> None:
        model.save_pretrained(folder, state_dict=state_dict)
        stored_type = read_json(loaded.path / "config.json").get("model_type") if is_original else None
        if is_original and stored_type != ChatGLMConfig.model_type:  # in today's form, as its weights are
            write_description(loaded.path, folder)
        else:
            loaded.tokenizer.save_pretrained(folder)

    return TunedModel(loaded=loaded, model=model, save=save, load=None)
