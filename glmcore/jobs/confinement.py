"""Which files a page may name in a job: whoever opens it must not read the server's disk.

The terminal is not asked: who may start programs here can read the disk anyway.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from glmcore.core.errors import ConfigError, DataError
from glmcore.core.settings import Settings
from glmcore.jobs.data_files import DataFiles
from glmcore.tuning.job_config import JobConfig, Place

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def outside_problems(config: JobConfig, settings: Settings) -> list[ConfigError]:
    """What a job names beyond the data sets, the models and the shipped configurations."""
    problems = []
    files = DataFiles(settings)
    for name in ("train_file", "validation_file", "test_file"):
        path: Path | None = getattr(config.data, name)
        try:
            if path is not None:
                files.confined(path)
        except DataError as fault:
            problems.append(ConfigError("{place}: {fault}", place=Place("", name), fault=fault))
    models = (settings.home, *settings.model_roots)
    base = Path(os.path.expanduser(config.model.base_model))
    named = {
        "base_model": (base if _is_path(base) else None, models),
        "adapter_path": (config.model.adapter_path, models),
        "accelerate_config": (config.devices.accelerate_config, (CONFIGS, settings.home / "templates")),
    }
    for name, (path, roots) in named.items():
        if path is not None and not _is_below(path, roots):
            problems.append(
                ConfigError(
                    "{place}: {path} is in none of the folders that a page may use: {roots}.",
                    place=Place("", name),
                    path=path,
                    roots=", ".join(map(str, roots)),
                )
            )
    return problems


def _is_path(model: Path) -> bool:
    """Not a name of the hub or the list, whether there is such a folder or not: that is told to nobody."""
    return model.is_absolute() or ".." in model.parts or os.path.exists(model)


def _is_below(path: Path, roots: Iterable[Path]) -> bool:
    found = Path(os.path.abspath(path))
    return ".." not in path.parts and any(found.is_relative_to(os.path.abspath(root)) for root in roots)
