"""What runs were started with, read from whatever their folders hold, flat.

Files of others: nothing is built from them but texts, numbers and truths, no alias is followed, and what
cannot be read is left out.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from glmcore.curves.numbers import LONGEST_NUMBER, parse_number
from glmcore.curves.run import ConfigValue
from glmcore.curves.run_filter import value_text

LARGEST_FILE = 1 << 20  # bytes
MAX_KEYS = 300
LONGEST_TEXT = 200  # letters, of a name and of a value
_MAX_EVENTS, _MAX_DEPTH = 20_000, 20  # libyaml's time grows with the square of the depth
_TAIL_BYTES = 64 * 1024  # of a trainer_state.json, whose log comes first

OWN_FILE = "job.yaml"
_WRAPPED_FILE = "config.yaml"  # W&B: {name: {"value": …}}
_FILES = (
    "training_args.yaml",  # LLaMA-Factory
    "llamaboard_config.yaml",
    _WRAPPED_FILE,
    "hparams.yaml",  # Lightning
    "args.json",
    "adapter_config.json",  # PEFT
)
_STATE_FILE = "trainer_state.json"
_STATE_VALUE = re.compile(r'"(train_batch_size|max_steps|num_train_epochs)": ?(-?\d[\d.eE+-]{0,30})')
_CHECKPOINT = re.compile(r"checkpoint-(\d{1,18})")
_NO_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ufffd\U00010000-\U0010ffff]")  # would end the reading
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULL_TEXTS = ("", "~", "null", "Null", "NULL")
_TRUTHS = {"true": True, "false": False}


def read_config(run_folder: Path) -> dict[str, ConfigValue]:
    """What a run was started with, by names like `lora_rank` and `optimizer.lr`; empty where nothing says it.

    Our own job file says everything. Of the others the first that has a name gives its value.
    """
    config: dict[str, ConfigValue] = {}
    _add(config, _entries(_read_file(run_folder / OWN_FILE)))
    if config:
        return config
    for name in _FILES:
        _add(config, _entries(_read_file(run_folder / name), is_wrapped=name == _WRAPPED_FILE))
    for folder in (run_folder, _last_checkpoint(run_folder)):
        if folder is not None:
            _add(config, _state_entries(folder / _STATE_FILE))
    return config


def differing_keys(configs: Sequence[Mapping[str, ConfigValue]]) -> list[str]:
    """The names whose values are not the same in all configs; configs that are empty say nothing."""
    known = [config for config in configs if config]
    names = dict.fromkeys(name for config in known for name in config)
    return [name for name in names if len({_comparable(config.get(name)) for config in known}) > 1]


def _comparable(value: ConfigValue) -> str:
    """The same for 1 and 1.0, NaN and NaN; not for 1 and True."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return repr(parse_number(value)) if is_number else f"={value_text(value)}"


def _add(config: dict[str, ConfigValue], entries: Iterator[tuple[str, ConfigValue]]) -> None:
    for name, value in entries:
        if len(config) >= MAX_KEYS:
            return
        config.setdefault(name, value)


def _read_file(path: Path) -> Any:
    """What a YAML or JSON file says as far as it can be read; None where it cannot."""
    try:
        if not os.path.isfile(path):  # a pipe would wait for ever
            return None
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError:
        return None
    if len(data) > LARGEST_FILE:
        return None
    text = data.decode("utf-8-sig", "replace")
    if path.suffix != ".json":
        return _read_yaml(text)
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return None


@dataclass(slots=True)
class _Open:
    """A list or mapping that is being read; `key` is the name whose value comes next."""

    holder: dict[str, Any] | list[Any]
    key: str | None = field(default=None)

    def put(self, value: Any) -> None:
        if isinstance(self.holder, list):
            self.holder.append(value)
        elif self.key is None:
            self.key = "?" if isinstance(value, dict | list) else value_text(value)
        else:
            self.holder[self.key], self.key = value, None


def _read_yaml(text: str) -> Any:
    """The first document; of a broken one what stands before the fault."""
    document: list[Any] = []
    nest = [_Open(document)]
    with suppress(yaml.YAMLError):
        for event in islice(yaml.parse(_NO_YAML.sub("_", text), Loader=_LOADER), _MAX_EVENTS):
            if isinstance(event, yaml.CollectionStartEvent):
                holder: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
                nest[-1].put(holder)
                nest.append(_Open(holder))
                if len(nest) > _MAX_DEPTH:
                    break
            elif isinstance(event, yaml.CollectionEndEvent):
                nest.pop()
            elif isinstance(event, yaml.ScalarEvent):
                nest[-1].put(_plain_value(event.value) if event.implicit[0] else event.value)
            elif isinstance(event, yaml.AliasEvent):
                nest[-1].put(None)
            elif isinstance(event, yaml.DocumentEndEvent):
                break
    return document[0] if document else None


def _plain_value(text: str) -> ConfigValue:
    """What a text without quotes means; `2e-4` is a number, which YAML 1.1 denies."""
    if text in _NULL_TEXTS:
        return None
    if text.lower() in _TRUTHS:
        return _TRUTHS[text.lower()]
    if len(text) <= LONGEST_NUMBER and re.fullmatch(r"[-+]?\d+", text, re.ASCII):
        return int(text)
    number = parse_number(text.replace(".inf", "inf").replace(".nan", "nan"))
    return text if number is None else number


def _entries(values: Any, is_wrapped: bool = False) -> Iterator[tuple[str, ConfigValue]]:
    """Names and values, mappings inside one level deep."""
    if not isinstance(values, dict):
        return
    for name, value in values.items():
        if is_wrapped and isinstance(value, dict) and "value" in value:
            if name.startswith("_"):
                continue
            value = value["value"]
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for inner_name, one in inner:
            flat = f"{name}.{inner_name}" if inner_name else str(name)
            if isinstance(one, list) and not any(isinstance(part, dict | list) for part in one):
                yield flat[:LONGEST_TEXT], ", ".join(map(value_text, one[:LONGEST_TEXT]))[:LONGEST_TEXT]
            elif not isinstance(one, dict | list):
                yield flat[:LONGEST_TEXT], _short(one)


def _short(value: Any) -> ConfigValue:
    if isinstance(value, str):
        return value[:LONGEST_TEXT]
    if isinstance(value, int) and value.bit_length() > 64:  # no identity is lost that anybody reads
        return parse_number(value)
    return value if isinstance(value, int | float | None) else str(value)[:LONGEST_TEXT]


def _last_checkpoint(run_folder: Path) -> Path | None:
    try:
        with os.scandir(run_folder) as entries:
            names = [entry.name for entry in entries if _CHECKPOINT.fullmatch(entry.name)]
    except OSError:
        return None
    return run_folder / max(names, key=lambda name: int(name.split("-")[1])) if names else None


def _state_entries(path: Path) -> Iterator[tuple[str, ConfigValue]]:
    """The few settings at the end of a trainer's state, whose log may be long."""
    try:
        if not os.path.isfile(path):
            return
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            text = file.read(_TAIL_BYTES).decode("utf-8", "replace")
    except OSError:
        return
    found = dict(_STATE_VALUE.findall(text))  # the last of each: the log before may have some too
    yield from ((name, _plain_value(number)) for name, number in found.items())
