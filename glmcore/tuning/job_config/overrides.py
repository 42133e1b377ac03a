"""Values from the command line: `key=value`, and the flags of the scripts of 2023."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from glmcore.core.errors import ConfigError
from glmcore.tuning.job_config.fields import job_fields
from glmcore.tuning.job_config.file_values import parse_yaml_value
from glmcore.tuning.job_config.old_names import OLD_SWITCHES
from glmcore.tuning.job_config.problems import shown
from glmcore.tuning.job_config.typed_values import TRUTH

NULLS = ("", "~", "null", "Null", "NULL")
SWITCHES = OLD_SWITCHES | {entry.name for _, entry in job_fields() if entry.type in (bool, bool | None)}


@dataclass(frozen=True, slots=True)
class Override:
    """One value, and the argument that it came from."""

    name: str
    value: Any
    argument: str


def parse_overrides(arguments: Sequence[str]) -> tuple[list[Override], list[ConfigError]]:
    """What the arguments say, in order, and what is wrong with them.

    `lora_rank=4`, `--lora_rank=4`, `--lora_rank 4` and, for what is true or false, `--overwrite_cache`.
    """
    found, problems = [], []
    for name, text, argument in _split(arguments):
        if text is None:
            problems.append(_incomplete(name, argument))
            continue
        try:
            found.append(Override(name, _value(text), argument))
        except (yaml.YAMLError, RecursionError):
            problems.append(
                ConfigError(
                    "{argument}: the value is not valid YAML; quote it as a whole.", argument=shown(argument)
                )
            )
    return found, problems


def _split(arguments: Sequence[str]) -> Iterator[tuple[str, str | None, str]]:
    """Name, text (None where it is missing) and the argument as given."""
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        is_flag = argument.startswith("--")
        name, equals, text = argument.partition("=")
        name = name.removeprefix("--").replace("-", "_").strip() if is_flag else name.strip()
        if equals or not is_flag:
            yield name, text if equals else None, argument
        elif name in SWITCHES and not (rest and rest[0].lower() in TRUTH):
            yield name, "true", argument
        elif rest and not rest[0].startswith("--"):
            text = rest.pop(0)
            yield name, text, f"{argument} {text}"
        else:
            yield name, None, argument


def _value(text: str) -> Any:
    """Lists and quoted texts as in YAML, anything else as it stands."""
    text = text.strip()
    if text in NULLS:
        return None
    return parse_yaml_value(text) if text[0] in "[\"'" else text


def _incomplete(name: str, argument: str) -> ConfigError:
    if argument.startswith("--"):
        return ConfigError("{argument}: the value is missing.", argument=shown(argument))
    return ConfigError(
        "{argument}: expected key=value, such as {example}.", argument=shown(argument), example=f"{name}=…"
    )
