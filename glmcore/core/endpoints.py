"""Servers elsewhere whose models are offered here: the setting `endpoints`, and the names of their models.

A model that the server `lab` calls `org/chat` is `org/chat@lab` here. A second @ would mean a model that the
server itself gets from another one; such names are refused, or two servers that know each other would make
them longer for ever.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from glmcore.core.errors import ConfigError, NotFoundError
from glmcore.core.settings import Settings

KEY_PREFIX = "GLMCORE_ENDPOINT_KEY_"
MARK = "@"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server; `url` goes up to and including its /v1."""

    name: str
    url: str

    @property
    def key_variable(self) -> str:
        """The environment variable that holds the key for it, which no file and no log does."""
        return KEY_PREFIX + self.name.upper().replace("-", "_")

    def key(self, environ: Mapping[str, str] = os.environ) -> str | None:
        return environ.get(self.key_variable, "").strip() or None

    def model_name(self, model_id: str) -> str:
        """What a model of this server is called here."""
        return f"{model_id}{MARK}{self.name}"


def read_endpoints(settings: Settings) -> tuple[Endpoint, ...]:
    """The servers that the settings name.

    Raises:
        ConfigError: an entry is not NAME=URL, a URL is no address of a server, or a name is there twice.
    """
    endpoints = tuple(_read_endpoint(text, settings.source("endpoints")) for text in settings.endpoints)
    seen: set[str] = set()
    for endpoint in endpoints:
        if endpoint.key_variable in seen:
            raise ConfigError(
                "endpoints: the name {name!r} is there twice; give each server a name of its own.",
                name=endpoint.name,
            )
        seen.add(endpoint.key_variable)
    if endpoints and settings.endpoint_timeout_seconds <= 0:
        raise ConfigError(
            "endpoint_timeout_seconds is {seconds:g}; expected more than 0.",
            seconds=settings.endpoint_timeout_seconds,
        )
    return endpoints


def split_name(name: str, endpoints: Iterable[Endpoint]) -> tuple[str, Endpoint] | None:
    """What a server calls its model, and the server; None where the name is no model of a server.

    Raises:
        NotFoundError: a model that the server gets from yet another one.
    """
    model_id, _, last = name.rpartition(MARK)
    endpoint = next((endpoint for endpoint in endpoints if endpoint.name == last), None)
    if endpoint is None or not model_id:
        return None
    if MARK in model_id:
        raise NotFoundError(
            "{name}: what the server {endpoint} itself gets from another server is not offered through it; "
            "add that other server to the setting endpoints.",
            name=name,
            endpoint=endpoint.name,
        )
    return model_id, endpoint


def _read_endpoint(text: str, source: str) -> Endpoint:
    name, separator, url = (part.strip() for part in text.partition("="))
    if not separator or not NAME.fullmatch(name):
        # The text itself is not repeated: it may hold a password.
        raise ConfigError(
            "endpoints ({source}): an entry is not NAME=URL with a name of letters, digits, - and _; "
            "expected something like lab=http://host:8000/v1.",
            source=source,
        )
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        is_plain = not (parts.query or parts.fragment) and url.isprintable() and " " not in url
    except ValueError:
        is_address = is_plain = False
    if not (is_address and is_plain):
        raise ConfigError(
            "endpoints ({source}): the address of {name!r} is not one of a server; "
            "expected something like http://host:8000/v1.",
            source=source,
            name=name,
        )
    if MARK in parts.netloc:
        raise ConfigError(
            "endpoints ({source}): the address of {name!r} has a user or a password in it; leave them out "
            "and put the key into the environment variable {variable}.",
            source=source,
            name=name,
            variable=Endpoint(name, "").key_variable,
        )
    return Endpoint(name, url.rstrip("/"))
