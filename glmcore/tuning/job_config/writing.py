"""A job as a YAML file that explains itself; reading it gives the same job."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from glmcore.core.errors import StorageError
from glmcore.tuning.job_config.fields import SECTIONS, JobConfig, flat_values, job_fields
from glmcore.tuning.job_config.help_text import field_help
from glmcore.tuning.job_config.yaml_text import yaml_text


def job_text(config: JobConfig, command: str = "") -> str:
    """Every field with its help as a comment, after the command that runs the file."""
    return "\n".join(_lines(config, command)) + "\n"


def write_job(config: JobConfig, path: Path, command: str = "") -> None:
    """Write the file, which is there whole or as it was before.

    Raises:
        StorageError: the disk refused.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with beside.open("w", encoding="utf-8") as file:
                file.write(job_text(config, command))
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as fault:
        raise StorageError(
            "{path} cannot be written: {fault}.", path=path, fault=fault.strerror or fault
        ) from fault


def _lines(config: JobConfig, command: str) -> Iterator[str]:
    for line in command.splitlines():
        yield "# " + "".join(letter if letter.isprintable() else "?" for letter in line)
    values, current = flat_values(config), ""
    for section, entry in job_fields():
        if section != current:
            current = section
            yield f"\n# ---- {SECTIONS[section]} ----"
        yield f"\n# {field_help(entry)}"
        yield f"{entry.name}: {yaml_text(values[entry.name])}"
