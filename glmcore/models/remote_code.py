"""Models whose folder brings its own code: that code is never run; say what can be used instead."""

from glmcore.core.errors import ModelLoadError
from glmcore.models.checkpoint import Checkpoint

GLM4_VOCABULARY = 151552  # padded_vocab_size of GLM-4-9B, whose model_type is the same as ChatGLM's


def refuse_remote_code(checkpoint: Checkpoint) -> None:
    """Refuse a model that transformers itself does not know.

    Raises:
        ModelLoadError: names the native alternative where there is one.
    """
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    model_type = checkpoint.config["model_type"]
    if checkpoint.path.is_file() or model_type in CONFIG_MAPPING:  # GGUF brings no code
        return
    path = checkpoint.path
    if model_type == "chatglm" and checkpoint.config.get("padded_vocab_size") == GLM4_VOCABULARY:
        raise ModelLoadError(
            "{path} needs code from its own folder, which is never run; use the same model in the native "
            "form, zai-org/glm-4-9b-chat-hf.",
            path=path,
        )
    if model_type == "chatglm":
        raise ModelLoadError(
            "{path} is a ChatGLM model that needs code from its own folder, which is never run, and "
            "this version has no native form of it yet; use a GLM-4 model, such as "
            "zai-org/glm-4-9b-chat-hf.",
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
