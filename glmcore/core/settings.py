"""Settings: environment over `glmcore.toml` over defaults; every value can say where it came from.

A setting `kv_cache_gib` is `GLMCORE_KV_CACHE_GIB` in the environment and `kv_cache_gib = 2` in the file.
"""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from glmcore.core.errors import ConfigError
from glmcore.core.i18n import mark

ENV_PREFIX = "GLMCORE_"
CONFIG_FILE_ENV = "GLMCORE_CONFIG"
DEFAULT_CONFIG_FILE = "glmcore.toml"
EMBEDDED_MODEL = "SmolLM2-135M-Instruct"
ENGINES = ("transformers", "openvino")  # those on this machine


def _setting(default: Any, help_text: str, choices: tuple[str, ...] = ()) -> Any:
    metadata = {"help": help_text, "choices": choices}
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings, each with its help text; build with `load_settings`."""

    home: Path = _setting(Path("data"), "folder for the database, models, jobs and data sets")
    model: str = _setting(
        EMBEDDED_MODEL, "model that the first question is answered by: a name, a folder, a .gguf file"
    )
    preload: bool = _setting(
        True, "whether the server loads that model when it starts, before it is asked for"
    )
    model_roots: tuple[Path, ...] = _setting(
        (), "further folders whose models are offered; separated by the path separator"
    )
    log_roots: tuple[Path, ...] = _setting(
        (),
        "further folders whose training logs, of any program, the curves page offers; separated likewise",
    )
    data_roots: tuple[Path, ...] = _setting(
        (), "further folders whose data files may be used for training and evaluation; separated likewise"
    )
    device: str = _setting("auto", "where the model computes", ("auto", "cpu", "cuda", "mps"))
    dtype: str = _setting("auto", "number format of the weights", ("auto", "float32", "bfloat16", "float16"))
    engine: str = _setting(
        "auto",
        "engine for the models of this machine; auto takes openvino where there is no GPU and it can",
        ("auto", *ENGINES),
    )
    cpu_threads: int = _setting(
        0, "threads that the openvino engine computes with; by default all that this process may use"
    )
    kv_cache_precision: str = _setting(
        "auto", "number format of the openvino engine's key/value cache", ("auto", "u8", "f16", "f32")
    )
    exact_batches: bool = _setting(
        False,
        "whether the openvino engine answers in a batch, token for token, as it does alone; takes more time",
    )
    prompt_lookup: bool = _setting(
        False,
        "whether the openvino engine guesses words from the prompt; helps where answers repeat it, else not",
    )
    quantize: str = _setting(
        "off",
        "bits for the weights of ChatGLM and GLM-4-9B models that are stored in full",
        ("off", "8", "4"),
    )
    kv_cache_gib: float = _setting(
        0.0, "memory for the key/value cache of running answers, in GiB; 0 chooses"
    )
    max_batch_tokens: int = _setting(
        512, "tokens computed in one step of the engine, over all running answers"
    )
    max_running_answers: int = _setting(64, "answers that may run or wait at once; more are refused")
    allow_hub: bool = _setting(
        True, "whether a model that is not here may be fetched from the model hub by name"
    )
    cpu_jobs: int = _setting(1, "jobs that compute on the CPU at once")
    stop_grace_seconds: float = _setting(
        600.0, "seconds that a job has to obey a request to stop before it is killed"
    )
    database_url: str = _setting("", "where conversations are kept; empty means SQLite in the home folder")
    history_days: float = _setting(
        0.0,
        "days after its last use that a conversation is removed for good; 0 keeps all; pinned and rated stay",
    )
    trash_days: float = _setting(
        30.0, "days that a deleted conversation can be brought back before it is removed; 0 keeps all"
    )
    max_request_mib: float = _setting(
        8.0, "size of an HTTP request to the API, in MiB; larger ones are refused"
    )
    cors_origins: tuple[str, ...] = _setting(
        (), "addresses of web pages that may call the API from a browser; separated by commas"
    )
    drain_seconds: float = _setting(
        20.0, "seconds that a server which was asked to end lets running answers finish"
    )
    log_format: str = _setting("text", "form of the server's log", ("text", "json"))
    log_prompts: bool = _setting(False, "whether the log of requests holds what was asked and answered")
    endpoints: tuple[str, ...] = _setting(
        (), "OpenAI-compatible servers whose models are offered too: NAME=URL, separated by commas"
    )
    endpoint_timeout_seconds: float = _setting(
        60.0, "seconds that such a server may be silent before its answer counts as failed"
    )
    language: str = _setting("auto", "language of pages and terminal", ("auto", "en", "zh"))
    sources: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def jobs_dir(self) -> Path:
        return self.home / "jobs"

    @property
    def models_dir(self) -> Path:
        return self.home / "models"

    @property
    def resolved_database_url(self) -> str:
        return self.database_url or f"sqlite:///{self.home / 'glmcore.db'}"

    @property
    def quantize_bits(self) -> int | None:
        return None if self.quantize == "off" else int(self.quantize)

    def source(self, name: str) -> str:
        """Where the value of a setting came from: 'default', a file's path, or an environment variable."""
        return self.sources.get(name, "default")


def setting_fields() -> list[Any]:
    """The dataclass fields that are settings, in order."""
    return [entry for entry in fields(Settings) if "help" in entry.metadata]


def load_settings(environ: Mapping[str, str] | None = None, config_file: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        ConfigError: a key is unknown or a value cannot be read; names the place and what was expected.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for name, value, place in [*_from_file(environ, config_file), *_from_environment(environ)]:
        values[name] = value
        sources[name] = place
    return Settings(**values, sources=sources)


def _from_file(environ: Mapping[str, str], config_file: Path | None) -> list[tuple[str, Any, str]]:
    named = config_file or (Path(environ[CONFIG_FILE_ENV]) if environ.get(CONFIG_FILE_ENV) else None)
    path = named or Path(DEFAULT_CONFIG_FILE)
    if not path.is_file():
        if named is not None:
            raise ConfigError("{path}: no such settings file; name an existing one.", path=path)
        return []
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ConfigError("{path} is not valid TOML: {fault}.", path=path, fault=fault) from fault
    known = {entry.name: entry for entry in setting_fields()}
    found = []
    for name, value in table.items():
        if name not in known:
            raise _unknown(path, name, known)
        found.append((name, _parse(known[name], value, f"{path}: {name}"), str(path)))
    return found


def _from_environment(environ: Mapping[str, str]) -> list[tuple[str, Any, str]]:
    found = []
    for entry in setting_fields():
        variable = ENV_PREFIX + entry.name.upper()
        if environ.get(variable):
            found.append((entry.name, _parse(entry, environ[variable], variable), variable))
    return found


def _unknown(path: Path, name: str, known: Mapping[str, Any]) -> ConfigError:
    near = get_close_matches(name, known, n=1)
    if near:
        return ConfigError(
            "{path}: unknown setting {name!r}; did you mean {near!r}?", path=path, name=name, near=near[0]
        )
    return ConfigError(
        "{path}: unknown setting {name!r}; see the README for those there are.", path=path, name=name
    )


def _parse(entry: Any, value: Any, place: str) -> Any:
    readers: dict[Any, Callable[[Any], Any]] = {
        Path: lambda v: Path(_text(v)).expanduser(),
        str: _text,
        float: _number,
        int: lambda v: _whole(v),
        bool: _truth,
        tuple[Path, ...]: _paths,
        tuple[str, ...]: _texts,
    }
    try:
        parsed = readers[entry.type](value)
    except ValueError as fault:
        raise ConfigError(
            "{place} is {value!r}; expected {expected} ({help}).",
            place=place,
            value=value,
            expected=str(fault),
            help=entry.metadata["help"],
        ) from None
    choices = entry.metadata["choices"]
    if choices and parsed not in choices and not (entry.name == "device" and parsed.startswith("cuda:")):
        raise ConfigError(
            "{place} is {value!r}; expected one of {choices}.",
            place=place,
            value=parsed,
            choices=", ".join(choices),
        )
    return parsed


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(mark("a text"))
    return value


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(mark("a number")) from None
    if isinstance(value, bool) or not 0 <= number < float("inf"):
        raise ValueError(mark("a number that is not negative"))
    return number


def _whole(value: Any) -> int:
    number = _number(value)
    if number != int(number) or number < 1:
        raise ValueError(mark("a whole number from 1 up"))
    return int(number)


def _truth(value: Any) -> bool:
    words = {
        "1": True,
        "true": True,
        "yes": True,
        "on": True,
        "0": False,
        "false": False,
        "no": False,
        "off": False,
    }
    found = value if isinstance(value, bool) else words.get(str(value).lower())
    if found is None:
        raise ValueError(mark("true or false"))
    return found


def _paths(value: Any) -> tuple[Path, ...]:
    parts = value.split(os.pathsep) if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        raise ValueError(mark("a list of folders"))
    return tuple(Path(_text(part)).expanduser() for part in parts if part)


def _texts(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        raise ValueError(mark("a list of texts"))
    return tuple(_text(part).strip() for part in parts if _text(part).strip())
