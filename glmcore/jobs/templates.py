"""Job files to start from: the shipped ones and those that people keep. Knows no data and no model."""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from itertools import takewhile
from pathlib import Path
from typing import Any

from glmcore.core.errors import ConfigError, NotFoundError, StorageError
from glmcore.core.notes import Note
from glmcore.core.settings import Settings
from glmcore.tuning.job_config import JobConfig, JobConfigError, flat_values, parse_job
from glmcore.tuning.job_config.file_values import LARGEST_FILE, parse_values

SHIPPED = Path(__file__).resolve().parents[2] / "configs"
ENDING = ".yaml"
LONGEST_NAME = 60  # characters
LONGEST_DESCRIPTION = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A job file. `description` is the comment that it begins with, up to the first empty line."""

    name: str
    path: Path
    description: str = ""
    is_own: bool = False  # kept by somebody, not shipped


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadJob:
    """A job file as far as it can be read: data and model need not be there.

    Attributes:
        values: by the names of today; only what the file says.
        config: with defaults for the rest.
        problems: everything that was left out, and why.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    config: JobConfig = field(default_factory=JobConfig)
    problems: tuple[ConfigError, ...] = ()
    notes: tuple[Note, ...] = ()


class Templates:
    """Those of a home folder, and the shipped ones. Holds nothing: files are read when they are asked for."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.home / "templates"

    def list(self) -> "list[Template]":
        """Shipped ones first, the demo at the very beginning."""
        shipped = sorted(_files(SHIPPED), key=lambda path: (path.stem != "demo", path.stem))
        own = sorted(_files(self.folder), key=lambda path: path.stem.lower())
        return [_template(path) for path in shipped] + [_template(path, is_own=True) for path in own]

    def get(self, name: str) -> Template:
        """Raises NotFoundError."""
        for template in self.list():
            if template.name == name:
                return template
        raise NotFoundError("There is no template {name!r}; somebody may have deleted it.", name=name)

    def read(self, name: str) -> ReadJob:
        """What a template says. Raises NotFoundError, StorageError."""
        found = read_job_text(self.text(name), name + ENDING)
        return found if self.get(name).is_own else changed(found, values=_placed(found.values))

    def text(self, name: str) -> str:
        """The file as it is. Raises NotFoundError, StorageError."""
        path = self.get(name).path
        try:
            return path.read_text(encoding="utf-8", errors="replace")
        except OSError as fault:
            raise StorageError(
                "{path} cannot be read: {fault}.", path=path, fault=fault.strerror or fault
            ) from fault

    def save(self, name: str, text: str, *, replace: bool = False) -> Template:
        """Keep a job file under a name.

        Raises:
            ConfigError: the name is none, is taken, or is a shipped one's.
            StorageError: the disk refused.
        """
        name = name.strip()
        path = self.folder / f"{_checked(name)}{ENDING}"
        if not replace and path.exists():
            raise ConfigError(
                "There is a template {name!r} already; choose another name, or replace it.", name=name
            )
        beside = path.with_name(f".{secrets.token_hex(8)}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                beside.write_text(text, encoding="utf-8")
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)
        except OSError as fault:
            raise StorageError(
                "{path} cannot be written: {fault}.", path=path, fault=fault.strerror or fault
            ) from fault
        return _template(path, is_own=True)

    def delete(self, name: str) -> None:
        """Remove one that somebody kept.

        Raises:
            NotFoundError: it is gone already.
            ConfigError: it is a shipped one.
            StorageError: the disk refused.
        """
        template = self.get(name)
        if not template.is_own:
            raise ConfigError("The template {name!r} is shipped with the program and stays.", name=name)
        try:
            template.path.unlink(missing_ok=True)
        except OSError as fault:
            raise StorageError(
                "{path} cannot be deleted: {fault}.", path=template.path, fault=fault.strerror or fault
            ) from fault


def read_job_text(text: str, name: str) -> ReadJob:
    """A job from the text of a file; names of 2023 are translated. What is wrong with it is in `problems`.

    Args:
        name: of the file, for the problems.
    """
    if len(text) > LARGEST_FILE:
        problem = ConfigError(
            "{name} has more than {most} characters, more than any job file; is it a file of data?",
            name=name,
            most=LARGEST_FILE,
        )
        return ReadJob(problems=(problem,))
    try:
        given, problems = parse_values(text, name)
    except JobConfigError as error:
        return ReadJob(problems=error.problems)
    try:
        job = parse_job(given, name)
    except JobConfigError as error:
        problems += error.problems
        failed = {problem.values["place"].key for problem in error.problems}
        given = {
            key: value for key, value in given.items() if key not in failed and _is_readable(key, value, name)
        }
        job = parse_job(given, name)
    defaults, found = flat_values(JobConfig()), flat_values(job.config)
    values = {key: value for key, value in found.items() if key in given or value != defaults[key]}
    return ReadJob(values=values, config=job.config, problems=tuple(problems), notes=job.notes)


def _is_readable(key: str, value: Any, name: str) -> bool:
    try:
        parse_job({key: value}, name)
    except JobConfigError:
        return False
    return True


def _checked(name: str) -> str:
    """A name that is a file of the folder, and nobody else's."""
    if not re.fullmatch(r"\w[\w .()+-]*", name) or len(name) > LONGEST_NAME:
        raise ConfigError(
            "{name!r} is no name for a template; expected {most} letters, digits, spaces or hyphens at most.",
            name=name[:LONGEST_NAME],
            most=LONGEST_NAME,
        )
    if any(path.stem == name for path in _files(SHIPPED)):
        raise ConfigError("The name {name!r} is that of a shipped template; choose another one.", name=name)
    return name


def _placed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Files that a shipped job names are beside it, wherever the server was started."""
    project = SHIPPED.parent
    return {
        name: project / value if isinstance(value, Path) and (project / value).exists() else value
        for name, value in values.items()
    }


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.glob(f"*{ENDING}") if path.is_file() and path.name[0] != "."]
    except OSError:
        return []


def _template(path: Path, *, is_own: bool = False) -> Template:
    return Template(name=path.stem, path=path, description=_description(path), is_own=is_own)


def _description(path: Path) -> str:
    """The comment at the beginning; a written job begins with its command instead, which says nothing."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            head = file.read(4 * LONGEST_DESCRIPTION)
    except OSError:
        return ""
    lines = takewhile(lambda line: line.startswith("#"), head.splitlines())
    words = takewhile(bool, (line.lstrip("# ").rstrip() for line in lines))
    return " ".join(words)[:LONGEST_DESCRIPTION]
