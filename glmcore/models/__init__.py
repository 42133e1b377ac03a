"""From a name, a folder or a file to a model that is ready to generate. Importing this needs no torch."""

from glmcore.core.messages import Message
from glmcore.models.files.generation_files import stored_params
from glmcore.models.loaded import LoadedModel
from glmcore.models.loading import load_model
from glmcore.models.progress import Progress
from glmcore.models.sources import ModelEntry, find_model, list_models

__all__ = [
    "LoadedModel",
    "Message",
    "ModelEntry",
    "Progress",
    "find_model",
    "list_models",
    "load_model",
    "stored_params",
]
