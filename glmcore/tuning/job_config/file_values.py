"""The names and values of a YAML or JSON file, as they are written.

Of YAML the tree of nodes is taken and no value is built: what `no`, `2e-4`, `010` or a date means, is
for the field to say. Aliases are not expanded, as a value is a text or a list of texts.
"""

import json
import os
from pathlib import Path
from typing import Any

import yaml

from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark
from glmcore.tuning.job_config.problems import JobConfigError, Place, names_in, nearest, shown

LARGEST_FILE = 64 * 1024  # bytes; a job with every field and comment has 6,000
PLAIN_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ["str", "int", "float", "bool", "timestamp", "value", "merge"]
}
NULL_TAG = "tag:yaml.org,2002:null"
KINDS = {yaml.SequenceNode: mark("a list"), yaml.ScalarNode: mark("a text")}


def read_values(path: Path) -> tuple[dict[str, Any], list[ConfigError]]:
    """Name -> text, list of texts or None (from JSON also a truth), and what else is wrong.

    Raises:
        JobConfigError: the file cannot be read at all.
    """
    try:
        text = _read_text(path)
        return _json_values(text, path) if path.suffix.lower() == ".json" else _yaml_values(text, path)
    except ConfigError as problem:
        raise JobConfigError([problem]) from problem


def parse_values(text: str, place: str) -> tuple[dict[str, Any], list[ConfigError]]:
    """The same of a text that is no file: of an upload, or of the queue. Raises as `read_values`."""
    try:
        is_json = text.lstrip().startswith("{")
        return _json_values(text, Path(place)) if is_json else _yaml_values(text, Path(place))
    except ConfigError as problem:
        raise JobConfigError([problem]) from problem


def parse_yaml_value(text: str) -> Any:
    """A single value in YAML.

    Raises:
        yaml.YAMLError: it is none.
    """
    return _value(yaml.compose(text, Loader=yaml.SafeLoader))


def _read_text(path: Path) -> str:
    if not os.path.isfile(path):
        raise _no_file(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ConfigError(
                "{path} has {size} bytes, more than any job file ({most}); is it a file of data?",
                path=path,
                size=path.stat().st_size,
                most=LARGEST_FILE,
            )
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise ConfigError(
            "{path} is not UTF-8 text (byte {position}); save it as UTF-8.", path=path, position=fault.start
        ) from fault
    except OSError as fault:
        raise ConfigError("{path} cannot be read: {fault}.", path=path, fault=fault.strerror) from fault


def _no_file(path: Path) -> ConfigError:
    if os.path.exists(path):
        return ConfigError("{path} is not a file; expected a job file (.yaml or .json).", path=path)
    if near := nearest(path.name, names_in(path.parent)):
        near_path = path.with_name(near)
        return ConfigError("There is no file {path}; did you mean {near}?", path=path, near=near_path)
    return ConfigError("There is no file {path}.", path=path)


def _json_values(text: str, path: Path) -> tuple[dict[str, Any], list[ConfigError]]:
    problems: list[ConfigError] = []

    def take(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                problems.append(_duplicate(path, name))
            found[name] = value
        return found

    try:
        values = json.loads(text, object_pairs_hook=take, parse_int=str, parse_float=str, parse_constant=str)
    except json.JSONDecodeError as fault:
        raise ConfigError(
            "{path}, line {line}: not valid JSON: {fault}.", path=path, line=fault.lineno, fault=fault.msg
        ) from fault
    except RecursionError as fault:
        raise _too_deep(path) from fault
    if not isinstance(values, dict):
        raise ConfigError("{path}: expected a JSON object with names and values.", path=path)
    return values, problems


def _yaml_values(text: str, path: Path) -> tuple[dict[str, Any], list[ConfigError]]:
    node = _compose(text, path)
    if node is None:
        raise ConfigError(
            "{path} is empty; expected lines such as {example}.", path=path, example="train_file: rows.jsonl"
        )
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError(
            "{path}: found {kind}, expected lines such as {example} (with a space after the colon).",
            path=path,
            kind=KINDS[type(node)],
            example="train_file: rows.jsonl",
        )
    values: dict[str, Any] = {}
    problems = []
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else shown(_value(key))
        if name in values:
            problems.append(_duplicate(path, name, key.start_mark.line + 1))
        elif _is_foreign(value):
            place, tag = Place(str(path), name), shown(value.tag)
            problems.append(
                ConfigError("{place}: {tag} has no meaning here; leave it out.", place=place, tag=tag)
            )
        values[name] = _value(value)
    return values, problems


def _compose(text: str, path: Path) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        if "'\\t'" in str(fault.problem):
            raise ConfigError(
                "{path}, line {line}: found a tab; YAML is written with spaces only.", path=path, line=line
            ) from fault
        raise ConfigError(
            "{path}, line {line}: not valid YAML: {fault}.", path=path, line=line, fault=fault.problem
        ) from fault
    except RecursionError as fault:
        raise _too_deep(path) from fault
    except yaml.YAMLError as fault:
        first_line = str(fault).splitlines()[0]
        raise ConfigError("{path} is not valid YAML: {fault}.", path=path, fault=first_line) from fault


def _too_deep(path: Path) -> ConfigError:
    return ConfigError("{path}: found lists in lists in lists; a job file is flat.", path=path)


def _duplicate(path: Path, name: str, line: int | None = None) -> ConfigError:
    if line is None:
        return ConfigError("{path}: {name} is there twice; leave one.", path=path, name=shown(name))
    return ConfigError(
        "{path}, line {line}: {name} is there twice; leave one.", path=path, line=line, name=shown(name)
    )


def _value(node: yaml.Node | None) -> Any:
    """What a node says; of anything deeper than a list only that it is there."""
    if isinstance(node, yaml.MappingNode):
        return {"…": "…"}
    if isinstance(node, yaml.SequenceNode):
        return [item.value if _is_text(item) else [] for item in node.value]
    return node.value if node is not None and _is_text(node) else None


def _is_text(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag != NULL_TAG


def _is_foreign(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.tag not in PLAIN_TAGS | {NULL_TAG}
