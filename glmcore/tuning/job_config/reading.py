"""A job from a file, a form or a command line: everything that is wrong with it is said at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark
from glmcore.core.notes import Note
from glmcore.tuning.job_config.checks import DataFile, check_files, check_job
from glmcore.tuning.job_config.fields import SECTIONS, JobConfig, job_fields
from glmcore.tuning.job_config.file_values import read_values
from glmcore.tuning.job_config.old_names import FIELDS, IGNORED, RENAMED, implied_values, is_old, translate
from glmcore.tuning.job_config.overrides import parse_overrides
from glmcore.tuning.job_config.problems import JobConfigError, Place, nearest, shown
from glmcore.tuning.job_config.typed_values import typed_value


@dataclass(frozen=True, slots=True)
class JobFile:
    """A job as it was read, and what is worth knowing about it."""

    config: JobConfig
    notes: tuple[Note, ...] = ()  # what was translated or ignored, what looks odd
    path: Path | None = None


def parse_job(values: Mapping[str, Any], place: str) -> JobFile:
    """A job from names and values, checked one by one; `place` is where they stand.

    Raises:
        JobConfigError: all that is wrong.
    """
    reading = _Reading(place)
    reading.take_file(values)
    config = reading.finish()
    if reading.problems:
        raise JobConfigError(reading.problems)
    return JobFile(config, tuple(reading.notes))


def read_job(path: Path | None, overrides: Sequence[str] = (), needs: DataFile = "train_file") -> JobFile:
    """A job from a file and the arguments after it, or from arguments alone, with all checks.

    Args:
        needs: the data that is to be used, so that it has to be there.

    Raises:
        JobConfigError: all that is wrong.
    """
    reading = _Reading(str(path or ""))
    if path is not None:
        values, problems = read_values(path)
        reading.problems += problems
        reading.take_file(values)
    reading.take_overrides(overrides)
    config = reading.finish()
    found, warnings = check_job(config, reading.file, needs)
    found += check_files(config, reading.file, needs)
    reading.problems += [problem for problem in found if problem.values["place"].key not in reading.failed]
    if reading.problems:
        raise JobConfigError(reading.problems)
    return JobFile(config, (*reading.notes, *warnings), path)


@dataclass(slots=True)
class _Reading:
    """Values on their way, by today's names; a later layer replaces those of an earlier one."""

    file: str
    values: dict[str, tuple[Any, Place]] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)  # every name as it was written
    renamed: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    failed: set[str] = field(default_factory=set)  # fields that something was said about
    problems: list[ConfigError] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def take_file(self, values: Mapping[str, Any]) -> None:
        names: dict[str, str] = {}  # today's name -> the one it was given by
        for name, value in values.items():
            place = Place(self.file, name)
            for today, translated in self._translate(name, value, place, Place(self.file)).items():
                if today in names and self.values[today][0] != translated:
                    self.problems.append(
                        ConfigError(
                            "{place}: this is given as {other} too, with another value; leave one.",
                            place=place,
                            other=names[today],
                        )
                    )
                names[today] = name
                self.values[today] = translated, place

    def take_overrides(self, arguments: Sequence[str]) -> None:
        overrides, problems = parse_overrides(arguments)
        self.problems += problems
        for override in overrides:
            place = Place(override.argument)
            for today, value in self._translate(override.name, override.value, place, place).items():
                self.values[today] = value, place

    def finish(self) -> JobConfig:
        """The job, with defaults for what failed; `problems` and `notes` are complete then."""
        self._add_implied()
        self._add_notes()
        typed = {}
        for name, (value, place) in self.values.items():
            try:
                typed[name] = typed_value(FIELDS[name], value, place)
            except ConfigError as problem:
                self.problems.append(problem)
                self.failed.add(name)
        sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
        for section, entry in job_fields():
            if entry.name in typed:
                sections[section][entry.name] = typed[entry.name]
        built = {
            part.name: cast(Any, part.default_factory)(**sections[part.name]) for part in fields(JobConfig)
        }
        return JobConfig(**built)

    def _translate(self, name: str, value: Any, place: Place, above: Place) -> dict[str, Any]:
        """Today's names and values; nothing where a problem was noted. `above` is where the name stands."""
        self.given.append(name)
        if name not in FIELDS and not is_old(name):
            self._add_unknown(name, value, above)
            return {}
        try:
            translated = translate(name, value)
        except ValueError as fault:
            expected = str(fault)
            self.problems.append(
                ConfigError(
                    "{place}: found {value}, expected {expected}.",
                    place=place,
                    value=shown(value),
                    expected=expected,
                )
            )
            return {}
        if name in IGNORED and value is not None:
            self.ignored.append(name)
        elif translated and is_old(name):
            self.renamed.append(f"{name} → {', '.join(translated)}")
        return translated

    def _add_unknown(self, name: str, value: Any, above: Place) -> None:
        if name in SECTIONS and isinstance(value, Mapping):
            self.problems.append(
                ConfigError(
                    "{place}: found the section {name}; a job file is flat: write what is in it without "
                    "indentation, and leave its heading out.",
                    place=above,
                    name=shown(name),
                )
            )
        elif near := nearest(name, FIELDS) or nearest(name, [*RENAMED, *IGNORED]):
            self.failed.add(near)
            self.problems.append(
                ConfigError(
                    "{place}: unknown key {name}; did you mean {near}?",
                    place=above,
                    name=shown(name),
                    near=repr(near),
                )
            )
        else:
            self.problems.append(
                ConfigError(
                    "{place}: unknown key {name}; `train --help` lists those there are.",
                    place=above,
                    name=shown(name),
                )
            )

    def _add_implied(self) -> None:
        implied = implied_values(self.given, self.values)
        for name, value in implied.items():
            self.values[name] = value, Place(self.file, name)
        if implied:
            listed = ", ".join(f"{name}={value}" for name, value in implied.items())
            self.notes.append(Note(mark("As in 2023, what was not said is: {values}."), {"values": listed}))

    def _add_notes(self) -> None:
        if self.renamed:
            text = mark("Names of 2023 were translated: {names}.")
            self.notes.append(Note(text, {"names": ", ".join(self.renamed)}))
        if self.ignored:
            text = mark("Without a meaning today: {names}.")
            self.notes.append(Note(text, {"names": ", ".join(self.ignored)}))
        if "deepspeed" in self.ignored:
            text = mark("Instead of deepspeed, set accelerate_config to {file}.")
            self.notes.append(Note(text, {"file": "configs/accelerate/deepspeed_zero2.yaml"}))
