"""The one tree of errors that a user can cause or see.

A message says where, what was found, what was expected and what to do. It is kept as a template
and its values, so that the edge that shows it (page, terminal, HTTP) can say it in its own language.
Anything raised that is not a `GlmcoreError` is a bug of ours.
"""

from typing import Any


class GlmcoreError(Exception):
    """A fault with a sentence for the user; `str()` is that sentence in English."""

    def __init__(self, template: str, **values: Any) -> None:
        super().__init__(template, values)
        self.template = template
        self.values = values

    def __str__(self) -> str:
        return self.template.format(**self.values)

    def to_dict(self) -> dict[str, Any]:
        """As JSON values, so that a stored error can be said in another language later."""
        values = {name: _to_json(value) for name, value in self.values.items()}
        return {"template": self.template, "values": values}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "GlmcoreError":
        values = {
            name: GlmcoreError.from_dict(value) if isinstance(value, dict) else value
            for name, value in stored["values"].items()
        }
        return cls(stored["template"], **values)


def _to_json(value: Any) -> Any:
    if isinstance(value, GlmcoreError):
        return value.to_dict()
    return value if isinstance(value, (str, int, float)) else str(value)


class ConfigError(GlmcoreError, ValueError):
    """A setting, parameter or option is unknown, malformed or out of range."""


class DataError(GlmcoreError, ValueError):
    """Text or a file from a user cannot be used as it is."""


class ModelLoadError(GlmcoreError, RuntimeError):
    """A model is missing, broken, or of a kind that cannot be loaded."""


class NotEnoughMemoryError(GlmcoreError, RuntimeError):
    """Something was not started because it would not fit."""


class EngineError(GlmcoreError, RuntimeError):
    """The engine cannot take or finish a request."""


class BusyError(EngineError):
    """As much runs as may run; `values["seconds"]` is how soon asking again is sensible."""


class UnknownCallerError(GlmcoreError, PermissionError):
    """Who asks is not known, and must be."""

    # PermissionError would print its arguments.
    __str__ = GlmcoreError.__str__


class RefusedError(GlmcoreError, PermissionError):
    """Who asks is known and may not."""

    __str__ = GlmcoreError.__str__


class JobError(GlmcoreError, RuntimeError):
    """A training or prediction run cannot start or go on."""


class StorageError(GlmcoreError, RuntimeError):
    """The database or the disk refused to read or write."""


class ConflictError(GlmcoreError, RuntimeError):
    """What was to be changed has been changed by somebody else since it was looked at."""


class NotFoundError(GlmcoreError, KeyError):
    """A thing was named that does not exist (any more)."""

    # KeyError would print the repr of its first argument.
    __str__ = GlmcoreError.__str__
