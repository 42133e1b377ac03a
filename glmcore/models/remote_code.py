"""Models whose folder brings its own code: that code is never run; say what can be used instead."""

from glmcore.core.errors import ModelLoadError
from glmcore.models.files.checkpoint import Checkpoint


def refuse_remote_code(checkpoint: Checkpoint) -> None:
    """Refuse a model that neither transformers nor this program knows.

    Raises:
        ModelLoadError: says what was found.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    model_type = checkpoint.config["model_type"]
    if checkpoint.path.is_file() or model_type in CONFIG_MAPPING:  # GGUF brings no code
        return
    path = checkpoint.path
    if model_type == "chatglm":
        raise ModelLoadError(
            "{path}/config.json has the model_type chatglm, but neither inner_hidden_size (ChatGLM-6B) nor "
            "padded_vocab_size (ChatGLM2, ChatGLM3, GLM-4-9B); copy the file again.",
            path=path,
        )
    if "auto_map" in checkpoint.config:
        raise ModelLoadError(
            "{path} needs code from its own folder, which is never run; look for the model in a form "
            "that transformers knows (often its name ends in -hf).",
            path=path,
        )
    raise ModelLoadError(
        "{path}/config.json has the model_type {model_type!r}, which transformers does not know.",
        path=path,
        model_type=model_type,
    )
