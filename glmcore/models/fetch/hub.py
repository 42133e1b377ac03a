"""Fetches a model from the Hugging Face hub into its usual cache: data files only, never code."""

from pathlib import Path, PurePosixPath

from glmcore.core.errors import ModelLoadError
from glmcore.core.i18n import mark
from glmcore.models.progress import Progress

DATA_SUFFIXES = (".json", ".jinja", ".model", ".txt", ".tiktoken")


def fetch_from_hub(name: str, progress: Progress) -> Path:
    """The folder of a hub model, fetched unless the cache has it.

    Raises:
        ModelLoadError: there is no such model, it needs permission, or the hub cannot be reached.
    """
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    try:
        return _download(name, progress)
    except GatedRepoError as fault:
        raise ModelLoadError(
            "The hub model {name} is given only to those who accepted its terms; do that on its page, "
            "then log in here with `hf auth login`.",
            name=name,
        ) from fault
    except RepositoryNotFoundError as fault:
        raise ModelLoadError(
            "The model hub has no model {name}, or it is private; check the name, or run `hf auth login`.",
            name=name,
        ) from fault
    except ModelLoadError:
        raise
    except Exception as fault:  # no network, a full disk: errors of the client and of its HTTP library
        return _from_cache(name, fault)


def _download(name: str, progress: Progress) -> Path:
    from huggingface_hub import HfApi, hf_hub_download

    stage = mark("Fetching the model from the hub")
    progress(stage, 0.0)
    siblings = HfApi().model_info(name, files_metadata=True).siblings or []
    sizes = {sibling.rfilename: sibling.size or 0 for sibling in siblings}
    wanted = choose_files(list(sizes))
    if not wanted:
        raise ModelLoadError("The hub model {name} has no weights that transformers could load.", name=name)
    total, done = sum(sizes[file] for file in wanted) or 1, 0
    for file in wanted:
        path = hf_hub_download(name, file)
        done += sizes[file]
        progress(stage, done / total)
    return Path(path).parent


def _from_cache(name: str, fault: Exception) -> Path:
    """What was fetched before, while the hub cannot be reached."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except Exception:
        raise ModelLoadError(
            "{name} is not a model here, and it cannot be fetched from the model hub ({fault}); check "
            "the name and the network, or copy the model's folder into a model folder.",
            name=name,
            fault=type(fault).__name__ if not str(fault) else str(fault).splitlines()[0],
        ) from fault


def choose_files(files: list[str]) -> list[str]:
    """The files to fetch: what lies at the top, with safetensors in preference to pickled weights."""
    top = [file for file in files if "/" not in file]
    weights = [file for file in top if file.endswith(".safetensors") and file.startswith("model")]
    weights = weights or [file for file in top if file.endswith(".bin") and file.startswith("pytorch_model")]
    data = [file for file in top if PurePosixPath(file).suffix in DATA_SUFFIXES]
    return [*data, *weights] if weights else []
