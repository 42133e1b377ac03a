"""Looks the installation over: settings with sources, versions, devices, disk, models. Prints nothing."""

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glmcore.core.endpoints import read_endpoints, split_name
from glmcore.core.errors import GlmcoreError
from glmcore.core.i18n import mark
from glmcore.core.settings import Settings, setting_fields
from glmcore.models.fetch.embedded import DISK_BYTES
from glmcore.models.places.devices import GIB, describe_devices
from glmcore.models.sources import find_model, list_models

if TYPE_CHECKING:
    from sqlalchemy import URL

OLDEST_PYTHON = (3, 11)
PACKAGES = (
    "torch",
    "transformers",
    "accelerate",
    "openvino-genai",
    "streamlit",
    "sqlalchemy",
    "psycopg",
    "tokenizers",
    "gguf",
)
CONNECT_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; a template and its values like an error's, so that it can be said in any language."""

    topic: str
    template: str
    values: dict[str, Any] = field(default_factory=dict)
    is_problem: bool = False

    @property
    def text(self) -> str:
        return self.template.format(**self.values)


def examine(settings: Settings) -> list[Finding]:
    """Everything worth knowing about this installation; the problems are marked."""
    parts = (
        _settings(settings),
        _versions(),
        _devices(),
        _home(settings),
        _database(settings),
        _models(settings),
    )
    return [finding for part in parts for finding in part]


def _settings(settings: Settings) -> Iterator[Finding]:
    for entry in setting_fields():
        value = getattr(settings, entry.name)
        if entry.name == "database_url":
            value = _without_password(value)
        elif isinstance(value, tuple):
            value = os.pathsep.join(map(str, value))
        values = {"name": entry.name, "value": value, "source": settings.source(entry.name)}
        yield Finding(mark("settings"), mark("{name} = {value} (from {source})"), values)


def _without_password(url: str) -> str:
    """It may be before the last @, or among what follows the ?."""
    place = url.rsplit("@", 1)[-1].split("?", 1)[0]
    return f"…@{place}" if "@" in url else place


def _versions() -> Iterator[Finding]:
    topic = mark("versions")
    is_old = sys.version_info[:2] < OLDEST_PYTHON
    yield Finding(
        topic,
        mark("Python {version}; 3.11 or newer is needed"),
        {"version": platform.python_version()},
        is_old,
    )
    for name in PACKAGES:
        try:
            yield Finding(topic, mark("{name} {version}"), {"name": name, "version": version(name)})
        except PackageNotFoundError:
            missing = mark("{name} is not installed; run: make install")
            yield Finding(topic, missing, {"name": name}, is_problem=True)


def _devices() -> Iterator[Finding]:
    topic = mark("devices")
    try:
        devices = describe_devices()
    except ImportError as fault:
        yield Finding(
            topic, mark("the devices cannot be examined: {fault}"), {"fault": fault}, is_problem=True
        )
        return
    for device in devices:
        values = {
            "name": device.name,
            "description": device.description,
            "free": device.free_bytes / GIB,
            "total": device.total_bytes / GIB,
        }
        yield Finding(topic, mark("{name}: {description}, {free:.1f} of {total:.1f} GiB free"), values)


def _home(settings: Settings) -> Iterator[Finding]:
    topic = mark("disk")
    folder = _nearest_existing(settings.home)
    free = shutil.disk_usage(folder).free
    yield Finding(
        topic,
        mark("{folder}: {free:.1f} GiB free"),
        {"folder": settings.home, "free": free / GIB},
        is_problem=free < DISK_BYTES,
    )
    if not _can_write(settings.models_dir):
        yield Finding(topic, mark("{folder} cannot be written"), {"folder": settings.home}, is_problem=True)
    for root in settings.model_roots:
        if not root.is_dir():
            missing = mark("the model folder {folder} does not exist")
            yield Finding(topic, missing, {"folder": root}, is_problem=True)


def _database(settings: Settings) -> Iterator[Finding]:
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    topic = mark("database")
    try:
        url = make_url(settings.resolved_database_url)
    except (ArgumentError, ValueError):
        yield Finding(topic, mark("database_url is not a database URL"), is_problem=True)
        return
    if url.get_backend_name() != "sqlite":
        yield _server(topic, url)
        return
    path = Path(url.database or "")
    is_writable = _can_write(path)
    text = mark("{path} can be written") if is_writable else mark("{path} cannot be written")
    yield Finding(topic, text, {"path": path}, is_problem=not is_writable)


def _server(topic: str, url: "URL") -> Finding:
    """Whether the database server that the URL names lets us in."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    place = url.set(query={}).render_as_string(hide_password=True)  # a password may be in the query too
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    try:
        engine = create_engine(url, connect_args={"connect_timeout": CONNECT_SECONDS})
        with engine.connect() as connection:
            server = ".".join(map(str, connection.dialect.server_version_info or ()))
        engine.dispose()
    except (SQLAlchemyError, ImportError, TypeError) as fault:
        cause = str(getattr(fault, "orig", None) or fault).strip().splitlines() or [""]
        text = mark("{place} cannot be reached: {fault}")
        return Finding(topic, text, {"place": place, "fault": cause[0]}, is_problem=True)
    text = mark("{place} can be reached: {backend} {version}")
    return Finding(topic, text, {"place": place, "backend": url.get_backend_name(), "version": server})


def _models(settings: Settings) -> Iterator[Finding]:
    topic = mark("models")
    for entry in list_models(settings):
        text = mark("{name}: ready") if entry.is_ready else mark("{name}: not fetched yet")
        yield Finding(topic, text, {"name": entry.name})
    try:
        if split_name(settings.model, read_endpoints(settings)) is None:
            find_model(settings.model, settings)
    except GlmcoreError as fault:
        yield Finding(topic, fault.template, fault.values, is_problem=True)


def _nearest_existing(path: Path) -> Path:
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _can_write(path: Path) -> bool:
    found = _nearest_existing(path)
    return (found == path.absolute() or found.is_dir()) and os.access(found, os.W_OK)
